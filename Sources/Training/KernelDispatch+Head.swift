import Engines
import Kernels
import Programs

/// The model's end: losses of every objective, log-probabilities, scores.
extension RankBackend {
  private func scale(ofModule module: Int) -> Float {
    let known = source.labelCount(module: module)
    return Float(setting.gradientScale(module: module, assignment, known: known))
  }

  func head(
    _ bound: BoundOperation, tokens: Int, hidden: Int, vocabulary: Int, module: Int
  ) {
    let shape = HeadShape(
      rows: tokens, columns: hidden, vocabulary: vocabulary, tile: Kernel.headTileRows)
    let microbatch = Int(bound.instance.microbatch)
    let labels = bound.integers(bound.input(2))
    let loss: LossSum
    switch mode {
    case .train where setting.objective == .clippedPolicy && module == 0:
      loss = policyHead(bound, labels, shape)
    case .train:
      loss = headLossBackward(
        bound[0], bound[1], workspace: bound[3], bound.input(0), bound.input(1), labels: labels,
        shape, scale: scale(ofModule: module), on: bench)
    case .likelihoods: loss = likelihoods(bound, workspace: bound[3], labels, shape)
    case .evaluate, .logits:
      loss = headLoss(
        workspace: bound[3], bound.input(0), bound.input(1), labels: labels, shape, on: bench)
    }
    if case .logits(let read) = mode {
      let logits = UnsafeMutableBufferPointer<Float>.allocate(capacity: tokens * vocabulary)
      defer { logits.deallocate() }
      if let start = logits.baseAddress {
        linearForward(
          start, bound.input(0), bound.input(1),
          LinearShape(rows: tokens, inputs: hidden, outputs: vocabulary), on: bench)
      }
      read(module, microbatch, UnsafeBufferPointer(logits))
    }
    bound[2].pointee = Float(loss.sum)
    sums.add(
      loss: loss.sum, labels: loss.labelled, module: module,
      microbatch: assignment.globalMicrobatch(microbatch))
  }

  func headEvaluation(
    _ bound: BoundOperation, tokens: Int, hidden: Int, vocabulary: Int, module: Int
  ) {
    let shape = HeadShape(
      rows: tokens, columns: hidden, vocabulary: vocabulary, tile: Kernel.headTileRows)
    let labels = bound.integers(bound.input(2))
    let loss: LossSum
    if case .likelihoods = mode {
      loss = likelihoods(bound, workspace: bound[1], labels, shape)
    } else {
      loss = headLoss(
        workspace: bound[1], bound.input(0), bound.input(1), labels: labels, shape, on: bench)
    }
    bound[0].pointee = Float(loss.sum)
    sums.add(
      loss: loss.sum, labels: loss.labelled, module: module,
      microbatch: assignment.globalMicrobatch(Int(bound.instance.microbatch)))
  }

  func headScores(
    _ bound: BoundOperation, sequences: Int, tokens: Int, hidden: Int, vocabulary: Int
  ) {
    let length = tokens / sequences
    // Rows that lie one behind the other are one product.
    let rows = length == 1 ? sequences : 1
    for sequence in stride(from: 0, to: sequences, by: rows) {
      linearForward(
        bound[0] + sequence * vocabulary,
        bound.input(0) + (sequence * length + length - 1) * hidden, bound.input(1),
        LinearShape(rows: rows, inputs: hidden, outputs: vocabulary), on: bench)
    }
    guard case .logits(let read) = mode else { return }
    read(
      0, Int(bound.instance.microbatch),
      UnsafeBufferPointer(start: bound[0], count: sequences * vocabulary))
  }

  /// GRPO's loss and its gradients: each token's target says what its loss is made of.
  private func policyHead(
    _ bound: BoundOperation, _ labels: UnsafeMutablePointer<Int32>, _ shape: HeadShape
  ) -> LossSum {
    let targets = bound.input(3)
    let columns = setting.objective.targetColumns
    let policy = setting.policy
    let first = firstToken(of: bound.instance)
    return headPolicyBackward(
      bound[0], bound[1], workspace: bound[3], bound.input(0), bound.input(1), labels: labels,
      shape, temperature: Float(policy.temperature), on: bench
    ) { row, token in
      observe?(first + row, token)
      let target = PolicyTarget(UnsafeBufferPointer(start: targets + row * columns, count: columns))
      let loss = policy.loss(ofLogProbability: token.logProbability, target)
      return (loss.value * target.weight, loss.slope * target.weight)
    }
  }

  private func likelihoods(
    _ bound: BoundOperation, workspace: UnsafeMutablePointer<Float>,
    _ labels: UnsafeMutablePointer<Int32>, _ shape: HeadShape
  ) -> LossSum {
    let first = firstToken(of: bound.instance)
    return headLikelihoods(
      workspace: workspace, bound.input(0), bound.input(1), labels: labels, shape,
      temperature: Float(setting.policy.temperature), on: bench
    ) { row, token in observe?(first + row, token) }
  }

  /// The number in the global batch, sequence by sequence, of a microbatch's first token.
  private func firstToken(of instance: Instance) -> Int {
    assignment.globalMicrobatch(Int(instance.microbatch)) * assignment.plan.microbatchSize
      * assignment.plan.sequenceLength
  }
}
