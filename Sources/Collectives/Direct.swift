/// Everybody sends to everybody at once, each chunk straight to its owner: one round.
///
/// As a reduce-scatter it is what training uses: the owner of a shard receives every other's
/// contribution and folds them in tree order, so that the sum's bits depend on positions alone. It
/// sends as many bytes as a ring, in one step of latency, over all links at once.
public struct Direct: Rounds {
  private let chunks: Chunks

  /// A reduce-scatter, after which position p has chunk p; backwards, the all-gather.
  public init(reduceScatter chunks: Chunks) {
    self.chunks = chunks
  }

  public var groupSize: Int { chunks.count }

  public var roundCount: Int { groupSize > 1 ? 1 : 0 }

  public var phases: [Phase] { roundCount == 0 ? [] : [Phase(0..<1, .everyone)] }

  public func messageCount(inRound round: Int) -> Int { groupSize * (groupSize - 1) }

  public func message(_ index: Int, inRound round: Int) -> Message {
    let (source, destination) = everyPair(index, groupSize)
    return Message(from: source, to: destination, chunks[destination], .contributes)
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
}
