/// Reduce-scatter by recursive halving, in a group whose size is a power of two.
///
/// log2(n) rounds; the distance to the partner and the range sent halve from round to round, so that
/// (n - 1)/n of the vector is sent in all (Thakur, Rabenseifner and Gropp, "Optimization of
/// Collective Communication Operations in MPICH", 2005, section 4.2). Run backwards it is the
/// all-gather by recursive doubling.
public struct Halving: Rounds {
  private let chunks: Chunks
  /// The group may be larger than the part of it that takes part.
  public let groupSize: Int

  /// A reduce-scatter over as many positions as there are chunks, the first ones of the group.
  public init(_ chunks: Chunks, groupSize: Int? = nil) {
    precondition(chunks.count & (chunks.count - 1) == 0, "recursive halving needs a power of two")
    self.chunks = chunks
    self.groupSize = groupSize ?? chunks.count
  }

  public var roundCount: Int { chunks.count.trailingZeroBitCount }

  public var phases: [Phase] {
    (0..<roundCount).map { Phase($0..<$0 + 1, .exchange(distance(inRound: $0))) }
  }

  private func distance(inRound round: Int) -> Int { chunks.count >> (round + 1) }

  public func messageCount(inRound round: Int) -> Int { chunks.count }

  public func message(_ index: Int, inRound round: Int) -> Message {
    let distance = distance(inRound: round)
    let partner = index ^ distance
    let first = partner & ~(distance - 1)
    return Message(from: index, to: partner, chunks[first..<first + distance], .adds)
  }

  /// An all-reduce over any number of positions: those beyond the largest power of two hand their
  /// vectors to a partner first and are given the result last.
  static func allReduce(bytes: Int, groupSize: Int, unit: Int) -> ChainedRounds {
    let core = 1 << (Int.bitWidth - 1 - groupSize.leadingZeroBitCount)
    let chunks = Chunks(bytes: bytes, parts: core, unit: unit)
    let halving = Halving(chunks, groupSize: groupSize)
    var parts: [any Rounds] = [halving, ReversedRounds(halving)]
    if core < groupSize {
      let rest = ListedRounds(
        groupSize: groupSize,
        [(core..<groupSize).map { Message(from: $0, to: $0 - core, 0..<bytes, .adds) }])
      parts = [rest] + parts + [ReversedRounds(rest)]
    }
    return ChainedRounds(groupSize: groupSize, parts)
  }
}
