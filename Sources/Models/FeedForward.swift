/// The feed-forward block of a layer.
public enum FeedForward: Hashable, Sendable {
  /// One block for all tokens: SwiGLU if `gated`, else GELU in its tanh form.
  case dense(width: Int, gated: Bool, bias: Bool)
  /// A mixture of experts, each a gated block.
  case mixture(Mixture)

  /// The mixture, if the block is one.
  public var mixture: Mixture? {
    if case .mixture(let mixture) = self { mixture } else { nil }
  }
}

/// A mixture of experts: a router picks a few experts for each token; shared ones see all tokens.
public struct Mixture: Hashable, Sendable {
  /// How the router's products become affinities.
  public enum Scoring: String, Hashable, Sendable, CaseIterable {
    case sigmoid
    case softmax
  }

  /// How a group of experts is scored when only the best groups may be chosen from.
  public enum GroupScore: Hashable, Sendable {
    /// The largest affinity of the group (DeepSeek-V2).
    case maximum
    /// The sum of the two largest affinities of the group, bias included (DeepSeek-V3).
    case sumOfTopTwo
  }

  /// Experts that the router chooses from.
  public var routedExperts: Int
  /// Experts chosen for each token.
  public var expertsPerToken: Int
  /// The width of one routed expert.
  public var expertWidth: Int
  /// Experts that see every token.
  public var sharedExperts: Int
  /// The width of all shared experts together, computed as one block; 0 if there are none.
  public var sharedWidth: Int
  /// Groups of consecutive experts; 1 if routing is not limited to groups.
  public var groups: Int
  /// Groups that a token's experts may come from.
  public var groupsPerToken: Int
  /// How groups are scored; of no effect with one group.
  public var groupScore: GroupScore
  /// How affinities are made.
  public var scoring: Scoring
  /// Whether the affinities of the chosen experts are divided by their sum.
  public var normalizesWeights: Bool
  /// The factor on the weights of the chosen experts.
  public var routedScaling: Double
  /// Whether a bias per expert, moved by its load and not by a gradient, enters the choice.
  public var correctionBias: Bool

  /// Describes the block; `groups` must divide `routedExperts`.
  public init(
    routedExperts: Int, expertsPerToken: Int, expertWidth: Int, sharedExperts: Int = 0,
    sharedWidth: Int = 0, groups: Int = 1, groupsPerToken: Int = 1,
    groupScore: GroupScore = .maximum, scoring: Scoring = .softmax,
    normalizesWeights: Bool = true, routedScaling: Double = 1, correctionBias: Bool = false
  ) {
    precondition(routedExperts % groups == 0)
    precondition(groupsPerToken <= groups)
    precondition(expertsPerToken <= groupsPerToken * (routedExperts / groups))
    precondition((sharedExperts == 0) == (sharedWidth == 0))
    self.routedExperts = routedExperts
    self.expertsPerToken = expertsPerToken
    self.expertWidth = expertWidth
    self.sharedExperts = sharedExperts
    self.sharedWidth = sharedWidth
    self.groups = groups
    self.groupsPerToken = groupsPerToken
    self.groupScore = groupScore
    self.scoring = scoring
    self.normalizesWeights = normalizesWeights
    self.routedScaling = routedScaling
    self.correctionBias = correctionBias
  }
}
