#if MPI
  import Reports
  import Runs
  import Tasks
  import Training

  extension RunOutline {
    /// What a run of reinforcement learning does around its updates, defaults included.
    static func text(of policy: RunFile.PolicySettings, _ run: RunFile) -> String {
      var table = TextTable([.left, .left])
      func text(_ number: Double) -> String { String(format: "%.6g", number) }
      let completions = run.plan.globalBatch * (policy.rollouts == nil ? policy.minibatches : 1)
      table.add(
        "rollout",
        "\(grouped(completions)) completions, \(policy.group) of each of "
          + "\(grouped(completions / policy.group)) prompts, used \(policy.updatesPerRollout) times"
          + (policy.minibatches > 1 ? " in \(policy.minibatches) parts" : ""))
      table.add(
        "sampling",
        policy.rollouts == nil
          ? "temperature \(text(policy.loss.temperature)), top-p \(text(policy.topShare)), at most "
            + "\(grouped(policy.maximumTokens)) tokens"
          : "none: the completions are given; temperature \(text(policy.loss.temperature))")
      let names = policy.rewards.map { settings in
        settings.rewards.parts.map { "\($0.name) × \(text($0.weight))" }.joined(separator: ", ")
      }
      table.add("rewards", names ?? "those of the file")
      for part in policy.rewards?.rewards.parts ?? [] {
        guard let command = part.rule as? CommandRule else { continue }
        table.add("limits of \(part.name)", command.limits)
      }
      table.add("advantage", policy.advantage.rawValue)
      table.add(
        "loss",
        "ratio within \(text(1 - policy.loss.clipLow)) … \(text(1 + policy.loss.clipHigh)), meant by "
          + policy.normalisation.rawValue)
      table.add("reference", reference(policy))
      return "reinforcement learning (grpo)\n\(table.text())"
    }

    private static func reference(_ policy: RunFile.PolicySettings) -> String {
      guard policy.loss.beta > 0 else { return "none, beta is 0" }
      let beta = String(format: "beta %.6g", policy.loss.beta)
      guard let every = policy.referenceRefresh else {
        return "\(beta), the model at the run's beginning"
      }
      return "\(beta), the policy of every \(grouped(every))th update"
    }
  }
#endif
