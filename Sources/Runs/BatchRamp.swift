/// A global batch that grows in equal steps while the first sequences are trained on.
///
/// A function of the sequences seen, so that it does not depend on the plan and goes on exactly
/// after a checkpoint. The pipeline's schedule is made anew where the batch changes.
public struct BatchRamp: Hashable, Sendable {
  /// Sequences in the first step.
  public var first: Int
  /// By how many sequences the batch grows at a time.
  public var increment: Int
  /// Sequences in a step from the end of the ramp on.
  public var final: Int
  /// Sequences over which the batch grows.
  public var sequences: Int

  /// A batch that never changes.
  public init(constant batch: Int) {
    self.init(first: batch, increment: 1, final: batch, sequences: 0)
  }

  /// A ramp; `increment` must divide the difference between `first` and `final`.
  public init(first: Int, increment: Int, final: Int, sequences: Int) {
    precondition(first > 0 && increment > 0 && final >= first && sequences >= 0)
    precondition((final - first) % increment == 0)
    self.first = first
    self.increment = increment
    self.final = final
    self.sequences = sequences
  }

  /// The batch of the step that begins after `seen` sequences.
  ///
  /// The ramp is cut into as many equal parts as there are increments, and the batch of each is one
  /// increment above the part before.
  public func batch(after seen: Int) -> Int {
    precondition(seen >= 0)
    let parts = (final - first) / increment
    guard seen < sequences, parts > 0 else { return final }
    let part = Double(seen) / (Double(sequences) / Double(parts))
    return first + min(parts, Int(part)) * increment
  }

  /// Every batch that occurs, ascending.
  public var batches: [Int] {
    sequences == 0 ? [final] : Array(stride(from: first, through: final, by: increment))
  }

  /// Steps until at least `count` sequences have been seen.
  public func steps(untilSequences count: Int) -> Int {
    var seen = 0
    var steps = 0
    while seen < count, seen < sequences {
      seen += batch(after: seen)
      steps += 1
    }
    guard seen < count else { return steps }
    return steps + (count - seen + final - 1) / final
  }

  /// Sequences seen after a number of steps.
  public func sequences(afterSteps count: Int) -> Int {
    var seen = 0
    for step in 0..<count {
      guard seen < sequences else { return seen + (count - step) * final }
      seen += batch(after: seen)
    }
    return seen
  }
}
