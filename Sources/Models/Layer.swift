/// One layer as a composition of parts: what mixes tokens, what follows, and how norms and residuals
/// stand around them.
public struct Layer: Hashable, Sendable {
  /// Where the norms of a block stand.
  public enum Norms: String, Hashable, Sendable {
    /// In front of it.
    case before
    /// Behind it, in front of the residual sum (OLMo 2).
    case after
    /// Both (Gemma 2).
    case around
    /// Behind the residual sum (OPT-350M).
    case behindResidual
  }

  /// How the two blocks follow each other.
  public enum Arrangement: String, Hashable, Sendable {
    case sequential
    /// Both read the layer's input, each through its own norm (GPT-NeoX).
    case parallel
    /// Both read the same normed input (Falcon-7B, Command R).
    case parallelOneNorm
  }

  /// What mixes tokens.
  public var attention: Attention
  /// What follows, token by token.
  public var feedForward: FeedForward
  public var norms: Norms
  public var arrangement: Arrangement
  /// Whether queries and keys are rotated, where the model has rotation at all.
  public var rotates: Bool
  /// A rotation of the layer's own in place of the model's.
  public var rotary: Rotary?

  /// Describes a layer.
  public init(
    _ attention: Attention, _ feedForward: FeedForward, norms: Norms = .before,
    arrangement: Arrangement = .sequential, rotates: Bool = true, rotary: Rotary? = nil
  ) {
    self.attention = attention
    self.feedForward = feedForward
    self.norms = norms
    self.arrangement = arrangement
    self.rotates = rotates
    self.rotary = rotary
  }

  /// Norms of the hidden size that the layer has.
  public var normCount: Int {
    let blocks = [attention != .absent, feedForward != .absent].count { $0 }
    return (norms == .around ? 2 : 1) * (arrangement == .parallelOneNorm ? 1 : blocks)
  }

  /// Whether a block that is there has a norm in front.
  public var normsInputs: Bool { norms == .before || norms == .around }
  /// Whether a block that is there has a norm between itself and its residual sum.
  public var normsResults: Bool { norms == .after || norms == .around }
}
