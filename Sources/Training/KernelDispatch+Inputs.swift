import Engines
import Kernels
import Programs
import Tokens

/// What a step reads of its sequences: tokens, labels, what its objective needs, and where documents begin.
extension RankBackend {
  /// Rows of a microbatch whose positions follow one another.
  struct PositionRun {
    var row: Int
    var count: Int
    /// The position of the first row.
    var position: Int
    /// Rows behind which positions begin again.
    var sequence: Int
  }

  func loadTokens(_ bound: BoundOperation) throws {
    let length = assignment.plan.sequenceLength
    let out = bound.integers(bound[0])
    try forEachSequence(of: bound.instance) { row, sequence in
      try source.withSequence(sequence) { window in
        precondition(window.count == length + 1, "a window has one token more than a sequence")
        for position in 0..<length { out[row * length + position] = window[position] }
      }
    }
  }

  func loadLabels(_ bound: BoundOperation, shift: Int) throws {
    let length = assignment.plan.sequenceLength
    let out = bound.integers(bound[0])
    try forEachSequence(of: bound.instance) { row, sequence in
      let marks = try source.marks(sequence)
      try source.withSequence(sequence) { window in
        for position in 0..<length {
          let place = position + shift
          let isLabel = place <= length && marks?.isLabel(position, shift: shift) ?? true
          out[row * length + position] = isLabel ? window[place] : -1
        }
      }
    }
  }

  func loadTargets(_ bound: BoundOperation, columns: Int) throws {
    let count = assignment.plan.sequenceLength * columns
    try forEachSequence(of: bound.instance) { row, sequence in
      let targets = try source.marks(sequence)?.targets ?? []
      precondition(targets.count == count, "an objective has its targets")
      (bound[0] + row * count).update(from: targets, count: count)
    }
  }

  /// Visits the sequences of a microbatch: their rows in it, and their numbers in the global batch.
  private func forEachSequence(
    of instance: Instance, _ body: (_ row: Int, _ sequence: Int) throws -> Void
  ) rethrows {
    let size = assignment.plan.microbatchSize
    let first = assignment.globalMicrobatch(Int(instance.microbatch)) * size
    for row in 0..<size { try body(row, first + row) }
  }

  /// The runs of positions of a microbatch: all of it, one for each document, or one for each sequence
  /// whose cache has its own length.
  func runs(of instance: Instance, tokens: Int) -> [PositionRun] {
    let length = assignment.plan.sequenceLength
    if !cached.isEmpty {
      let size = assignment.plan.microbatchSize
      return (0..<size).map { row in
        PositionRun(
          row: row * length, count: length,
          position: cached[Int(instance.microbatch) * size + row], sequence: length)
      }
    }
    guard let starts = documentStarts(of: instance) else {
      return [PositionRun(row: 0, count: tokens, position: 0, sequence: length)]
    }
    let firsts = (0..<tokens).filter { Int(starts[$0]) == $0 % length } + [tokens]
    return zip(firsts, firsts.dropFirst()).map { first, next in
      PositionRun(row: first, count: next - first, position: 0, sequence: next - first)
    }
  }

  /// By token of a microbatch the position at which its document begins; nil where sequences are whole.
  func documentStarts(of instance: Instance) -> [Int32]? {
    guard source.hasDocuments else { return nil }
    let microbatch = Int(instance.microbatch)
    if let known = documents[microbatch] { return known }
    var starts: [Int32] = []
    let length = assignment.plan.sequenceLength
    attempt {
      try forEachSequence(of: instance) { _, sequence in
        starts += try source.marks(sequence)?.documentStarts ?? Array(repeating: 0, count: length)
      }
    }
    let whole = length * assignment.plan.microbatchSize
    if starts.count != whole { starts = Array(repeating: 0, count: whole) }
    documents[microbatch] = starts
    return starts
  }

  /// The rows of a microbatch that routers are balanced over: its sequences, or of each document the tokens that
  /// another one follows, weighted so that each token of the step counts alike.
  ///
  /// Neither what fills a sequence up nor how documents lie in sequences moves a router.
  func balanceRuns(of instance: Instance) -> [BalanceRun] {
    let microbatch = Int(instance.microbatch)
    if let known = balanceRuns[microbatch] { return known }
    let (size, length) = (assignment.plan.microbatchSize, assignment.plan.sequenceLength)
    var runs: [BalanceRun] = []
    if let whole = source.followedTokens() {
      let share = Double(assignment.plan.globalBatch) / Double(max(1, whole))
      attempt {
        try forEachSequence(of: instance) { row, sequence in
          let marks =
            try source.marks(sequence)
            ?? SequenceMarks(isPredicted: Array(repeating: true, count: length))
          try source.withSequence(sequence) { window in
            runs += marks.followedRuns(window).map { run in
              BalanceRun(
                row * length + run.lowerBound..<row * length + run.upperBound,
                weight: Double(run.count) * share)
            }
          }
        }
      }
    } else {
      runs = (0..<size).map { BalanceRun($0 * length..<($0 + 1) * length) }
    }
    balanceRuns[microbatch] = runs
    return runs
  }

  /// Puts the rows of a microbatch behind what the caches of its sequences hold.
  func cache(_ bound: BoundOperation, tokens: Int, columns: Int) {
    let size = assignment.plan.microbatchSize
    let length = tokens / size
    for row in 0..<size {
      let slot = Int(bound.instance.microbatch) * size + row
      copy(
        bound[0] + (slot * cachedPositions + cached[slot]) * columns,
        bound.input(0) + row * length * columns, count: length * columns)
    }
  }
}
