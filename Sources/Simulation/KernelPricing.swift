import Clusters
import Costs
import Plans
import Programs
import Synchronization

/// Prices of kernels on one device; equal questions are answered once.
struct KernelPricing: Sendable {
  private let device: DeviceModel
  private let streaming: StreamingCost
  private let attention: AttentionCost
  private let products: [Format: MatmulCost]
  let sizes: ElementSizes
  /// What the head's products compute in.
  let headProduct: Format
  /// Speeds of formats in units of the described 16-bit products, of those that borrow their kernels.
  private(set) var rates: [Format: Double] = [:]
  let attentionRate: Double
  /// Multiprocessors of compute kernels in overlapped pairs and outside of them.
  private let pairMultiprocessors: Int
  private let loneMultiprocessors: Int
  private let known = PriceMemory()

  /// - Parameters:
  ///   - model: the constants of the device's kernels.
  ///   - communicationSMs: multiprocessors that computation leaves free in overlapped pairs.
  init(_ device: Device, _ model: DeviceModel, plan: Plan, communicationSMs: Int) {
    self.device = model
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
    let count = max(
      1,
      isOverlapped
        ? pairMultiprocessors - channels
        : min(loneMultiprocessors, device.multiprocessors - channels))
    let size = routedRows(operation.kernel, rows)
    let key = PriceMemory.Key(kernel: operation.kernel, rows: size, multiprocessors: count)
    if let price = known[key] { return price }
    let price = price(operation.kernel, rows: { Self.count($0, size) }, count)
    known[key] = price
    return price
  }

  /// The height of a tile.
  static let rowsPerBlock = 128

  /// Routed row counts are priced at whole blocks of rows.
  private func routedRows(_ kernel: Kernel, _ rows: ExchangeRows) -> Int {
    guard let routed = kernel.rows, case let count = rows(routed) else { return 0 }
    if case .fixed = routed { return 0 }
    return (count + Self.rowsPerBlock - 1) / Self.rowsPerBlock * Self.rowsPerBlock
  }

  private static func count(_ rows: Rows, _ size: Int) -> Int {
    if case .fixed(let count) = rows { count } else { size }
  }

  private func price(_ kernel: Kernel, rows: (Rows) -> Int, _ multiprocessors: Int) -> Double {
    let gap = device.launchGap
    switch kernel {
    case .matmul(let matmul):
      return gap + product(matmul, groups: 1, rows: rows, multiprocessors)
    case .groupedMatmul(let matmul, let experts):
      return gap + product(matmul, groups: experts, rows: rows, multiprocessors)
    case .attention(let shape, let fused, let pass):
      return gap + core(shape, fused: fused, pass, multiprocessors)
    case .headLoss(let tokens, let hidden, let vocabulary, _):
      return head(tokens, hidden, vocabulary, multiprocessors)
    case .route(let shape, .forward):
      return Double(kernel.launchCount(.fused)) * gap
        + streaming.routing(tokens: shape.tokens).seconds
    case .launches(let count, let kind, let size):
      return launches(count, kind, rows(size))
    default:
      let passes = kernel.passes(rows: rows, sizes)
      return passes.reduce(0) { $0 + gap + streaming.cost($1.kernel, bytes: $1.bytes).seconds }
    }
  }

  private func product(
    _ matmul: Matmul, groups: Int, rows: (Rows) -> Int, _ multiprocessors: Int
  ) -> Double {
    guard let cost = products[matmul.format] else {
      preconditionFailure("The device has no products of \(matmul.format).")
    }
    let m = rows(matmul.m)
    guard m > 0 else { return 0 }
    if matmul.pass == .backwardWeight && groups > 1 {
      // One product per expert, the depth being its rows.
      let shape = weightShape(matmul, rows: max(1, m / groups))
      let one = cost.cost(shape, multiprocessors: multiprocessors).seconds
      return Double(groups) * one + Double(groups - 1) * device.launchGap
    }
    let shape: MatmulShape
    switch matmul.pass {
    case .forward, .backwardInput:
      let isForward = matmul.pass == .forward
      shape = MatmulShape(
        rows: Self.spread(m, over: groups), columns: isForward ? matmul.n : matmul.k,
        depth: isForward ? matmul.k : matmul.n,
        pass: isForward ? .forward : .backwardInput, resultBytes: sizes.activation)
    case .backwardWeight: shape = weightShape(matmul, rows: m)
    }
    return cost.cost(shape, multiprocessors: multiprocessors).seconds
  }

  /// A weight gradient, whose sum is read and written in the gradient's format.
  private func weightShape(_ matmul: Matmul, rows: Int) -> MatmulShape {
    MatmulShape(
      m: matmul.n, n: matmul.k, k: rows, pass: .backwardWeight, accumulates: false,
      resultBytes: 2 * sizes.gradient)
  }

  private static func spread(_ rows: Int, over groups: Int) -> [Int] {
    (0..<groups).map { rows / groups + ($0 < rows % groups ? 1 : 0) }
  }

  private func core(
    _ shape: Programs.AttentionShape, fused: Bool, _ pass: Pass, _ multiprocessors: Int
  ) -> Double {
    let costs = Costs.AttentionShape(
      heads: shape.sequences * shape.heads, queriesPerKey: shape.heads / shape.keyValueHeads,
      queries: shape.queries, keys: shape.keys, queryDimension: shape.queryKeySize,
      valueDimension: shape.valueSize, causal: shape.isCausal)
    if fused {
      return pass == .forward
        ? attention.forward(costs, multiprocessors: multiprocessors).seconds
        : attention.backward(costs, multiprocessors: multiprocessors).seconds
    }
    // The passes over the square are operations of their own.
    return pass == .forward
      ? attention.unfusedForwardProducts(costs, multiprocessors: multiprocessors).seconds
      : attention.unfusedBackwardProducts(costs, multiprocessors: multiprocessors).seconds
  }

  /// The three products of the fused head, and its passes over the logits.
  private func head(_ tokens: Int, _ hidden: Int, _ vocabulary: Int, _ multiprocessors: Int)
    -> Double
  {
    let products = [Pass.forward, .backwardInput, .backwardWeight].map { pass in
      product(
        Matmul(m: .fixed(tokens), n: vocabulary, k: hidden, pass: pass, format: headProduct),
        groups: 1, rows: { Self.count($0, 0) }, multiprocessors)
    }
    // Logits are read once for the sum and once for the gradient, which is written in their place.
    let logits = Double(tokens) * Double(vocabulary) * sizes.activation
    let passes = streaming.cost(.crossEntropy, bytes: 3 * logits).seconds
    return products.reduce(0, +) + passes + 5 * device.launchGap
  }

  private func launches(_ count: Int, _ kind: Streaming, _ rows: Int) -> Double {
    let gaps = Double(count) * device.launchGap
    if kind == .index { return gaps + streaming.indexing(tokens: rows).seconds }
    return gaps + Double(count) * streaming.tiny().seconds
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
