/// What a deployment does in one step of serving.
public struct InferenceRequest: Hashable, Sendable {
  public enum Kind: Hashable, Sendable {
    /// A token for each sequence, against so many positions in caches, its own among them.
    case decode(context: Int)
    /// All tokens of new sequences of so many.
    case prefill(length: Int)
  }

  public var kind: Kind
  /// Sequences of each data rank.
  public var batch: Int
  /// Parts of them that take turns, one computing while the other's exchange is under way; nil for two where
  /// experts lie on several ranks and there are two sequences, else one.
  public var parts: Int?
  /// The probability that a token which a prediction module drafts is kept, where modules draft.
  public var acceptance: Double?
  /// Whether the probabilities of the tokens that are drawn are asked for, as reinforcement learning does.
  public var returnsProbabilities: Bool

  public init(
    _ kind: Kind, batch: Int, parts: Int? = nil, acceptance: Double? = nil,
    returnsProbabilities: Bool = false
  ) {
    precondition(batch > 0 && parts ?? 1 > 0, "A step serves sequences.")
    self.kind = kind
    self.batch = batch
    self.parts = parts
    self.acceptance = acceptance
    self.returnsProbabilities = returnsProbabilities
  }

  /// Positions in caches, or tokens of a new sequence.
  public var length: Int {
    switch kind {
    case .decode(let context): context
    case .prefill(let length): length
    }
  }
}
