/// GRPO's loss of one token: the clipped ratio of policies times the advantage, and the divergence from a
/// reference (DeepSeekMath, arXiv 2402.03300, section 4.1; two bounds as in DAPO, arXiv 2503.14476).
public struct PolicyLoss: Hashable, Sendable {
  /// The ratio of new and old probability is kept in 1 − `clipLow` … 1 + `clipHigh`.
  public var clipLow = 0.2
  public var clipHigh = 0.2
  /// The weight of the divergence from the reference; with 0 no reference is needed.
  public var beta = 0.0
  /// What logits are divided by, in sampling and in training alike.
  public var temperature = 1.0

  public init(
    clipLow: Double = 0.2, clipHigh: Double = 0.2, beta: Double = 0, temperature: Double = 1
  ) {
    precondition(clipLow >= 0 && clipHigh >= 0 && temperature > 0)
    self.clipLow = clipLow
    self.clipHigh = clipHigh
    self.beta = beta
    self.temperature = temperature
  }
}

/// How rewards of the completions of one prompt become advantages.
public enum AdvantageScale: String, Hashable, Sendable, CaseIterable {
  /// (r − mean) / (s + 1e-4), s with n − 1.
  case standard = "std"
  /// The same, s with n.
  case population
  /// r − mean.
  case nothing = "none"

  /// What is added to the deviation, as TRL's GRPOTrainer adds it.
  static let epsilon = 1e-4

  /// The advantages of consecutive groups of completions.
  public func advantages(of rewards: [Double], group: Int) -> [Double] {
    precondition(group > 0 && rewards.count % group == 0, "rewards are whole groups")
    return stride(from: 0, to: rewards.count, by: group).flatMap { first -> [Double] in
      let own = rewards[first..<first + group]
      let mean = own.reduce(0, +) / Double(group)
      let squares = own.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
      let divisor: Double =
        switch self {
        case .standard: (squares / Double(max(1, group - 1))).squareRoot() + Self.epsilon
        case .population: (squares / Double(group)).squareRoot() + Self.epsilon
        case .nothing: 1
        }
      return own.map { ($0 - mean) / divisor }
    }
  }
}

/// Over what the losses of tokens are meant.
public enum LossNormalisation: String, Hashable, Sendable, CaseIterable {
  /// Over a completion's tokens, then over completions (DeepSeekMath).
  case sequence
  /// Over all tokens of the update (DAPO).
  case token
  /// Over `max-tokens` of every completion (Dr. GRPO, arXiv 2503.20783).
  case length

  /// The share of a token of each completion in the mean, by the lengths of all completions.
  public func weights(lengths: [Int], maximum: Int) -> [Double] {
    let count = Double(lengths.count)
    let whole = Double(max(1, lengths.reduce(0, +)))
    return lengths.map { length in
      switch self {
      case .sequence: 1 / (count * Double(max(1, length)))
      case .token: 1 / whole
      case .length: 1 / (count * Double(maximum))
      }
    }
  }
}
