import Programs

/// What a rank did when, in picoseconds since the step began, as both worlds write it down.
public struct Timeline: Hashable, Sendable {
  /// One span on one stream.
  public struct Span: Hashable, Sendable {
    public enum Kind: Hashable, Sendable {
      /// Index into the program's operations.
      case operation(Int32)
      /// Index into the program's transfers.
      case transfer(Int32)
      /// The compute stream waits for a transfer.
      case wait(Int32)
    }

    public var kind: Kind
    public var isForward: Bool
    public var stream: Stream
    public var start: Int64
    public var end: Int64
    /// What this rank puts into a transfer; 0 for operations and waits.
    public var bytes: Int

    @inlinable public init(
      _ kind: Kind, isForward: Bool, stream: Stream, start: Int64, end: Int64, bytes: Int = 0
    ) {
      self.kind = kind
      self.isForward = isForward
      self.stream = stream
      self.start = start
      self.end = end
      self.bytes = bytes
    }
  }

  /// What the rank did, one item behind the other.
  public var items: [ItemSpan] = []
  /// Messages and collectives outside of actions.
  public var transfers: [TransferSpan] = []
  /// Live memory, from each moment on.
  public var memory: [MemorySample] = []

  public init(
    items: [ItemSpan] = [], transfers: [TransferSpan] = [], memory: [MemorySample] = []
  ) {
    self.items = items
    self.transfers = transfers
    self.memory = memory
  }
}

/// One item of a rank.
public struct ItemSpan: Hashable, Sendable {
  public var item: Item
  public var start: Int64
  public var end: Int64
  /// Spans of its operations and transfers, relative to its start; empty unless they were asked for.
  public var spans: [Timeline.Span]

  public init(item: Item, start: Int64, end: Int64, spans: [Timeline.Span]) {
    self.item = item
    self.start = start
    self.end = end
    self.spans = spans
  }
}

/// A message or a collective of a rank outside of its actions.
public struct TransferSpan: Hashable, Sendable {
  public enum Kind: Hashable, Sendable {
    case message(PipelineTransfer)
    /// Of a stage's reduction or update, by its number in that program.
    case collective(stage: Int, number: Int, TransferKind)
  }

  public var kind: Kind
  /// What this rank puts in, or of a message receives.
  public var bytes: Int
  /// Simulated, from the moment at which all that take part have come to it; on CPU ranks, which cannot
  /// know that moment, from its start on this rank.
  public var start: Int64
  public var end: Int64

  public init(kind: Kind, bytes: Int, start: Int64, end: Int64) {
    self.kind = kind
    self.bytes = bytes
    self.start = start
    self.end = end
  }
}

/// Live bytes of a rank by use, from a moment on.
public struct MemorySample: Hashable, Sendable {
  public var time: Int64
  /// In the order of `Buffer.Use.allCases`.
  public var live: [Int]

  public init(time: Int64, live: [Int]) {
    self.time = time
    self.live = live
  }

  /// All uses together.
  public var total: Int { live.reduce(0, +) }
}

/// How long transfers of one kind took, and how much of it the compute stream saw.
public struct Exposure: Hashable, Sendable {
  /// From the moment at which all that take part have come to a transfer to its end.
  public var total: Int64 = 0
  /// The part of `total` in which the compute stream stood still.
  public var exposed: Int64 = 0
  /// The compute stream stood still for a peer that had not come yet: before, and no part of `total`.
  public var waiting: Int64 = 0

  /// The part of `total` beside which the compute stream went on.
  public var hidden: Int64 { total - exposed }

  public init() {}

  /// Accounts for a wait from `clock` for a transfer whose bytes moved from `moving` to `end`.
  @inlinable public mutating func addWait(clock: Int64, moving: Int64, end: Int64) {
    guard end > clock else { return }
    let movingFrom = max(clock, min(moving, end))
    waiting += movingFrom - clock
    exposed += end - movingFrom
  }

  public static func + (left: Exposure, right: Exposure) -> Exposure {
    var sum = left
    sum += right
    return sum
  }

  @inlinable public static func += (left: inout Exposure, right: Exposure) {
    left.total += right.total
    left.exposed += right.exposed
    left.waiting += right.waiting
  }
}
