/// A group of ranks that can exchange messages, as one of its members sees it.
///
/// Ranks are numbered from 0 in every communicator. Messages match by (source, tag, communicator) and
/// keep their order within it; there is no wildcard, so that nothing depends on arrival. Tags run from
/// 0 to `maximumTag`. Collectives are called by all members in the same order and, unlike
/// point-to-point messages, return only when this member's part is done.
///
/// A communicator belongs to the thread of its rank, and lives as long as the world: splitting again
/// and again keeps the earlier ones.
public protocol Communicator: AnyObject {
  /// This member's number in the group.
  var rank: Int { get }
  /// How many members the group has.
  var size: Int { get }
  /// The members' numbers in the world, in the order of their ranks here.
  var worldRanks: [Int] { get }
  /// Where this rank's outstanding operations are kept.
  var transport: any Transport { get }

  /// Splits the group into one per colour, ordered by key and then by rank; nil for members without a
  /// colour. A collective.
  func split(color: Int?, key: Int) throws(MPIError) -> Self?

  /// A group of the same members whose messages never meet those of this one. A collective.
  func duplicate() throws(MPIError) -> Self

  /// Starts to send the bytes, which must not change until the request has been waited for.
  func startSend(
    _ bytes: UnsafeRawBufferPointer, to destination: Int, tag: Int
  ) throws(MPIError) -> Request

  /// Starts to receive at most as many bytes as the buffer holds; a longer message is an error.
  func startReceive(
    into bytes: UnsafeMutableRawBufferPointer, from source: Int, tag: Int
  ) throws(MPIError) -> Request

  /// Waits until every member has called it.
  func barrier(_ timeout: Timeout) throws(MPIError)

  /// Copies the root's bytes to every member.
  func broadcast(
    _ bytes: UnsafeMutableRawBufferPointer, from root: Int, _ timeout: Timeout
  ) throws(MPIError)

  /// Replaces each member's elements by the reduction of everybody's.
  func allReduce(
    _ bytes: UnsafeMutableRawBufferPointer, of kind: ElementKind, _ reduction: Reduction,
    _ timeout: Timeout
  ) throws(MPIError)

  /// Reduces everybody's input and leaves member r the r-th of the parts, `counts` elements long.
  func reduceScatter(
    _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer, counts: [Int],
    of kind: ElementKind, _ reduction: Reduction, _ timeout: Timeout
  ) throws(MPIError)

  /// Puts the members' inputs one after the other, `counts` bytes from each.
  func allGather(
    _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer, counts: [Int],
    _ timeout: Timeout
  ) throws(MPIError)

  /// Sends the r-th part of the input to member r; counts are in bytes, parts lie one after the other.
  func allToAll(
    _ input: UnsafeRawBufferPointer, sendCounts: [Int],
    into output: UnsafeMutableRawBufferPointer, receiveCounts: [Int], _ timeout: Timeout
  ) throws(MPIError)
}

/// The largest tag that every implementation takes; the MPI standard promises 32,767 (section 8.1.2).
public let maximumTag = 32_767

extension Communicator {
  /// Moves all of this rank's messages along and returns at once; to be called during computation.
  public func progress() throws(MPIError) {
    try transport.progress()
  }

  /// Sends the bytes and returns when they may change again.
  public func send(
    _ bytes: UnsafeRawBufferPointer, to destination: Int, tag: Int, _ timeout: Timeout = .standard
  ) throws(MPIError) {
    try startSend(bytes, to: destination, tag: tag).wait(timeout)
  }

  /// Receives at most as many bytes as the buffer holds and returns how many came.
  @discardableResult
  public func receive(
    into bytes: UnsafeMutableRawBufferPointer, from source: Int, tag: Int,
    _ timeout: Timeout = .standard
  ) throws(MPIError) -> Int {
    try startReceive(into: bytes, from: source, tag: tag).wait(timeout)
  }

  /// Waits until every member has called it.
  public func barrier() throws(MPIError) {
    try barrier(.standard)
  }
}
