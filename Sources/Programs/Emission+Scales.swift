/// Scales that follow from the greatest magnitudes of passes before.
extension Emission {
  /// Behind each pass of a stage its tensors' greatest magnitudes are joined, all ranks of the position agree
  /// on them, and the history and the scales of the next pass are written.
  ///
  /// Forward every product has three (input, weight, result), backward two (gradients of the result and of
  /// the input). Source: TransformerEngine 1.x, `pytorch/fp8.py` (`reduce_and_update_fp8_tensors`), whose
  /// all-reduce is waited for; over all tensor, context and data ranks in Megatron-Core
  /// (`get_amax_reduction_group`, `tp_only_amax_red` off).
  func updateScales(_ half: Programs.Pass) {
    let setting = lowering.setting
    let products = countOfFloat8Products
    guard setting.recipe.scaling == .delayed, setting.updatesScales,
      setting.purpose == .training, products > 0
    else { return }
    let count = products * (half == .forward ? 3 : 2)
    let maxima = lowering.temporary(
      "greatest magnitudes", .fixed(count), 1, .float32, .communication)
    emit(
      .launches(count: 1, .greatestMagnitude, rows: .fixed(count)), outputs: [maxima], inputs: [],
      half)
    if setting.tensor * setting.gradientCopies > 1 {
      start(
        .allReduce(.position), outputs: [maxima], inputs: [maxima], stream: .tensor,
        bytesPerRow: 4, rows: .fixed(count), half)
    }
    emit(
      .launches(count: 2, .greatestMagnitude, rows: .fixed(count)), outputs: [], inputs: [maxima],
      half)
  }

  /// Behind a forward that ends with a loss all copies of the stage average it for the log (Megatron-LM 0.8,
  /// `pretrain_gpt.py`, `loss_func`): one number, which what follows waits for.
  func averageLoss() {
    let setting = lowering.setting
    guard setting.averagesLoss, setting.updatesScales, setting.purpose == .training,
      setting.gradientCopies > 1, graph.nodes.contains(where: \.kind.isLoss)
    else { return }
    let loss = lowering.temporary("loss, averaged", .fixed(1), 1, .float32, .communication)
    emit(
      .launches(count: 1, .copy, rows: .fixed(1)), outputs: [loss], inputs: [], .forward)
    start(
      .allReduce(.gradient), outputs: [loss], inputs: [loss], stream: .tensor, bytesPerRow: 4,
      rows: .fixed(1), .forward)
    waitFor([loss])
  }

  private var countOfFloat8Products: Int {
    graph.nodes.reduce(0) { sum, node in
      switch node.kind {
      case .linear(let format, _, _): sum + (format.isFloat8 ? 1 : 0)
      case .groupedLinear(_, let experts):
        sum + (lowering.setting.recipe(ofLayer: node.layer).quantizes ? experts : 0)
      default: sum
      }
    }
  }
}
