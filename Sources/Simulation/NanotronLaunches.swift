import Plans
import Programs

extension Kernel {
  /// Kernels that a plan's framework launches one by one for this one.
  func launchCount(_ plan: Plan) -> Int {
    launchCount(plan.execution) + (plan.framework == .nanotron ? launchesOfNanotron : 0)
  }

  /// Kernels that nanotron's Llama launches beside those that `launchCount` counts.
  ///
  /// Counted in huggingface/nanotron 67c5ebb6 (`models/llama.py`, `nn/layer_norm.py`) and FlashAttention 2. That
  /// products beside a gather are cut in up to three is not counted.
  var launchesOfNanotron: Int {
    switch self {
    // Queries, keys and values into their order, keys and values into one tensor and that into its order, two
    // rotations; backward two rotations, keys with values, all three together, and their order.
    case .splitHeads: 4
    // For queries and for keys: zeros, a sum of the mask, a running sum; backward the products of rows in front and
    // the cast of the queries' gradients behind.
    case .attention(_, fused: true, let pass): pass == .forward ? 6 : 2
    // SiLU and its product; backward both factors, SiLU's gradient, and both halves into one.
    case .gatedUnit(_, _, _, let pass): pass == .forward ? 1 : 3
    // The gain's gradient: a sum over parts, and a cast.
    case .norm(_, _, _, centred: false, let pass): pass == .forward ? 0 : 2
    default: 0
    }
  }
}
