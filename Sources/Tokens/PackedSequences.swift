import Documents

/// Demonstrations packed into sequences, each of which sees itself alone: rows that are filled in the order
/// of demonstrations, one behind the other, as long as the next one fits.
///
/// Which sequence has which number depends on nothing but demonstrations, seed and length.
public final class PackedSequences: SequenceSource {
  private struct Row {
    var tokens: [Int32]
    var marks: SequenceMarks

    init(tokens: [Int32], marks: SequenceMarks) {
      (self.tokens, self.marks) = (tokens, marks)
    }

    /// One without a token.
    init(filling length: Int) {
      tokens = Array(repeating: -1, count: length + 1)
      marks = SequenceMarks(
        isPredicted: Array(repeating: false, count: length),
        documentStarts: Array(repeating: 0, count: length))
    }
  }

  private let demonstrations: Demonstrations
  private let length: Int
  /// Sequences that earlier steps have used.
  public var position: Int { didSet { forgetCounts() } }
  /// Sequences of a step, whose labels its loss is the mean of.
  public var batch = 1 { didSet { forgetCounts() } }
  /// By module, the labels of the step, as far as they were asked for.
  private var labels: [Int: Int] = [:]
  /// The step's tokens that another one follows, if they were asked for.
  private var followed: Int?
  /// Where set, sequences come from here instead.
  package var evaluation: PackedSequences?
  /// The first sequence that is empty: where demonstrations end.
  package var end = Int.max
  private var order: Demonstrations.Order
  /// The first demonstration that is in no row yet.
  private var waiting: Demonstration?
  /// Demonstrations that were put into rows.
  private var packed = 0
  /// The rows from `firstRow` on that were made and may be asked for.
  private var rows: [Row] = []
  private var firstRow = 0

  /// Sequences of so many positions; begins at a position, 0 for a new run.
  public init(_ demonstrations: Demonstrations, length: Int, position: Int = 0) {
    self.demonstrations = demonstrations
    self.length = length
    self.position = position
    order = Demonstrations.Order(demonstrations)
  }

  public var hasDocuments: Bool { true }

  public func withSequence(
    _ index: Int, _ body: (UnsafeBufferPointer<Int32>) -> Void
  ) throws {
    row(index).tokens.withUnsafeBufferPointer(body)
  }

  public func marks(_ index: Int) -> SequenceMarks? { row(index).marks }

  public func labelCount(module: Int) -> Int? {
    if evaluation == nil, let known = labels[module] { return known }
    let count = (0..<batch).reduce(0) { $0 + row($1).marks.labelCount(shift: module + 1) }
    if evaluation == nil { labels[module] = count }
    return count
  }

  public func followedTokens() -> Int? {
    if evaluation == nil, let followed { return followed }
    let count = (0..<batch).reduce(0) { sum, index in
      let row = row(index)
      let runs = row.tokens.withUnsafeBufferPointer(row.marks.followedRuns)
      return sum + runs.reduce(0) { $0 + $1.count }
    }
    if evaluation == nil { followed = count }
    return count
  }

  private func forgetCounts() { (labels, followed) = ([:], nil) }

  /// Rows that hold each demonstration once, in their order.
  public func countOfOnePass() -> Int {
    var number = 0
    while packed < demonstrations.count {
      _ = made(number)
      number += 1
    }
    return number
  }

  private func row(_ index: Int) -> Row {
    if let evaluation { return evaluation.made(evaluation.position + index) }
    if position > firstRow, rows.count > position - firstRow {
      rows.removeFirst(position - firstRow)
      firstRow = position
    }
    return made(position + index)
  }

  /// The row of a number.
  private func made(_ number: Int) -> Row {
    if number < firstRow {
      // Somebody goes back: from the beginning.
      order = Demonstrations.Order(demonstrations)
      (waiting, packed, rows, firstRow) = (nil, 0, [], 0)
    }
    if number >= end { return Row(filling: length) }
    while number >= firstRow + rows.count {
      // What lies before the run's position is passed over.
      if rows.count > 4 * batch, firstRow + rows.count <= position {
        firstRow += rows.count
        rows = []
      }
      rows.append(nextRow())
    }
    return rows[number - firstRow]
  }

  private func nextRow() -> Row {
    var tokens: [Int32] = []
    var isPredicted: [Bool] = []
    var starts: [Int32] = []
    while true {
      let next = waiting ?? order.next()
      waiting = next
      guard tokens.count + next.tokens.count <= length + 1 else { break }
      waiting = nil
      packed += 1
      starts += Array(repeating: Int32(tokens.count), count: next.tokens.count)
      tokens += next.tokens
      isPredicted += next.isPredicted
      // One pass is not mixed with the next one where demonstrations are evaluated.
      if demonstrations.seed == nil, packed.isMultiple(of: demonstrations.count) { break }
    }
    let filling = length + 1 - tokens.count
    starts += Array(repeating: Int32(tokens.count), count: filling)
    isPredicted += Array(repeating: false, count: filling)
    tokens += Array(repeating: -1, count: filling)
    // A label is the token behind its position, of the same demonstration.
    let labels = (0..<length).map { isPredicted[$0 + 1] && starts[$0 + 1] == starts[$0] }
    return Row(
      tokens: tokens,
      marks: SequenceMarks(isPredicted: labels, documentStarts: Array(starts[..<length])))
  }
}
