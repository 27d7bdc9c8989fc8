/// Where the sequences of a step come from.
public protocol SequenceSource: AnyObject {
  /// Gives the tokens of a sequence of the step in progress, one more than the plan's sequence length.
  ///
  /// - Parameter index: the sequence's number in the global batch.
  ///   Behind a sequence's own end lies −1, which is no label and reaches none.
  func withSequence(_ index: Int, _ body: (UnsafeBufferPointer<Int32>) -> Void) throws

  /// Labels of all sequences of the step for a module, which looks so many tokens further than the next
  /// one; nil where every sequence fills the plan's length.
  func labelCount(module: Int) -> Int?

  /// Tokens of all sequences of the step that another one of their document follows; nil where every sequence
  /// fills the plan's length.
  ///
  /// These are what routers are balanced over: neither filling nor a document's last token, which nothing is
  /// learnt behind, counts, so that it does not matter how documents lie in sequences.
  func followedTokens() -> Int?

  /// What is known of a sequence of the step beside its tokens; nil where every token is predicted from
  /// all before it.
  func marks(_ index: Int) throws -> SequenceMarks?

  /// Whether sequences may consist of several documents.
  var hasDocuments: Bool { get }
}

extension SequenceSource {
  /// Nil: every sequence fills the plan's length.
  public func labelCount(module: Int) -> Int? { nil }
  /// Nil: every sequence fills the plan's length.
  public func followedTokens() -> Int? { nil }
  /// Nil: every token is predicted.
  public func marks(_ index: Int) throws -> SequenceMarks? { nil }
  /// False: a sequence is one document.
  public var hasDocuments: Bool { false }
}

/// What is known of a sequence beside its tokens.
public struct SequenceMarks: Hashable, Sendable {
  /// By position, whether the token behind it is to be predicted.
  public var isPredicted: [Bool]
  /// By position, where its document begins; empty where the sequence is one document.
  public var documentStarts: [Int32]
  /// What the objective needs, (position, target); empty where it needs nothing.
  public var targets: [Float]

  /// Marks of a sequence of as many positions as `isPredicted` has.
  public init(isPredicted: [Bool], documentStarts: [Int32] = [], targets: [Float] = []) {
    precondition(documentStarts.isEmpty || documentStarts.count == isPredicted.count)
    self.isPredicted = isPredicted
    self.documentStarts = documentStarts
    self.targets = targets
  }

  /// Whether the token so far behind a position is a label of it: to be predicted, and of its document.
  package func isLabel(_ position: Int, shift: Int) -> Bool {
    let last = position + shift - 1
    guard last < isPredicted.count, isPredicted[last] else { return false }
    return documentStarts.isEmpty || documentStarts[last] == documentStarts[position]
  }

  /// The runs of positions whose token another one of its document follows, a document's one behind the other.
  ///
  /// - Parameter window: the sequence's tokens, one more than it has positions; filling is −1.
  package func followedRuns(_ window: UnsafeBufferPointer<Int32>) -> [Range<Int>] {
    var runs: [Range<Int>] = []
    var first = 0
    let length = isPredicted.count
    for position in 0..<length {
      let isOfNext =
        position + 1 == length || documentStarts.isEmpty
        || documentStarts[position + 1] == documentStarts[position]
      guard window[position] < 0 || window[position + 1] < 0 || !isOfNext else { continue }
      if first < position { runs.append(first..<position) }
      first = position + 1
    }
    if first < length { runs.append(first..<length) }
    return runs
  }

  /// The positions that have a label so far behind them.
  package func labelCount(shift: Int) -> Int {
    isPredicted.indices.count { isLabel($0, shift: shift) }
  }
}
