import Checkpoints
import Documents

extension RunFile {
  /// What tells this run from others: a checksum of its file, overrides, model and data.
  ///
  /// - Parameter data: `TokenSource.identity`.
  package func identity(data: String) -> String {
    var sum = Checksum()
    sum.add(Array("\(checksum) \(data)\n".utf8) + model.configuration)
    return sum.text
  }

  /// The settings of this run.
  public var settings: RunSettings {
    var result = RunSettings()
    func add(_ name: String, _ value: some CustomStringConvertible) {
      result.settings.append(.init(name: name, value: "\(value)"))
    }
    add("steps", steps)
    add("plan.global-batch", plan.globalBatch)
    add("batch-ramp", batch.text)
    add("plan.sequence-length", plan.sequenceLength)
    add("plan.microbatch-size", plan.microbatchSize)
    add("optimizer.betas", "[\(optimizer.beta1), \(optimizer.beta2)]")
    add("optimizer.epsilon", optimizer.epsilon)
    add("optimizer.weight-decay", optimizer.weightDecay)
    add("optimizer.decay", optimizer.decay.rawValue)
    add("optimizer.clip", optimizer.clip ?? 0)
    add("learning-rate", learningRate.text)
    add("model.multi-token-prediction", model.predictionWeight.text)
    add("model.balance-loss", model.balanceWeight)
    if model.architecture.joinedBalance > 0 {
      add("model.router_aux_loss_coef", model.architecture.joinedBalance)
    }
    add("model.bias-speed", model.biasSpeed.text)
    guard let policy else { return result }
    add("grpo.group", policy.group)
    add("grpo.temperature", policy.loss.temperature)
    add("grpo.top-p", policy.topShare)
    add("grpo.max-tokens", policy.maximumTokens)
    add("grpo.clip", "[\(policy.loss.clipLow), \(policy.loss.clipHigh)]")
    add("grpo.beta", policy.loss.beta)
    add("grpo.advantage", policy.advantage.rawValue)
    add("grpo.normalise", policy.normalisation.rawValue)
    add("grpo.updates-per-rollout", policy.updatesPerRollout)
    add("grpo.minibatches", policy.minibatches)
    add("grpo.reference.refresh-every", policy.referenceRefresh ?? 0)
    return result
  }
}

extension BatchRamp {
  /// `from 4 to 8 in steps of 4 over 12 sequences`, or `none`.
  fileprivate var text: String {
    first == final
      ? "none" : "from \(first) to \(final) in steps of \(increment) over \(sequences) sequences"
  }
}

extension LearningRate {
  /// Its phases: `10 steps linear from 0.0003 to 0.003, then 0.003`.
  fileprivate var text: String {
    phases.map { phase in
      if phase.steps == 0 { return "\(phase.to)" }
      let move =
        phase.from == phase.to
        ? "of \(phase.from)" : "\(phase.shape.rawValue) from \(phase.from) to \(phase.to)"
      return "\(phase.steps) steps \(move)"
    }.joined(separator: ", then ")
  }
}

extension Piecewise {
  /// `0.3 until step 100, then 0.1`.
  fileprivate var text: String {
    pieces.map { piece in
      piece.until.map { "\(piece.value) until step \($0)" } ?? "\(piece.value)"
    }.joined(separator: ", then ")
  }
}
