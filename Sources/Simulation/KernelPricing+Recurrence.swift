import Costs
import Plans
import Programs

/// Kernels of recurrent blocks, and of what chooses keys.
///
/// Nobody published such kernels by shape. Libraries compute their chunks as products by tensor cores and
/// pass states through memory, one kernel each (mamba-ssm, flash-linear-attention): so they are priced, as
/// products of 16-bit operands of these sizes and passes over what is read and written.
extension KernelPricing {
  /// What a windowed core computes; nil where only the mask limits it.
  static func reach(of shape: Programs.AttentionShape) -> AttentionReach? {
    guard shape.isLimited, shape.isCausal, let width = shape.reach.width else { return nil }
    let share = Double(shape.queries) / Double(shape.keys)
    let edges: Double =
      switch shape.reach {
      case .window(let width): 1 + Double(shape.keys - width) / Double(shape.keys)
      case .all, .chunk: 1
      // Each query has keys of its own.
      case .chosen: 0
      }
    return AttentionReach(
      pairs: shape.reach.causalPairs(shape.keys) * share, width: width, edges: edges)
  }

  /// The core of a recurrent block; backward each product has two for its one, and states are formed again.
  func scan(_ shape: ScanShape, _ pass: Pass, _ multiprocessors: Int) -> [PricedKernel] {
    let isForward = pass == .forward
    let products = shape.products.map {
      batched($0, multiprocessors).repeated(isForward ? 1 : 2)
    }
    return products + [state(shape, isForward: isForward)]
  }

  /// What chooses keys, as DeepSeek-V3.2 published it (`inference/model.py` and `kernel.py` of
  /// DeepSeek-V3.2-Exp): queries of few heads and the key that they share are rotated, multiplied by a
  /// Hadamard matrix and rounded to 8 bits; one product scores all keys on and below the diagonal and adds up
  /// the heads, so that one 32-bit number a pair is written; a pass over these chooses.
  func index(_ shape: IndexShape, _ pass: Pass, _ multiprocessors: Int) -> [PricedKernel] {
    guard pass == .forward else { return indexBackward(shape, multiprocessors) }
    let numbers =
      Double(shape.sequences * shape.headSize) * Double(shape.queries * shape.heads + shape.keys)
    return [
      over(.rope, bytes: 4 * numbers), over(.elementwise, bytes: 4 * numbers),
      over(.quantise, bytes: 3 * numbers),
      scores(shape, pairs: shape.scoredPairs, by: indexing, multiprocessors),
      over(.softmax, bytes: Self.scoreBytes * shape.scoredPairs),
    ]
  }

  /// An indexer learns from the chosen pairs alone: their scores and what attention gave them make the
  /// scores' gradient, and two products in 16 bits those of queries and keys.
  private func indexBackward(_ shape: IndexShape, _ multiprocessors: Int) -> [PricedKernel] {
    [
      over(.softmax, bytes: 3 * Self.scoreBytes * shape.chosenPairs),
      scores(shape, pairs: shape.chosenPairs, by: nil, multiprocessors).repeated(2),
    ]
  }

  static let scoreBytes = 4.0

  private func over(_ kernel: StreamingClass, bytes: Double) -> PricedKernel {
    PricedKernel(.streaming(kernel), seconds: streaming.cost(kernel, bytes: bytes).seconds)
  }

  /// A product of every head's queries with keys that all heads share, whose results over the heads of a
  /// query are one number.
  private func scores(
    _ shape: IndexShape, pairs: Double, by cost: MatmulCost?, _ multiprocessors: Int
  ) -> PricedKernel {
    let rows = shape.queries * shape.heads
    let met = pairs / Double(shape.sequences * shape.queries)
    let size = ScanShape.Product(
      count: shape.sequences, m: rows, n: max(1, Int(met.rounded())), k: shape.headSize)
    return batched(
      size, multiprocessors, by: cost.map { ($0, .float8(block: shape.headSize)) },
      resultBytes: Self.scoreBytes / Double(shape.heads))
  }

  /// - Parameters:
  ///   - other: products that the plan's linear maps need not have, and their format.
  private func batched(
    _ size: ScanShape.Product, _ multiprocessors: Int,
    by other: (cost: MatmulCost, format: Format)? = nil, resultBytes: Double? = nil
  ) -> PricedKernel {
    let usual: Format = products[.bfloat16] != nil ? .bfloat16 : headProduct
    let format = other?.format ?? usual
    guard let cost = other?.cost ?? products[format] else {
      preconditionFailure("The device has no products of \(format).")
    }
    var shape = MatmulShape(
      m: size.m, n: size.n, k: size.k, resultBytes: resultBytes ?? sizes.activation)
    shape.copies = size.count
    let seconds = cost.cost(shape, multiprocessors: multiprocessors).seconds
    return PricedKernel(.product(shape, format), seconds: seconds)
  }

  /// States written behind their chunks, read by the next; a backward goes over them again both ways.
  private func state(_ shape: ScanShape, isForward: Bool) -> PricedKernel {
    let bytes = 4 * Double(shape.stateElements) * (isForward ? 3 : 6)
    return PricedKernel(
      .streaming(.elementwise), seconds: streaming.cost(.elementwise, bytes: bytes).seconds)
  }
}
