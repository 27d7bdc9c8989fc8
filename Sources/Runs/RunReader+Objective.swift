import Documents
import Plans
import Tasks

extension RunReader {
  /// Reinforcement learning's settings; nil where the run has another objective.
  func readPolicy(
    _ objective: RunFile.Objective, _ plan: Plan, steps: Int
  ) throws(ConfigurationError) -> RunFile.PolicySettings? {
    let keys = keys.policy
    guard objective == .grpo else {
      guard try table.optionalTable(keys) == nil else {
        throw table.error("has no effect without objective grpo", at: keys)
      }
      return nil
    }
    guard let policy = try table.optionalTable(keys) else {
      throw table.error("is missing: the objective grpo needs prompts and rewards", at: keys)
    }
    if try table.either(self.keys.data) != nil {
      throw table.error(
        "has no effect with objective grpo: grpo.prompts is what it learns from",
        at: self.keys.data.plain)
    }
    if try table.optionalTable(self.keys.batchRamp) != nil {
      throw table.error(
        "is not for the objective grpo, whose rollouts have one size", at: self.keys.batchRamp)
    }
    let settings = try readPolicy(policy)
    try check(settings, policy, plan, steps: steps)
    return settings
  }

  private func readPolicy(_ policy: Table) throws(ConfigurationError) -> RunFile.PolicySettings {
    let keys = keys.policy
    let tokenizer = try policy.optional(keys.tokenizer)
    let clip = try policy.value(keys.clip)
    guard clip[0] <= 1 else {
      throw policy.error(
        "lets a ratio go down by \(clip[0]), and no ratio of probabilities is below 0: at most 1",
        at: keys.clip)
    }
    let rollouts = try policy.optionalTable(keys.rollouts)
    let given = try rollouts?.required(keys.rollouts.file)
    var rewards: RewardSettings?
    if policy.contains(keys.rewards) {
      rewards = RewardSettings(rewards: try Rewards(reading: keys.rewards, of: policy))
    }
    let maximumTokens = try policy.value(keys.maximumTokens)
    return RunFile.PolicySettings(
      prompts: try policy.optional(keys.prompts).map(resolved),
      heldOut: try policy.optional(keys.heldOut).map(resolved),
      rollouts: given.map(resolved),
      tokenizer: tokenizer.map { $0 == "bytes" ? $0 : resolved($0) },
      rewards: rewards,
      group: try policy.value(keys.group),
      loss: PolicyLoss(
        clipLow: clip[0], clipHigh: clip[1], beta: try policy.value(keys.beta),
        temperature: try policy.value(keys.temperature)),
      topShare: try policy.value(keys.topShare),
      maximumTokens: maximumTokens,
      advantage: try policy.value(keys.advantage),
      normalisation: try policy.value(keys.normalise),
      updatesPerRollout: try policy.value(keys.updates),
      minibatches: try policy.value(keys.minibatches),
      referenceRefresh: try policy.optionalTable(keys.reference)?
        .required(keys.reference.refresh),
      generation: try readGeneration(policy, maximumTokens: maximumTokens))
  }

  private func check(
    _ settings: RunFile.PolicySettings, _ policy: Table, _ plan: Plan, steps: Int
  ) throws(ConfigurationError) {
    let keys = keys.policy
    guard (settings.prompts == nil) != (settings.rollouts == nil) else {
      throw policy.error("needs either prompts or rollouts, and not both", at: keys.prompts)
    }
    guard plan.globalBatch % settings.group == 0 else {
      throw policy.error(
        "is \(settings.group), and plan.global-batch, \(plan.globalBatch) completions, must be "
          + "whole groups", at: keys.group)
    }
    if settings.prompts != nil, settings.rewards == nil {
      throw policy.error("is missing: prompts need rules that judge completions", at: keys.rewards)
    }
    if settings.loss.beta == 0, settings.referenceRefresh != nil {
      throw policy.error(
        "has no effect with a beta of 0, which needs no reference", at: keys.reference)
    }
    guard settings.rollouts != nil else { return }
    for (name, isGiven) in [
      ("held-out", settings.heldOut != nil), ("rewards", policy.contains(keys.rewards)),
      ("top-p", policy.contains(keys.topShare)), ("minibatches", policy.contains(keys.minibatches)),
      ("generation", settings.generation != nil),
    ] where isGiven {
      throw policy.error("has no effect on completions that are given (rollouts)", at: name)
    }
    guard steps <= settings.updatesPerRollout else {
      throw policy.error(
        "is \(settings.updatesPerRollout), and the run has \(steps) steps: the file is one rollout",
        at: keys.updates)
    }
  }

  /// What a run learns from that makes its completions itself, in the words of other runs' data.
  func dataSettings(of policy: RunFile.PolicySettings) -> RunFile.DataSettings {
    RunFile.DataSettings(
      training: [policy.file], form: .text, width: nil, tokenizer: policy.tokenizer, holdOut: 0,
      evaluation: policy.heldOut)
  }

  /// Refuses keys of data that demonstrations have no use for.
  func checkDemonstrations(
    _ data: RunFile.DataSettings, _ table: Table
  ) throws(ConfigurationError) {
    let keys = keys.data
    let rule = "has no effect on demonstrations, which are JSON Lines"
    if data.form != .automatic { throw table.error(rule, at: keys.form) }
    if data.width != nil { throw table.error(rule, at: keys.width) }
    if data.holdOut > 0 {
      throw table.error(
        "has no effect on demonstrations: data.evaluation names a file of its own",
        at: keys.holdOut)
    }
    guard data.weights.isEmpty || data.weights.count == data.training.count else {
      throw table.error(
        "has \(data.weights.count) numbers for \(data.training.count) files", at: keys.weights)
    }
    if !data.weights.isEmpty, data.training.count == 1 {
      throw table.error("has no effect on one file", at: keys.weights)
    }
    if data.evaluation != nil, self.table.field(self.keys.evaluation)?.isNull ?? true {
      throw table.error(
        "has no effect without evaluation, which says how often the model is evaluated",
        at: keys.evaluation)
    }
  }
}
