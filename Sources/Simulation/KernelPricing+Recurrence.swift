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

  /// The scores of all keys on and below the diagonal, and a pass over them that chooses.
  func index(_ shape: IndexShape, _ pass: Pass, _ multiprocessors: Int) -> [PricedKernel] {
    let rows = shape.sequences * shape.heads
    let size = ScanShape.Product(
      count: rows, m: shape.queries, n: max(1, shape.keys / 2), k: shape.headSize)
    let scores = 4 * Double(shape.sequences) * Double(shape.queries) * Double(shape.keys) / 2
    let choice = PricedKernel(
      .streaming(.softmax), seconds: streaming.cost(.softmax, bytes: 2 * scores).seconds)
    return [batched(size, multiprocessors).repeated(pass == .forward ? 1 : 2), choice]
  }

  private func batched(_ size: ScanShape.Product, _ multiprocessors: Int) -> PricedKernel {
    let format: Format = products[.bfloat16] != nil ? .bfloat16 : headProduct
    guard let cost = products[format] else {
      preconditionFailure("The device has no products of \(format).")
    }
    var shape = MatmulShape(m: size.m, n: size.n, k: size.k, resultBytes: sizes.activation)
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
