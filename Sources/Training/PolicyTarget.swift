import Foundation
import Programs
import Runs

extension PolicyLoss {
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
    // A ratio may be infinite, and infinity times an advantage of 0 is no number.
    let hasAdvantage = target.advantage != 0
    var token = Token(
      value: hasAdvantage ? -min(ratio * target.advantage, kept * target.advantage) : 0,
      slope: isLow || isHigh || !hasAdvantage ? 0 : -ratio * target.advantage, divergence: 0,
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
