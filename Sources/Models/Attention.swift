/// The attention block of a layer.
public enum Attention: Hashable, Sendable {
  case multiHead(MultiHead)
  case latent(Latent)

  /// Query heads.
  public var heads: Int {
    switch self {
    case .multiHead(let shape): shape.heads
    case .latent(let shape): shape.heads
    }
  }

  /// The width of one head's queries and keys.
  public var queryKeyHeadSize: Int {
    switch self {
    case .multiHead(let shape): shape.headSize
    case .latent(let shape): shape.nopeHeadSize + shape.ropeHeadSize
    }
  }

  /// The width of one head's values.
  public var valueHeadSize: Int {
    switch self {
    case .multiHead(let shape): shape.headSize
    case .latent(let shape): shape.valueHeadSize
    }
  }
}

/// Multi-head attention; with fewer key and value heads than query heads, grouped queries.
public struct MultiHead: Hashable, Sendable {
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
  /// Whether each head's queries and keys are normalised before the rotation.
  public var queryKeyNorm: Bool
  /// Whether one tensor holds queries, keys and values, in GPT-2's (in, out) layout.
  public var fused: Bool

  /// Describes the block; `keyValueHeads` must divide `heads`.
  public init(
    heads: Int, keyValueHeads: Int, headSize: Int, bias: Bool = false, outputBias: Bool = false,
    queryKeyNorm: Bool = false, fused: Bool = false
  ) {
    precondition(heads % keyValueHeads == 0)
    self.heads = heads
    self.keyValueHeads = keyValueHeads
    self.headSize = headSize
    self.bias = bias
    self.outputBias = outputBias
    self.queryKeyNorm = queryKeyNorm
    self.fused = fused
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

  /// Describes the block.
  public init(
    heads: Int, queryRank: Int?, keyValueRank: Int, nopeHeadSize: Int, ropeHeadSize: Int,
    valueHeadSize: Int, bias: Bool = false
  ) {
    self.heads = heads
    self.queryRank = queryRank
    self.keyValueRank = keyValueRank
    self.nopeHeadSize = nopeHeadSize
    self.ropeHeadSize = ropeHeadSize
    self.valueHeadSize = valueHeadSize
    self.bias = bias
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
