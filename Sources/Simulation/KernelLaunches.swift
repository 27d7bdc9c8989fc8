import Costs
import Plans
import Programs

extension Kernel {
  /// Kernels that a framework which issues them one by one launches for this one.
  ///
  /// Counted in Megatron-DeepSpeed of December 2022 (microsoft/Megatron-DeepSpeed c2402048), whose
  /// layer norms, masked softmax and GELU are fused and whose loss and gradient sums are not. What
  /// this one's own time already covers may be several kernels: a count says what they cost the host.
  func launchCount(_ execution: Plan.Execution) -> Int {
    if let count = operatorLaunches(execution) { return count }
    return switch self {
    // Two batched products forward, four backward; the passes over the square are apart.
    case .attention(_, fused: false, let pass): pass == .forward ? 2 : 4
    case .matmul(let matmul): Self.launches(of: matmul)
    // The input's gradient, the gain's and the bias's in two steps, and adding these to their sums.
    case .norm(_, _, _, centred: true, let pass): pass == .forward ? 1 : 5
    // Words, positions and their sum; backward their gradients, added to their sums.
    case .embedding(_, _, _, let pass): pass == .forward ? 3 : 4
    // Half of reading a batch: its size sent to the device and back, the tokens, two slices of them,
    // positions, the weights of the loss, a mask of three kernels.
    case .loadTokens, .loadLabels, .loadTargets: 5
    // A cast to 32 bits, maximum, difference, six on the labels' mask, three to pick the label's logit
    // and one to mask it, exponential, sum, logarithm, loss, quotient, four for the mean; backward
    // three for the mean and the scale of the loss, six at the label, product and cast.
    case .crossEntropy(_, _, _, fused: false, let pass): pass == .forward ? 22 : 11
    case .headLoss: 5
    // Behind the router's product in the published trace of DeepSeek-V3, before the rows are quantised.
    case .route(_, .forward): 37
    case .launches(let count, _, _), .awaited(let count): count
    // The greatest magnitude, and the scale of it.
    case .convert(.greatestMagnitude, _, _, _, _): 2
    case .assembleLatent(_, let pass): pass == .forward ? 4 : 5
    default: 1
    }
  }

  /// A bias's gradient is formed beside the input's and added to its sum over microbatches; a weight's is
  /// added by its product, or by a kernel that the program names.
  private static func launches(of matmul: Matmul) -> Int {
    guard !matmul.format.isFloat8 else { return 1 }
    return matmul.pass == .backwardInput && matmul.hasBias ? 3 : 1
  }
}

extension TransferKind {
  /// What the host launches for a transfer.
  var launchCount: Int {
    if case .shift = self { TensorProductCost.launchesOfStep } else { 1 }
  }
}
