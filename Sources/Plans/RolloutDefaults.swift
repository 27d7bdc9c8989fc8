/// What is taken of a step of reinforcement learning where nobody says it, of a run's file (`grpo.generation`)
/// and on the command line alike.
public enum RolloutDefaults {
  /// Tokens of a question: the mean of R1's mathematical ones.
  public static let promptTokens = 122
  /// Standard deviation of the logarithm of an answer's length, which no publication says.
  public static let spread = 0.7
  /// The share of a device's memory that a generator takes.
  public static let memoryShare = 0.9
  /// Seconds that judging a rollout's answers takes beside.
  public static let rewardSeconds = 0.0

  /// One of these, by its key in a run's file.
  public enum Entry: String, Hashable, Sendable, CaseIterable {
    case promptTokens = "prompt-tokens"
    case spread
    case memoryShare = "memory-share"
    case rewardSeconds = "reward-seconds"

    /// The key with its value.
    public var setting: String {
      switch self {
      case .promptTokens: "\(rawValue) \(RolloutDefaults.promptTokens)"
      case .spread: "\(rawValue) \(RolloutDefaults.spread)"
      case .memoryShare: "\(rawValue) \(RolloutDefaults.memoryShare)"
      case .rewardSeconds: "\(rawValue) \(Int(RolloutDefaults.rewardSeconds))"
      }
    }
  }
}
