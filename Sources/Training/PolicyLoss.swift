import Foundation
import Programs

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

  /// What a token's log-probability costs.
  public struct Token: Hashable, Sendable {
    /// −min(ρ·A, clip(ρ)·A) + β·(exp(d) − d − 1), d = reference − policy.
    public var value: Double
    /// The derivative of `value` in the log-probability.
    public var slope: Double
    /// exp(d) − d − 1, not weighted; 0 without a reference.
    public var divergence: Double
    /// The ratio is below its bound and the advantage negative: there is no gradient.
    public var isClippedLow: Bool
    /// The ratio is above its bound and the advantage positive: there is no gradient.
    public var isClippedHigh: Bool
  }

  /// The loss of a token, without the weight that it has in the mean.
  package func loss(ofLogProbability logProbability: Double, _ target: PolicyTarget) -> Token {
    let ratio = exp(logProbability - target.oldLogProbability)
    let isLow = ratio < 1 - clipLow && target.advantage < 0
    let isHigh = ratio > 1 + clipHigh && target.advantage > 0
    let kept = min(max(ratio, 1 - clipLow), 1 + clipHigh)
    var token = Token(
      value: -min(ratio * target.advantage, kept * target.advantage),
      slope: isLow || isHigh ? 0 : -ratio * target.advantage, divergence: 0,
      isClippedLow: isLow, isClippedHigh: isHigh)
    guard beta > 0 else { return token }
    let distance = target.referenceLogProbability - logProbability
    token.divergence = exp(distance) - distance - 1
    token.value += beta * token.divergence
    token.slope += beta * (1 - exp(distance))
    return token
  }
}

/// What the loss of one token is made of.
package struct PolicyTarget: Hashable, Sendable {
  /// The token's share in the mean.
  package var weight: Double
  package var advantage: Double
  package var oldLogProbability: Double
  package var referenceLogProbability: Double

  package init(
    weight: Double, advantage: Double, oldLogProbability: Double, referenceLogProbability: Double
  ) {
    self.weight = weight
    self.advantage = advantage
    self.oldLogProbability = oldLogProbability
    self.referenceLogProbability = referenceLogProbability
  }

  /// As the program's buffer has it, in the order of `Objective.Target`.
  init(_ columns: UnsafeBufferPointer<Float>) {
    func column(_ target: Objective.Target) -> Double { Double(columns[target.rawValue]) }
    self.init(
      weight: column(.weight), advantage: column(.advantage),
      oldLogProbability: column(.oldLogProbability),
      referenceLogProbability: column(.referenceLogProbability))
  }

  /// The numbers of a row of the program's buffer.
  var columns: [Float] {
    Objective.Target.allCases.map { target in
      switch target {
      case .weight: Float(weight)
      case .advantage: Float(advantage)
      case .oldLogProbability: Float(oldLogProbability)
      case .referenceLogProbability: Float(referenceLogProbability)
      }
    }
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
