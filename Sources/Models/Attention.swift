/// What mixes the tokens of a layer: attention, or a state in its place.
public enum Attention: Hashable, Sendable {
  case multiHead(MultiHead)
  case latent(Latent)
  case recurrent(Recurrence)
  /// Nothing: the layer is a feed-forward block alone (Nemotron-H).
  case absent

  /// Query heads; of a recurrent block its heads of values.
  public var heads: Int {
    switch self {
    case .multiHead(let shape): shape.heads
    case .latent(let shape): shape.heads
    case .recurrent(let shape): shape.heads
    case .absent: 1
    }
  }

  /// Whether scores of queries and keys are formed.
  public var hasScores: Bool {
    switch self {
    case .multiHead, .latent: true
    case .recurrent, .absent: false
    }
  }

  /// Which keys a query meets.
  public var reach: Reach {
    switch self {
    case .multiHead(let shape): shape.reach
    case .latent(let shape): shape.indexer.map { .chosen($0.chosen) } ?? .all
    case .recurrent, .absent: .all
    }
  }

  /// The width of one head's queries and keys.
  public var queryKeyHeadSize: Int {
    switch self {
    case .multiHead(let shape): shape.headSize
    case .latent(let shape): shape.nopeHeadSize + shape.ropeHeadSize
    case .recurrent(let shape): shape.stateSize
    case .absent: 0
    }
  }

  /// The width of one head's values.
  public var valueHeadSize: Int {
    switch self {
    case .multiHead(let shape): shape.headSize
    case .latent(let shape): shape.valueHeadSize
    case .recurrent(let shape): shape.headSize
    case .absent: 0
    }
  }
}

/// Multi-head attention; with fewer key and value heads than query heads, grouped queries.
public struct MultiHead: Hashable, Sendable {
  /// Norms of queries and keys in front of their product.
  public enum QueryKeyNorm: String, Hashable, Sendable {
    case absent
    /// Each head by itself, with one gain for all heads (Qwen3).
    case eachHead
    /// Each head by itself, with gains of its own (Command R+).
    case eachHeadItsOwn
    /// All heads together (OLMo 2).
    case whole
    /// Each head by itself, without gains (Llama 4).
    case withoutGain
  }

  /// Query heads.
  public var heads: Int
  /// Heads of keys and values; each serves `heads / keyValueHeads` query heads.
  public var keyValueHeads: Int
  /// The width of every head.
  public var headSize: Int
  /// Whether the query, key and value projections have biases.
  public var bias: Bool
  /// Whether the output projection has a bias.
  public var outputBias: Bool
  /// Whether and how queries and keys are normalised.
  public var queryKeyNorm: QueryKeyNorm
  /// Whether one tensor holds queries, keys and values, in GPT-2's (in, out) layout.
  public var fused: Bool
  /// Which keys a query meets.
  public var reach: Reach
  /// Whether each head has a trained score that takes part in its softmax alone (gpt-oss).
  public var sinks: Bool
  /// Whether a gate of a projection of its own multiplies the result (Qwen3-Next).
  public var outputGate: Bool

  /// Describes the block; `keyValueHeads` must divide `heads`.
  public init(
    heads: Int, keyValueHeads: Int, headSize: Int, bias: Bool = false, outputBias: Bool = false,
    queryKeyNorm: QueryKeyNorm = .absent, fused: Bool = false, reach: Reach = .all,
    sinks: Bool = false, outputGate: Bool = false
  ) {
    precondition(heads % keyValueHeads == 0)
    self.heads = heads
    self.keyValueHeads = keyValueHeads
    self.headSize = headSize
    self.bias = bias
    self.outputBias = outputBias
    self.queryKeyNorm = queryKeyNorm
    self.fused = fused
    self.reach = reach
    self.sinks = sinks
    self.outputGate = outputGate
  }

  /// Columns of the queries.
  public var queryWidth: Int { heads * headSize }
  /// Columns of the keys, and of the values.
  public var keyValueWidth: Int { keyValueHeads * headSize }
}

/// Multi-head latent attention: keys and values rebuilt from one narrow latent per token.
public struct Latent: Hashable, Sendable {
  /// The epsilon of the norms of both latents: a constant of DeepSeek's model code and of
  /// transformers' (`DeepseekV3RMSNorm`), whatever `rms_norm_eps` says.
  public static let normEpsilon = 1e-6

  /// What chooses the keys that a query meets (DeepSeek-V3.2): few narrow heads of its own.
  public struct Indexer: Hashable, Sendable {
    public var heads: Int
    /// The width of one head's queries, and of the keys that all share.
    public var headSize: Int
    /// Keys chosen for each query.
    public var chosen: Int

    /// Describes the indexer.
    public init(heads: Int, headSize: Int, chosen: Int) {
      self.heads = heads
      self.headSize = headSize
      self.chosen = chosen
    }
  }

  /// Query heads.
  public var heads: Int
  /// The width of the query latent; nil if queries are projected directly.
  public var queryRank: Int?
  /// The width of the latent that keys and values share.
  public var keyValueRank: Int
  /// The part of each head's queries and keys that is not rotated.
  public var nopeHeadSize: Int
  /// The rotated part; the key's is shared by all heads.
  public var ropeHeadSize: Int
  /// The width of each head's values.
  public var valueHeadSize: Int
  /// Whether the down-projections and the output projection have biases.
  public var bias: Bool
  /// What chooses keys; nil where all are met.
  public var indexer: Indexer?

  /// Describes the block.
  public init(
    heads: Int, queryRank: Int?, keyValueRank: Int, nopeHeadSize: Int, ropeHeadSize: Int,
    valueHeadSize: Int, bias: Bool = false, indexer: Indexer? = nil
  ) {
    self.heads = heads
    self.queryRank = queryRank
    self.keyValueRank = keyValueRank
    self.nopeHeadSize = nopeHeadSize
    self.ropeHeadSize = ropeHeadSize
    self.valueHeadSize = valueHeadSize
    self.bias = bias
    self.indexer = indexer
  }

  /// The width of one head's queries and keys.
  public var queryKeyHeadSize: Int { nopeHeadSize + ropeHeadSize }
  /// Columns of the queries of all heads.
  public var queryWidth: Int { heads * queryKeyHeadSize }
  /// Columns of the down-projection of keys and values: the latent and the shared rotated key.
  public var keyValueDownWidth: Int { keyValueRank + ropeHeadSize }
  /// Columns of the up-projection of keys and values.
  public var keyValueUpWidth: Int { heads * (nopeHeadSize + valueHeadSize) }
  /// Columns of the attention's result, which the output projection reads.
  public var valueWidth: Int { heads * valueHeadSize }
}
