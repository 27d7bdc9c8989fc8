import Checkpoints
import Documents
import Runs

extension PreparedRun {
  /// The rollout that a checkpoint between two updates of it has kept; nil where there is none to go on with.
  ///
  /// - Throws: `CheckpointError` where the run's rollouts are of another kind by now.
  func rollout(keptIn checkpoint: CheckpointReader) throws(CheckpointError) -> Rollout? {
    guard let settings = run.policy, let step = checkpoint.state?.step,
      step % settings.updatesOfARollout > 0
    else { return nil }
    let file = "\(checkpoint.path)/\(Rollout.fileName)"
    let rollout = try Rollout(InputFile(path: file).allBytes(limit: 1 << 32), file: file)
    let length = run.plan.sequenceLength + 1
    let count = run.plan.globalBatch * settings.minibatches
    guard rollout.completions.count == count,
      rollout.completions.allSatisfy({ $0.prompt.count + $0.tokens.count <= length })
    else {
      throw CheckpointError(
        .mismatched, file: file,
        rule: "has \(rollout.completions.count) completions, and the run's rollouts have "
          + "\(count) of at most \(length) tokens")
    }
    let rules = settings.ruleNames.count
    guard rollout.completions.allSatisfy({ $0.rewards.count == rules }) else {
      throw CheckpointError(
        .mismatched, file: file,
        rule: "was judged by another number of rules than the \(rules) of grpo.rewards; "
          + "rules may change between two rollouts")
    }
    let groups = rollout.completions.indices.map {
      rollout.completions[$0 / settings.group * settings.group]
    }
    guard zip(rollout.completions, groups).allSatisfy({ $0.prompt == $1.prompt }) else {
      throw CheckpointError(
        .mismatched, file: file,
        rule: "has no \(settings.group) completions of each prompt (grpo.group); "
          + "a group's size may change between two rollouts")
    }
    return rollout
  }
}

extension RunFile.PolicySettings {
  /// Under which names the log has the rewards of each rule.
  var ruleNames: [String] { rewards?.rewards.parts.map(\.name) ?? [] }
}
