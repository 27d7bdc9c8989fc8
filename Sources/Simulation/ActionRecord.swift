import Engines
import Programs

/// What one action did on one rank, relative to its start.
struct ActionRecord: Sendable {
  /// When it ended on the compute stream, counted from the first of its group, picoseconds.
  var duration: Int64 = 0
  /// When this rank came, counted likewise.
  var offset: Int64 = 0
  /// The sum of its kernels' times, and each kind's part of it.
  var busy: Int64 = 0
  var kernels: [KernelTimes.Part] = []
  var expert = Exposure()
  var tensor = Exposure()
  var context = Exposure()
  var data = Exposure()
  var host = Exposure()
  var memory = MemoryChange()
  var flops = 0.0
  var causalFLOPs = 0.0
  var operations = 0
  /// When its exchanges used the rank's adapter, counted likewise.
  var windows: [AdapterWindow] = []
  var spans: [Timeline.Span] = []
  /// What it leaves on the data stream, and the next action's first gathers, counted likewise.
  var carried = CarriedStream()
  /// The reductions of the backward's stage that it started.
  var reductions: [StartedReduction] = []
  /// Picoseconds by which its exchanges have made reductions longer that actions before it had started.
  var delays: [Int64] = []
  /// The operations and transfers that were started, in order; empty unless asked for.
  var started: [StartedWork] = []
}

extension ActionRecord {
  /// Says whose it is: when the rank came, and what the action does to its memory.
  mutating func place(_ rank: ActionRank, _ template: ActionTemplate) {
    offset = rank.offset
    memory = rank.booksOwnRows ? template.memory(of: rank) : template.memory
  }
}

/// A reduction that an action has started and that other ranks come to when they do: nothing in the action
/// waits for it.
struct StartedReduction: Equatable, Sendable {
  /// Its number in the stage's program of reductions.
  var transfer: Int32
  /// When the rank came to it, counted from the first of its group.
  var offset: Int64
  /// Whether it takes anything of the rank's links; then the picoseconds by which exchanges of the action have
  /// made it longer.
  var isShared = false
  var delay: Int64 = 0
}

/// What an action started, by its number in the program of its forward or its backward, or of the
/// backward's stage in the one that reduces gradients.
struct StartedWork: Sendable {
  var index: Int32
  var isTransfer: Bool
  var isForward: Bool
  var isReduction = false
}

/// One rank of an action: how many rows its exchanges have, how fast it is, when it comes.
struct ActionRank: Hashable, Sendable {
  /// Rows of the forward's stage, and of the backward's in a pair.
  var forwardRows: ExchangeRows
  var backwardRows: ExchangeRows
  /// Times of this rank's kernels are multiplied by it: 1 for a healthy device.
  var slowness = 1.0
  /// Times of this rank's part of an exchange or a collective are multiplied by that of the links it takes.
  var linkSlowness = LinkSlowness()
  /// When the rank comes to the action, after the first of its group.
  var offset: Int64 = 0
  /// What actions before have left on its data stream, counted likewise.
  var carried = CarriedStream()
  /// Memory is booked with its own rows, which are the same when a buffer is released.
  var booksOwnRows = false
  /// How much of a sequence is filled with documents of each of the lengths at which attention is priced, of
  /// the forward's microbatch and of the backward's in a pair; empty where sequences are attended to whole.
  var forwardDocuments: [Double] = []
  var backwardDocuments: [Double] = []
  /// Pairs of queries and keys, as a share of those of whole sequences.
  var attentionWork = 1.0
  /// Whether nothing but the rows of exchanges tells it apart.
  func isLikeButForRows(_ other: ActionRank) -> Bool {
    slowness == other.slowness && linkSlowness == other.linkSlowness && offset == other.offset
      && carried == other.carried && booksOwnRows == other.booksOwnRows
      && forwardDocuments == other.forwardDocuments
      && backwardDocuments == other.backwardDocuments && attentionWork == other.attentionWork
  }
}
