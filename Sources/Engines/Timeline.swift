import Programs

/// What a rank did when, in picoseconds, and the arithmetic of exposure that both worlds use.
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

    @inlinable public init(
      _ kind: Kind, isForward: Bool, stream: Stream, start: Int64, end: Int64
    ) {
      self.kind = kind
      self.isForward = isForward
      self.stream = stream
      self.start = start
      self.end = end
    }
  }

  public var spans: [Span] = []

  public init() {}
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
