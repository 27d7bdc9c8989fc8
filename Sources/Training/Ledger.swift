import Engines
import Glibc
import Kernels
import Programs

/// What a rank really did in a step, counted where it happened and never from a program.
public struct Ledger: Sendable {
  /// What a message was for.
  public typealias MessageKind = StepMessage.Kind

  /// What a stream carried out.
  public typealias Entry = StepEntry

  /// FLOPs of matrix products outside attention, from the sizes that they were called with.
  public var matmulFLOPs = 0
  /// FLOPs of the products inside attention.
  public var attentionFLOPs = 0
  /// Messages that this rank sent, in order.
  public var messages: [StepMessage] = []
  /// Aligned bytes that were live when most were, by use.
  public var peak = MemoryUse()
  /// Bytes between the ends of the rank's memory: what the peak takes with the holes in it.
  public var footprint = 0
  /// Tokens that this rank sent to each rank of its expert group, and rows of experts that it computed,
  /// by exchange in the order of the routing.
  public var exchanges: [ExchangeCounts] = []
  /// Which experts the router chose, layer by layer; empty unless asked for.
  public var routes: [Route] = []
  /// What each stream carried out, in order; empty unless asked for.
  public var order: [Entry] = []
  public var streams: [Stream] = []
  /// When what happened; empty unless asked for.
  ///
  /// A transfer lasts from its start to the end of the wait for it.
  public var timeline = Timeline()
  /// When the step began on the host's clock that only goes forward, nanoseconds.
  public var began: UInt64 = 0
  /// Matrix products in the order in which they were called; empty unless asked for.
  public var products: [ProductCall] = []
  /// Nanoseconds in kernels, in waits by kind of message, and in driving messages between panels.
  public var computeTime: UInt64 = 0
  public var waitTime = [UInt64](repeating: 0, count: MessageKind.allCases.count)
  public var progressTime: UInt64 = 0

  /// Nothing done yet.
  public init() {}

  /// Bytes that were sent for a purpose.
  public func bytes(of kind: MessageKind) -> Int {
    messages.reduce(0) { $0 + ($1.kind == kind ? $1.bytes : 0) }
  }
}

/// What a router chose for a microbatch.
public struct Route: Hashable, Sendable {
  /// The layer, prediction modules behind the layers.
  public var layer: Int
  /// The microbatch's number in the whole step.
  public var microbatch: Int
  /// (tokens, chosen).
  public var experts: [Int32]
}

/// The row counts of one expert exchange, as a rank saw them.
public struct ExchangeCounts: Hashable, Sendable {
  public var stage: Int
  public var microbatch: Int
  /// The mixture layer inside the stage.
  public var exchange: Int
  /// Tokens sent to, and received from, each rank of the expert group, its own among them.
  public var sent: [Int]
  public var received: [Int]
  /// Rows that the local experts compute, by rank of the tokens.
  public var routed: [Int]

  var sentRows: Int { sent.reduce(0, +) }
  var receivedRows: Int { received.reduce(0, +) }
  var routedRows: Int { routed.reduce(0, +) }
}

/// Nanoseconds of a clock that only goes forward.
func nanoseconds() -> UInt64 {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
