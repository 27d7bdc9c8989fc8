/// What is known of an update of a policy, under the names that TRL's GRPOTrainer logs.
public struct PolicyMetrics: Hashable, Sendable {
  /// What a policy does with prompts that it does not learn from.
  public struct HeldOut: Hashable, Sendable {
    /// The share of sampled completions to which the first rule gives 1.
    public var accuracy: Double
    /// The mean weighted sum of rewards.
    public var reward: Double
    /// Tokens of a completion, in the mean.
    public var meanLength: Double
  }

  /// The mean reward.
  public var reward: Double
  /// The deviation of rewards within a group, with n − 1, in the mean of groups.
  public var rewardDeviation: Double
  /// The share of groups whose completions all have one reward: they teach nothing.
  public var shareWithoutDeviation: Double
  /// By rule, the mean of what it gave and its deviation over all completions.
  public var rules: [Rule]
  public var meanLength: Double
  public var minimumLength: Double
  public var maximumLength: Double
  /// The share of completions that were cut at the most tokens that they may have.
  public var clippedShare: Double
  /// Of those that ended by themselves; 0 where none did.
  public var meanTerminatedLength: Double
  /// The share of tokens whose ratio is below its bound with a negative advantage.
  public var clipLow = 0.0
  public var clipLowMinimum = 0.0
  /// The share of tokens whose ratio is above its bound with a positive advantage.
  public var clipHigh = 0.0
  public var clipHighMaximum = 0.0
  /// The mean entropy behind a completion's tokens, in nats.
  public var entropy = 0.0
  /// The divergence from the reference, meant as the loss is; nil without a reference.
  public var divergence: Double?
  /// The largest distance between the log-probability of a token as it was sampled and as training
  /// computes it; nil but for the first update of a rollout.
  public var samplingDifference: Double?
  /// How long the rollout took that was made before this update; nil where none was.
  public var rolloutSeconds: Double?

  /// What one rule gave.
  public struct Rule: Hashable, Sendable {
    public var name: String
    public var mean: Double
    public var deviation: Double
  }

  /// What the completions of an update say by themselves.
  init(_ completions: [Completion], group: Int, rules: [String]) {
    let count = Double(max(1, completions.count))
    let rewards = completions.map(\.reward)
    reward = rewards.reduce(0, +) / count
    let deviations = stride(from: 0, to: rewards.count, by: group).map {
      Self.deviation(of: rewards[$0..<$0 + group])
    }
    let groups = Double(max(1, deviations.count))
    rewardDeviation = deviations.reduce(0, +) / groups
    shareWithoutDeviation = Double(deviations.count { $0 < 1e-8 }) / groups
    self.rules = rules.enumerated().map { index, name in
      let own = completions.map { $0.rewards[index] }
      return Rule(
        name: name, mean: own.reduce(0, +) / count, deviation: Self.deviation(of: own[...]))
    }
    let lengths = completions.map { Double($0.tokens.count) }
    meanLength = lengths.reduce(0, +) / count
    minimumLength = lengths.min() ?? 0
    maximumLength = lengths.max() ?? 0
    let ended = completions.filter(\.isEnded).map { Double($0.tokens.count) }
    clippedShare = 1 - Double(ended.count) / count
    meanTerminatedLength = ended.isEmpty ? 0 : ended.reduce(0, +) / Double(ended.count)
  }

  /// With n − 1; of one number 0.
  private static func deviation(of numbers: ArraySlice<Double>) -> Double {
    guard numbers.count > 1 else { return 0 }
    let mean = numbers.reduce(0, +) / Double(numbers.count)
    let squares = numbers.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    return (squares / Double(numbers.count - 1)).squareRoot()
  }

  /// Names and numbers as a log has them, in its order.
  public var fields: [(name: String, value: Double)] {
    var fields = [
      ("reward", reward), ("reward_std", rewardDeviation),
      ("frac_reward_zero_std", shareWithoutDeviation),
    ]
    for rule in rules {
      fields.append(("rewards/\(rule.name)/mean", rule.mean))
      fields.append(("rewards/\(rule.name)/std", rule.deviation))
    }
    if let divergence { fields.append(("kl", divergence)) }
    fields += [
      ("entropy", entropy), ("clip_ratio/low_mean", clipLow),
      ("clip_ratio/low_min", clipLowMinimum),
      ("clip_ratio/high_mean", clipHigh), ("clip_ratio/high_max", clipHighMaximum),
      ("clip_ratio/region_mean", clipLow + clipHigh), ("completions/mean_length", meanLength),
      ("completions/min_length", minimumLength), ("completions/max_length", maximumLength),
      ("completions/clipped_ratio", clippedShare),
      ("completions/mean_terminated_length", meanTerminatedLength),
    ]
    if let samplingDifference {
      fields.append(("sampling/logp_difference_max", samplingDifference))
    }
    if let rolloutSeconds { fields.append(("rollout_seconds", rolloutSeconds)) }
    return fields
  }
}
