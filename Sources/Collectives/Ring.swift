/// Reduce-scatter or all-gather around a ring: n - 1 rounds, each position sends one chunk a round.
///
/// Each position sends (n - 1)/n of the vector, the least possible, in n - 1 steps of latency. Chunk c
/// is added up in the order c + 1, c + 2, ..., c, so a sum's bits depend on the chunk.
public struct Ring: Rounds {
  private let chunks: Chunks
  private let gathers: Bool

  /// A reduce-scatter, after which position p has chunk p.
  public static func reduceScatter(_ chunks: Chunks) -> Ring { Ring(chunks, gathers: false) }

  /// An all-gather, before which position p has chunk p.
  public static func allGather(_ chunks: Chunks) -> Ring { Ring(chunks, gathers: true) }

  private init(_ chunks: Chunks, gathers: Bool) {
    self.chunks = chunks
    self.gathers = gathers
  }

  public var groupSize: Int { chunks.count }

  public var roundCount: Int { groupSize - 1 }

  public var phases: [Phase] { roundCount == 0 ? [] : [Phase(0..<roundCount, .shift(1))] }

  public func messageCount(inRound round: Int) -> Int { groupSize }

  public func message(_ index: Int, inRound round: Int) -> Message {
    let size = groupSize
    let chunk = (index - round - (gathers ? 0 : 1) + 2 * size) % size
    return Message(
      from: index, to: (index + 1) % size, chunks[chunk], gathers ? .replaces : .adds)
  }
}
