import Checkpoints
import Documents
import Foundation

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
    if data.training.count > 1, objective == .demonstrations {
      add("data.weights", data.weights.isEmpty ? "every line alike" : "\(data.weights)")
    }
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
    if let rewards = policy.rewards { add("grpo.rewards", rewards.rewards.text) }
    if let path = policy.heldOut { add("grpo.held-out", Self.named(path)) }
    return result
  }

  /// A file's name with a checksum of what it holds, wherever it lies.
  private static func named(_ path: String) -> String {
    var sum = Checksum()
    sum.add((try? InputFile(path: path).allBytes(limit: 1 << 30)) ?? [])
    return "\(lastName(of: path)) (\(sum.text))"
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
  /// Its phases, each from the rate of its first step to that of its last one, and the rate behind them:
  /// `10 steps linear from 0.0003 to 0.003, then 0.003`.
  package var text: String {
    let end = phases[phases.count - 1].to
    var moving = phases.filter { $0.steps > 0 }
    if let last = moving.last, last.from == last.to, last.to == end { moving.removeLast() }
    let words = moving.map { phase in
      let first = Self.text(of: phase.from)
      if phase.steps == 1 { return "1 step of \(first)" }
      if phase.from == phase.to { return "\(phase.steps) steps of \(first)" }
      let last = phase.rate(at: Double(phase.steps - 1) / Double(phase.steps))
      return "\(phase.steps) steps \(phase.shape.rawValue) from \(first) to \(Self.text(of: last))"
    }
    return (words + [Self.text(of: end)]).joined(separator: ", then ")
  }

  /// A rate with six digits at most: those that are computed end in a digit that nobody wrote.
  private static func text(of rate: Double) -> String { String(format: "%.6g", rate) }
}

extension Piecewise {
  /// `0.3 until step 100, then 0.1`.
  fileprivate var text: String {
    pieces.map { piece in
      piece.until.map { "\(piece.value) until step \($0)" } ?? "\(piece.value)"
    }.joined(separator: ", then ")
  }
}
