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
  private let products: [MatmulPrecision: MatmulCost]
  /// Multiprocessors of compute kernels in overlapped pairs and outside of them.
  private let pairMultiprocessors: Int
  private let loneMultiprocessors: Int
  /// Bytes that the optimizer moves for one parameter.
  private let bytesPerUpdate: Double
  private let known = PriceMemory()

  /// - Parameter communicationSMs: multiprocessors that computation leaves free in overlapped pairs.
  init(_ device: DeviceModel, plan: Plan, communicationSMs: Int) {
    self.device = device
    streaming = StreamingCost(device)
    attention = AttentionCost(device)
    var products: [MatmulPrecision: MatmulCost] = [:]
    for precision in MatmulPrecision.allCases {
      guard let library = device.library(for: precision, chosen: plan.library) else { continue }
      products[precision] = MatmulCost(device, library: library)
    }
    self.products = products
    pairMultiprocessors = max(1, device.multiprocessors - communicationSMs)
    loneMultiprocessors = plan.computationSMs ?? device.multiprocessors
    // The gradient in, master weights and two moments in and out, the working copy out.
    let recipe = plan.precision
    let bits =
      recipe.gradients.bits + 2 * (recipe.masterWeights?.bits ?? 0) + 4 * recipe.moments.bits
      + recipe.parameterGather.bits * (recipe.masterWeights == nil ? 2 : 1)
    bytesPerUpdate = Double(bits) / 8
  }

  func seconds(of operation: Operation, rows: ExchangeRows, isOverlapped: Bool) -> Double {
    let count = isOverlapped ? pairMultiprocessors : loneMultiprocessors
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
      return Double(kernel.launchCount) * gap + streaming.routing(tokens: shape.tokens).seconds
    case .launches(let count, let kind, let size):
      return launches(count, kind, rows(size))
    case .adamW(let elements):
      return gap + streaming.cost(.optimizer, bytes: bytesPerUpdate * Double(elements)).seconds
    default:
      let passes = kernel.passes(rows: rows)
      return passes.reduce(0) { $0 + gap + streaming.cost($1.kernel, bytes: $1.bytes).seconds }
    }
  }

  private func product(
    _ matmul: Matmul, groups: Int, rows: (Rows) -> Int, _ multiprocessors: Int
  ) -> Double {
    let precision: MatmulPrecision = matmul.format == .float8 ? .fp8 : .bf16
    guard let cost = products[precision] else {
      preconditionFailure("The device has no products of \(precision).")
    }
    let m = rows(matmul.m)
    guard m > 0 else { return 0 }
    if matmul.pass == .backwardWeight && groups > 1 {
      // One product per expert, the depth being its rows.
      let shape = MatmulShape(
        m: matmul.n, n: matmul.k, k: max(1, m / groups), pass: .backwardWeight)
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
        pass: isForward ? .forward : .backwardInput)
    case .backwardWeight:
      shape = MatmulShape(m: matmul.n, n: matmul.k, k: m, pass: .backwardWeight)
    }
    return cost.cost(shape, multiprocessors: multiprocessors).seconds
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
      valueDimension: shape.valueSize)
    if fused {
      return pass == .forward
        ? attention.forward(costs, multiprocessors: multiprocessors).seconds
        : attention.backward(costs, multiprocessors: multiprocessors).seconds
    }
    // The passes over the square are operations of their own.
    let square = Double(costs.heads) * Double(costs.queries) * Double(costs.keys)
    let dropout = streaming.cost(.dropout, bytes: 5 * square).seconds
    if pass == .forward {
      return attention.unfusedForward(costs, multiprocessors: multiprocessors).seconds - dropout
        - streaming.cost(.softmax, bytes: 4 * square).seconds
    }
    return attention.unfusedBackward(costs, multiprocessors: multiprocessors).seconds - dropout
      - streaming.cost(.softmax, bytes: 6 * square).seconds
  }

  /// The three products of the fused head, and its passes over the logits.
  private func head(_ tokens: Int, _ hidden: Int, _ vocabulary: Int, _ multiprocessors: Int)
    -> Double
  {
    let format = Format.bfloat16
    let products = [Pass.forward, .backwardInput, .backwardWeight].map { pass in
      product(
        Matmul(m: .fixed(tokens), n: vocabulary, k: hidden, pass: pass, format: format),
        groups: 1, rows: { Self.count($0, 0) }, multiprocessors)
    }
    // Logits are read once for the sum and once for the gradient, which is written in their place.
    let logits = Double(tokens) * Double(vocabulary) * 2
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
