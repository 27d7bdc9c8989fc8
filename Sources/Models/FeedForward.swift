/// The feed-forward block of a layer.
public enum FeedForward: Hashable, Sendable {
  /// One block for all tokens.
  case dense(Dense)
  /// A mixture of experts.
  case mixture(Mixture)
  /// Nothing: the layer mixes tokens alone (Nemotron-H).
  case absent

  /// One block for all tokens: SwiGLU if `gated`, else GELU in its tanh form, unless said otherwise.
  public static func dense(
    width: Int, gated: Bool, bias: Bool, activation: Activation? = nil
  ) -> FeedForward {
    .dense(Dense(width: width, gated: gated, bias: bias, activation: activation))
  }

  /// The mixture, if the block is one.
  public var mixture: Mixture? {
    if case .mixture(let mixture) = self { mixture } else { nil }
  }

  /// The block of all tokens, if it is one.
  public var dense: Dense? {
    if case .dense(let block) = self { block } else { nil }
  }
}

/// A feed-forward block that all tokens go through.
public struct Dense: Hashable, Sendable {
  public var width: Int
  /// Whether a product of its own multiplies the activated one.
  public var gated: Bool
  /// Whether its products have biases.
  public var bias: Bool
  public var activation: Activation

  /// Describes the block; by default SiLU where it is gated, else GELU in its tanh form.
  public init(width: Int, gated: Bool, bias: Bool, activation: Activation? = nil) {
    self.width = width
    self.gated = gated
    self.bias = bias
    self.activation = activation ?? (gated ? .silu : .geluTanh)
  }

  /// Products with matrices of the hidden size times the width.
  public var products: Int { gated ? 3 : 2 }
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
  /// Whether experts, shared ones among them, have a gate; else they are plain blocks.
  public var gated = true
  public var activation = Activation.silu
  /// Whether the router's product has a bias.
  public var routerBias = false
  /// Whether the products of routed experts have biases.
  public var expertBias = false
  /// Whether a product of its own weighs the shared experts, token by token (Qwen2-MoE).
  public var sharedGate = false

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

  /// Matrices of the hidden size times the width in an expert.
  public var products: Int { gated ? 3 : 2 }
}
