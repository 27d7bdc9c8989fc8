/// A block that carries a state along the sequence in place of keys and values.
///
/// Queries and keys (C and B of a state-space block) have `keyHeads` heads of `stateSize`, values
/// `heads` heads of `headSize`; a short convolution runs over all of them.
public struct Recurrence: Hashable, Sendable {
  /// How the state is updated.
  public enum Kind: String, Hashable, Sendable {
    /// The gated delta rule (arXiv 2412.06464; Qwen3-Next).
    case gatedDelta
    /// Mamba-2's scan (arXiv 2405.21060; Nemotron-H).
    case stateSpace
  }

  public var kind: Kind
  /// Heads of values, each with a state of `stateSize` times `headSize`.
  public var heads: Int
  /// The width of one head's values.
  public var headSize: Int
  /// Heads (groups) of queries and keys; each serves `heads / keyHeads` heads.
  public var keyHeads: Int
  /// The width of one head's queries and keys.
  public var stateSize: Int
  /// Positions that the short convolution spans.
  public var convolution: Int
  /// Whether the convolution has a bias.
  public var convolutionBias: Bool
  /// Whether the projections have biases.
  public var bias: Bool
  /// Tokens that the kernels compute together, as products.
  public var chunk: Int

  /// Describes the block; `keyHeads` must divide `heads`.
  public init(
    kind: Kind, heads: Int, headSize: Int, keyHeads: Int, stateSize: Int, convolution: Int,
    convolutionBias: Bool = false, bias: Bool = false, chunk: Int
  ) {
    precondition(heads % keyHeads == 0)
    self.kind = kind
    self.heads = heads
    self.headSize = headSize
    self.keyHeads = keyHeads
    self.stateSize = stateSize
    self.convolution = convolution
    self.convolutionBias = convolutionBias
    self.bias = bias
    self.chunk = chunk
  }

  /// Columns of the values, and of the gate beside them.
  public var valueWidth: Int { heads * headSize }
  /// Columns of the queries, and of the keys.
  public var keyWidth: Int { keyHeads * stateSize }
  /// Columns of values, queries and keys, over which the convolution runs.
  public var convolvedWidth: Int { valueWidth + 2 * keyWidth }
  /// Numbers that each token gives each head beside them: step sizes, and betas of the delta rule.
  public var stepWidth: Int { kind == .gatedDelta ? 2 * heads : heads }
  /// Columns of the projections in front: values, their gate, queries, keys and steps.
  public var inputWidth: Int { 2 * valueWidth + 2 * keyWidth + stepWidth }

  /// Trained vectors of a head's own: decay and step bias, and of a state-space block the skip.
  var vectorCount: Int { (kind == .gatedDelta ? 2 : 3) * heads }
  /// Gains of the norm behind the state: the delta rule's heads share theirs.
  var normCount: Int { kind == .gatedDelta ? headSize : valueWidth }
  /// Numbers in the convolution.
  var convolutionCount: Int { convolvedWidth * (convolution + (convolutionBias ? 1 : 0)) }
  /// Numbers in the biases of the projections.
  func biasCount(hidden: Int) -> Int { bias ? inputWidth + hidden : 0 }

  /// FLOPs of one token's forward through the state: written and read, by the delta rule read twice.
  public var stateFLOPs: Int {
    (kind == .gatedDelta ? 6 : 4) * heads * headSize * stateSize
  }
}
