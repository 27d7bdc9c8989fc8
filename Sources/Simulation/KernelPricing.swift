import Clusters
import Costs
import Plans
import Programs
import Synchronization

/// Prices of kernels on one device; equal questions are answered once.
struct KernelPricing: Sendable {
  private let device: DeviceModel
  let streaming: StreamingCost
  let attention: AttentionCost
  let products: [Format: MatmulCost]
  let sizes: ElementSizes
  /// Products in 8 bits of an indexer's scores, whatever the plan's precision; nil where the device has none.
  let indexing: MatmulCost?
  /// What the head's products compute in.
  let headProduct: Format
  /// Speeds of formats in units of the described 16-bit products, of those that borrow their kernels.
  private(set) var rates: [Format: Double] = [:]
  let attentionRate: Double
  /// Multiprocessors of compute kernels in overlapped pairs and outside of them.
  private let pairMultiprocessors: Int
  private let loneMultiprocessors: Int
  /// Bytes a second between the device and its host, each way.
  private let hostRate: Double?
  private let known = PriceMemory()
  /// Programs are those of inference, whose routed rows are few: they are priced as they are, and a router is one
  /// kernel.
  var serves = false

  /// All that decides prices: those of equal bases are equal.
  struct Basis: Hashable {
    private var device: Device
    private var clock: Double
    private var precision: PrecisionRecipe
    private var library: MatmulLibrary?
    private var attentionLibrary: AttentionLibrary?
    private var sizes: ElementSizes
    private var computationSMs: Int?
    private var communicationSMs: Int

    /// - Parameter clock: hertz.
    init(_ device: Device, clock: Double, _ plan: Plan, communicationSMs: Int) {
      self.device = device
      self.clock = clock
      precision = plan.precision
      library = plan.library
      attentionLibrary = plan.attentionLibrary
      sizes = ElementSizes(Recipe(plan.precision), plan)
      computationSMs = plan.computationSMs
      self.communicationSMs = communicationSMs
    }

    /// What differs between the steps of a search; to take all of a device would take longer than to compare it.
    func hash(into hasher: inout Hasher) {
      hasher.combine(clock)
      hasher.combine(communicationSMs)
      hasher.combine(computationSMs)
    }
  }

  /// - Parameters:
  ///   - model: the constants of the device's kernels.
  ///   - communicationSMs: multiprocessors that computation leaves free in overlapped pairs.
  init(_ device: Device, _ model: DeviceModel, plan: Plan, communicationSMs: Int) {
    self.device = model
    hostRate = device.hostLink?.reached.value.value
    streaming = StreamingCost(model)
    let formats = FormatRates(device)
    let precision = plan.precision
    func bytes(_ format: NumberFormat) -> Double { Double(format.bits) / 8 }
    attentionRate =
      formats.rate(
        of: precision.attentionOperands, flopsPerClock: model.attention.flopsPerClock) ?? 1
    attention = AttentionCost(
      model, library: plan.attentionLibrary, rate: attentionRate,
      operandBytes: bytes(precision.attentionOperands))
    var products: [Format: MatmulCost] = [:]
    for (_, format) in precision.operands {
      if format == .e4m3 {
        guard
          let library = model.libraryOfFP8(precision.scaling, chosen: plan.library)
        else { continue }
        products[Format(format, of: precision)] =
          precision.scaling == .microscaling
          ? MatmulCost(
            model, as: library, rate: formats.rateOfMicroscaling, operandBytes: bytes(format))
          : MatmulCost(model, library: library)
      } else if let library = model.library(for: .bf16, chosen: plan.library),
        let flopsPerClock = model.matmuls[library]?.flopsPerClock,
        let rate = formats.rate(of: format, flopsPerClock: flopsPerClock)
      {
        rates[Format(format, of: precision)] = rate
        products[Format(format, of: precision)] = MatmulCost(
          model, as: library, rate: rate, operandBytes: bytes(format))
      }
    }
    self.products = products
    indexing = [false, true].lazy
      .compactMap { model.library(for: .fp8, scalesTensors: $0, chosen: plan.library) }
      .first.flatMap { MatmulCost(model, library: $0) }
    let recipe = Recipe(precision)
    sizes = ElementSizes(recipe, plan)
    headProduct = recipe.headProduct
    pairMultiprocessors = max(1, model.multiprocessors - communicationSMs)
    loneMultiprocessors = plan.computationSMs ?? model.multiprocessors
  }

  /// - Parameter channels: multiprocessors that collectives beside the kernel take; what a plan leaves free
  ///   outside of pairs serves them.
  func seconds(
    of operation: Operation, rows: ExchangeRows, isOverlapped: Bool, channels: Int = 0
  ) -> Double {
    let count = multiprocessors(isOverlapped: isOverlapped, channels: channels)
    let size = routedRows(operation.kernel, rows)
    let key = PriceMemory.Key(kernel: operation.kernel, rows: size, multiprocessors: count)
    if let price = known[key] { return price }
    let price = price(operation.kernel, rows: { Self.count($0, size) }, count)
    known[key] = price
    return price
  }

  /// The kernels of an operation without the gaps between them, of which `seconds` is the sum.
  func kernels(
    of operation: Operation, rows: ExchangeRows, isOverlapped: Bool
  ) -> [PricedKernel] {
    let size = routedRows(operation.kernel, rows)
    return kernels(
      operation.kernel, rows: { Self.count($0, size) },
      multiprocessors(isOverlapped: isOverlapped, channels: 0))
  }

  private func multiprocessors(isOverlapped: Bool, channels: Int) -> Int {
    max(
      1,
      isOverlapped
        ? pairMultiprocessors - channels
        : min(loneMultiprocessors, device.multiprocessors - channels))
  }

  /// The height of a tile.
  static let rowsPerBlock = 128

  /// Routed row counts are priced at whole blocks of rows.
  private func routedRows(_ kernel: Kernel, _ rows: ExchangeRows) -> Int {
    guard let routed = kernel.rows, case let count = rows(routed) else { return 0 }
    if case .fixed = routed { return 0 }
    if serves { return count }
    return (count + Self.rowsPerBlock - 1) / Self.rowsPerBlock * Self.rowsPerBlock
  }

  private static func count(_ rows: Rows, _ size: Int) -> Int {
    if case .fixed(let count) = rows { count } else { size }
  }

  private func price(_ kernel: Kernel, rows: (Rows) -> Int, _ multiprocessors: Int) -> Double {
    kernels(kernel, rows: rows, multiprocessors).reduce(0) {
      $0 + Double($1.launches) * device.launchGap + $1.seconds
    }
  }

  private func kernels(
    _ kernel: Kernel, rows: (Rows) -> Int, _ multiprocessors: Int
  ) -> [PricedKernel] {
    if let serving = servingKernels(kernel, multiprocessors) { return serving }
    switch kernel {
    case .matmul(let matmul):
      return [product(matmul, groups: 1, rows: rows, multiprocessors)]
        + streamed(kernel.biasPass(rows: rows, sizes).map { [$0] } ?? [])
    case .groupedMatmul(let matmul, let experts):
      return [product(matmul, groups: experts, rows: rows, multiprocessors)]
    case .attention(let shape, let fused, let pass):
      return [core(shape, fused: fused, pass, multiprocessors)]
    case .headLoss(let tokens, let hidden, let vocabulary, _):
      return head(tokens, hidden, vocabulary, multiprocessors)
    case .route(let shape, .forward):
      return [
        PricedKernel(
          .routing, launches: kernel.launchCount(.fused),
          seconds: streaming.routing(tokens: shape.tokens).seconds)
      ]
    case .streamedAdamW(let elements, let bytes, let hostBytes):
      // Pieces come, are updated and go at the same time.
      let update = kernels(.adamW(elements: elements, bytes: bytes), rows: rows, multiprocessors)
      let copy = hostSeconds(bytes: Double(hostBytes))
      return update.map {
        PricedKernel($0.kind, launches: $0.launches, seconds: max($0.seconds, copy))
      }
    case .orthogonalize(let update): return orthogonalization(update, multiprocessors)
    case .scan(let shape, let pass): return scan(shape, pass, multiprocessors)
    case .index(let shape, let pass): return index(shape, pass, multiprocessors)
    case .launches(let count, let kind, let size):
      return [launches(count, kind, rows(size))]
    default: return streamed(kernel.passes(rows: rows, sizes))
    }
  }

  private func streamed(_ passes: [MemoryPass]) -> [PricedKernel] {
    passes.map {
      PricedKernel(
        .streaming($0.kernel), seconds: streaming.cost($0.kernel, bytes: $0.bytes).seconds)
    }
  }

  func product(
    _ matmul: Matmul, groups: Int, rows: (Rows) -> Int, _ multiprocessors: Int
  ) -> PricedKernel {
    guard let cost = products[matmul.format] else {
      preconditionFailure("The device has no products of \(matmul.format).")
    }
    let m = rows(matmul.m)
    let shape: MatmulShape
    var launches = 1
    switch matmul.pass {
    case .forward, .backwardInput:
      let isForward = matmul.pass == .forward
      shape = MatmulShape(
        rows: Self.spread(m, over: groups), columns: isForward ? matmul.n : matmul.k,
        depth: isForward ? matmul.k : matmul.n,
        pass: isForward ? .forward : .backwardInput, resultBytes: sizes.activation)
    case .backwardWeight:
      // One product per expert, the depth being its rows.
      shape = weightShape(matmul, rows: max(1, m / groups))
      if m > 0 { launches = groups }
    }
    let seconds = m > 0 ? cost.cost(shape, multiprocessors: multiprocessors).seconds : 0
    return PricedKernel(
      .product(shape, matmul.format), launches: launches, seconds: Double(launches) * seconds)
  }

  /// A weight gradient, whose sum is read and written in the gradient's format, or which is written as an
  /// activation is.
  private func weightShape(_ matmul: Matmul, rows: Int) -> MatmulShape {
    MatmulShape(
      m: matmul.n, n: matmul.k, k: rows, pass: .backwardWeight,
      accumulates: sizes.fusesGradientSums, resultBytes: sizes.weightProduct)
  }

  private static func spread(_ rows: Int, over groups: Int) -> [Int] {
    (0..<groups).map { rows / groups + ($0 < rows % groups ? 1 : 0) }
  }

  private func core(
    _ shape: Programs.AttentionShape, fused: Bool, _ pass: Pass, _ multiprocessors: Int
  ) -> PricedKernel {
    let costs = Costs.AttentionShape(
      heads: shape.sequences * shape.heads, queriesPerKey: shape.queriesPerComputedKey,
      queries: shape.queries, keys: shape.keys, queryDimension: shape.computedQuerySize,
      valueDimension: shape.computedValueSize, causal: shape.isCausal, reach: Self.reach(of: shape))
    // The passes over the square of an unfused core are operations of their own.
    let cost: Cost
    switch (fused, pass) {
    case (true, .forward): cost = attention.forward(costs, multiprocessors: multiprocessors)
    case (true, _): cost = attention.backward(costs, multiprocessors: multiprocessors)
    case (false, .forward):
      cost = attention.unfusedForwardProducts(costs, multiprocessors: multiprocessors)
    case (false, _):
      cost = attention.unfusedBackwardProducts(costs, multiprocessors: multiprocessors)
    }
    return PricedKernel(.attention(costs, fused: fused, pass), seconds: cost.seconds)
  }

  /// The three products of the fused head, and its passes over the logits.
  private func head(_ tokens: Int, _ hidden: Int, _ vocabulary: Int, _ multiprocessors: Int)
    -> [PricedKernel]
  {
    let products = [Pass.forward, .backwardInput, .backwardWeight].map { pass in
      product(
        Matmul(m: .fixed(tokens), n: vocabulary, k: hidden, pass: pass, format: headProduct),
        groups: 1, rows: { Self.count($0, 0) }, multiprocessors)
    }
    // Logits are read once for the sum and once for the gradient, which is written in their place.
    let logits = Double(tokens) * Double(vocabulary) * sizes.activation
    let passes = streaming.cost(.crossEntropy, bytes: 3 * logits).seconds
    return products + [PricedKernel(.streaming(.crossEntropy), launches: 2, seconds: passes)]
  }

  private func launches(_ count: Int, _ kind: Streaming, _ rows: Int) -> PricedKernel {
    kind == .index
      ? PricedKernel(
        .indexing, launches: count, seconds: streaming.indexing(tokens: rows).seconds)
      : PricedKernel(
        .tiny, launches: count, seconds: Double(count) * streaming.tiny().seconds)
  }

  /// A copy between the device and its host.
  func hostSeconds(bytes: Double) -> Double {
    guard let hostRate else {
      preconditionFailure("Nothing is offloaded where the host's link is not described.")
    }
    return bytes / hostRate
  }

  /// Every matrix by itself, step by step, and one pass over what is updated.
  private func orthogonalization(
    _ update: Orthogonalization, _ multiprocessors: Int
  ) -> [PricedKernel] {
    let products = update.products.map {
      product($0, groups: 1, rows: { Self.count($0, 0) }, multiprocessors)
        .repeated(Orthogonalization.steps * update.matrices)
    }
    let passes = update.passes.map {
      PricedKernel(
        .streaming(.elementwise), seconds: streaming.cost(.elementwise, bytes: $0).seconds
      ).repeated(update.matrices)
    }
    let last = streaming.cost(.optimizer, bytes: Double(update.bytes)).seconds
    return products + passes + [PricedKernel(.streaming(.optimizer), seconds: last)]
  }
}

/// Prices that were asked for before.
private final class PriceMemory: Sendable {
  struct Key: Hashable {
    var kernel: Kernel
    var rows: Int
    var multiprocessors: Int
  }

  private let prices = Mutex<[Key: Double]>([:])

  subscript(key: Key) -> Double? {
    get { prices.withLock { $0[key] } }
    set { prices.withLock { $0[key] = newValue } }
  }
}
