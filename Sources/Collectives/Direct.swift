/// Everybody sends to everybody at once, each chunk straight to its owner: one round.
///
/// As a reduce-scatter it is what training uses: the owner of a shard receives every other's
/// contribution and folds them in tree order, so that the sum's bits depend on positions alone. It
/// sends as many bytes as a ring, in one step of latency, over all links at once.
public struct Direct: Rounds {
  private let chunks: Chunks
  /// The terms that each position contributes, and how many those before it have; empty where everybody
  /// has one vector.
  private let terms: [[Int]]
  private let starts: [Int]

  /// A reduce-scatter, after which position p has chunk p; backwards, the all-gather.
  public init(reduceScatter chunks: Chunks) {
    self.chunks = chunks
    (terms, starts) = ([], [])
  }

  /// A reduce-scatter of a sum of several terms, of which a position may hold more than one.
  ///
  /// - Parameter terms: by position, the numbers of the terms to which it contributes a vector each,
  ///   ascending.
  public init(reduceScatter chunks: Chunks, terms: [[Int]]) {
    precondition(terms.count == chunks.count, "every position has its terms")
    precondition(terms.allSatisfy { !$0.isEmpty }, "every position contributes something")
    self.chunks = chunks
    self.terms = terms
    starts = terms.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1.count) }
  }

  public var groupSize: Int { chunks.count }

  public var roundCount: Int { groupSize > 1 ? 1 : 0 }

  public var phases: [Phase] { roundCount == 0 ? [] : [Phase(0..<1, .everyone)] }

  /// Vectors that all positions have together.
  private var vectorCount: Int { starts.last ?? groupSize }

  public func messageCount(inRound round: Int) -> Int { vectorCount * (groupSize - 1) }

  public func message(_ index: Int, inRound round: Int) -> Message {
    guard !terms.isEmpty else {
      let (source, destination) = everyPair(index, groupSize)
      return Message(from: source, to: destination, chunks[destination], .contributes)
    }
    let (shift, vector) = index.quotientAndRemainder(dividingBy: vectorCount)
    let source = lastStart(notAfter: vector, starts)
    let destination = (source + shift + 1) % groupSize
    var message = Message(from: source, to: destination, chunks[destination], .contributes)
    message.term = terms[source][vector - starts[source]]
    return message
  }
}

extension Collective {
  /// The direct rounds of a sum of several terms, or of a gather of one vector.
  ///
  /// - Parameter terms: by position, the numbers of the terms to which it contributes a vector each,
  ///   ascending.
  public func direct(_ chunks: Chunks, terms: [[Int]]) -> any Rounds {
    let size = chunks.count
    switch self {
    case .reduceScatter: return Direct(reduceScatter: chunks, terms: terms)
    case .allReduce:
      return ChainedRounds(
        groupSize: size,
        [
          Direct(reduceScatter: chunks, terms: terms),
          ReversedRounds(Direct(reduceScatter: chunks)),
        ])
    case .allGather, .broadcast:
      return rounds(.direct, chunks, on: Placement(nodeSizes: [size]), unit: 1)
    }
  }
}

/// The index-th of all ordered pairs; every position first sends to its successor, then one further,
/// so that no receiver is everybody's first.
private func everyPair(_ index: Int, _ size: Int) -> (source: Int, destination: Int) {
  let (shift, source) = index.quotientAndRemainder(dividingBy: size)
  return (source, (source + shift + 1) % size)
}

/// All-to-all with counts: every position has a block for every other.
///
/// Inputs are packed by destination and outputs by source. A position's block for itself is not a
/// message; the caller copies it.
public struct AllToAll: Rounds {
  private let counts: [[Int]]
  private let sourceOffsets: [[Int]]
  private let destinationOffsets: [[Int]]
  private let inOneRound: Bool

  /// The exchange of `counts[source][destination]` bytes.
  ///
  /// - Parameters:
  ///   - counts: a square table of bytes.
  ///   - inOneRound: all messages at once; otherwise in n - 1 rounds, in round k position p sends to
  ///     p + k + 1 only.
  public init(_ counts: [[Int]], inOneRound: Bool) {
    let size = counts.count
    precondition(counts.allSatisfy { $0.count == size }, "a square table")
    self.counts = counts
    self.inOneRound = inOneRound
    sourceOffsets = counts.map { row in
      row.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) }
    }
    destinationOffsets = (0..<size).map { destination in
      counts.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1[destination]) }
    }
  }

  public var groupSize: Int { counts.count }

  public var roundCount: Int { groupSize < 2 ? 0 : inOneRound ? 1 : groupSize - 1 }

  public var phases: [Phase] {
    if inOneRound { return roundCount == 0 ? [] : [Phase(0..<1, .everyone)] }
    return (0..<roundCount).map { Phase($0..<$0 + 1, .shift($0 + 1)) }
  }

  public func messageCount(inRound round: Int) -> Int {
    inOneRound ? groupSize * (groupSize - 1) : groupSize
  }

  public func message(_ index: Int, inRound round: Int) -> Message {
    let (source, destination) = everyPair(index + round * groupSize, groupSize)
    return Message(
      from: source, to: destination, bytes: counts[source][destination],
      .block(
        sourceOffset: sourceOffsets[source][destination],
        destinationOffset: destinationOffsets[destination][source]))
  }

  /// A position's block for itself, which is no message: its bytes in the packed input and output.
  public func ownBlock(
    of position: Int
  ) -> (bytes: Int, sourceOffset: Int, destinationOffset: Int) {
    (
      counts[position][position], sourceOffsets[position][position],
      destinationOffsets[position][position]
    )
  }
}
