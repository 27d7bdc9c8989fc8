/// What the head's loss is made of, as data of the program.
///
/// A head reads a label for each token, and what its objective needs beside that. Language modelling and
/// demonstrations are one objective: a prompt has no labels.
public enum Objective: String, Hashable, Sendable, CaseIterable {
  /// The mean cross-entropy of all labels.
  case crossEntropy
  /// GRPO's clipped policy gradient (DeepSeekMath, arXiv 2402.03300, section 4.1): the head reads what
  /// `Target` names of each token.
  case clippedPolicy

  /// What a clipped policy gradient reads of a token, a column each.
  public enum Target: Int, Hashable, Sendable, CaseIterable {
    /// What the token's loss is multiplied by: the share that it has in the mean.
    case weight
    case advantage
    /// The log-probability under the policy that sampled it.
    case oldLogProbability
    /// The log-probability under the reference; without effect where the divergence has no weight.
    case referenceLogProbability
  }

  /// Columns of 32 bits that the head reads of each token, beside its label.
  public var targetColumns: Int { self == .clippedPolicy ? Target.allCases.count : 0 }
}
