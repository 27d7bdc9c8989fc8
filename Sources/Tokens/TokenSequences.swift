import Documents

/// The sequences of one step after the other, for a rank to take its share of.
///
/// A class, since the trainer that reads it and the loop that moves it on share it.
public final class TokenSequences: SequenceSource {
  public let source: TokenSource
  /// Sequences that earlier steps have used: the number of the step's first one.
  public var position: Int
  /// Where set, sequences come from here instead, from `evaluationPosition` on and around.
  public var evaluation: EvaluationSequences?
  /// The first sequence of the evaluation in progress.
  public var evaluationPosition = 0

  /// Begins at a position, 0 for a new run.
  public init(_ source: TokenSource, position: Int = 0) {
    precondition(position >= 0)
    self.source = source
    self.position = position
  }

  /// Gives the tokens of a sequence of the step in progress.
  ///
  /// - Throws: `ConfigurationError` if a token file cannot be read any more.
  public func withSequence(
    _ index: Int, _ body: (UnsafeBufferPointer<Int32>) -> Void
  ) throws {
    let row =
      if let evaluation {
        try evaluation.row((evaluationPosition + index) % evaluation.wholeCount)
      } else {
        try source.row(position + index)
      }
    row.withUnsafeBufferPointer(body)
  }
}
