/// Parameters of a stage that are reduced, owned and gathered together: all of a group, or a bucket of
/// them.
public struct GradientSegment: Hashable, Sendable {
  public var group: TransferKind.Group
  /// Indices into `StageProgram.parameters`.
  ///
  /// In a shared group all are uses of one tensor, each with a gradient of its own; otherwise they lie
  /// one after the other.
  public var parameters: [Int]
  /// Elements of all of them; of a shared tensor, of one use.
  public var elements: Int
  /// Copies of the segment: ranks times the stages that use it.
  public var copies: Int
  /// What each copy owns, as ranges of elements; with ZeRO stage 0 everything on every copy.
  public var shards: [Range<Int>]
  /// The part of the reduction that each copy folds: the shards, or with ZeRO stage 0 what would be them.
  public var folds: [Range<Int>]
  /// Elements of the largest shard.
  public var shardElements: Int
  /// The reduced gradient of the shard, where it travels in another format than it is kept in; else it
  /// lies where the gradients do.
  public var shardGradient: BufferID?
  /// Where a CPU rank receives the contributions of the others.
  public var contributions: BufferID?
  public var firstMoment = BufferID(-1)
  public var secondMoment = BufferID(-1)

  /// Shards are cut at blocks of this many elements of a tensor, so that sums over blocks do not depend
  /// on the cut.
  public static let blockElements = 4096

  /// The segment is one tensor with several uses.
  public var isShared: Bool { group == .sharedEmbedding || group == .sharedHead }

  /// Cuts tensors of the given sizes, one after the other, at their blocks into even parts.
  ///
  /// Complexity: tensors and copies, however many blocks there are.
  package static func parts(of tensors: [Int], into copies: Int) -> [Range<Int>] {
    let blocks = tensors.map { ($0 + blockElements - 1) / blockElements }
    let count = blocks.reduce(0, +)
    var cuts: [Int] = []
    cuts.reserveCapacity(copies + 1)
    // The tensor that holds the cut, its first element and its first block.
    var (tensor, first, block) = (0, 0, 0)
    for part in 0...copies {
      let cut = part * count / copies
      while tensor < tensors.count, cut >= block + blocks[tensor] {
        first += tensors[tensor]
        block += blocks[tensor]
        tensor += 1
      }
      cuts.append(first + (cut - block) * blockElements)
    }
    return (0..<copies).map { cuts[$0]..<cuts[$0 + 1] }
  }
}
