/// The outstanding operations of one rank that is a thread.
final class ThreadTransport: Transport {
  let world: ThreadWorld
  let rank: Int

  init(_ world: ThreadWorld, rank: Int) {
    self.world = world
    self.rank = rank
  }

  var timeout: Duration? { world.timeout }

  func progress() throws(MPIError) { try world.check() }

  func callRoll(_ operation: PendingOperation) -> [String] { world.callRoll(of: rank) }

  func isComplete(_ slot: Int) -> Bool { world.isComplete(slot, of: rank) }

  func abandon(_ slot: Int) { world.abandon(slot, of: rank) }

  func finish(_ slot: Int, _ timeout: Timeout) throws(MPIError) -> Int {
    try world.finish(slot, of: rank, within: timeout.duration(standard: world.timeout))
  }
}

/// A group of ranks that are threads of one process, for tests without mpirun.
///
/// Its collectives are built from its messages in the plainest way (everything passes through rank 0,
/// reductions fold in the order of ranks): meant for checking, not for speed.
public final class ThreadCommunicator: Communicator {
  public let rank: Int
  public let worldRanks: [Int]
  public var size: Int { worldRanks.count }
  public var transport: any Transport { threads }
  let threads: ThreadTransport
  /// Messages of users carry this number, those inside collectives the next one.
  let context: Int

  init(_ threads: ThreadTransport, rank: Int, worldRanks: [Int], context: Int) {
    self.threads = threads
    self.rank = rank
    self.worldRanks = worldRanks
    self.context = context
  }

  public func startSend(
    _ bytes: UnsafeRawBufferPointer, to destination: Int, tag: Int
  ) throws(MPIError) -> Request {
    try startSend(bytes, to: destination, tag: tag, .send, context)
  }

  public func startReceive(
    into bytes: UnsafeMutableRawBufferPointer, from source: Int, tag: Int
  ) throws(MPIError) -> Request {
    try startReceive(into: bytes, from: source, tag: tag, .receive, context)
  }

  func startSend(
    _ bytes: UnsafeRawBufferPointer, to destination: Int, tag: Int, _ kind: PendingOperation.Kind,
    _ context: Int
  ) throws(MPIError) -> Request {
    precondition(worldRanks.indices.contains(destination), "no such rank in this group")
    precondition((0...maximumTag).contains(tag), "no such tag")
    let peer = worldRanks[destination]
    let operation = PendingOperation(
      kind, rank: threads.rank, peer: peer, tag: tag, bytes: bytes.count)
    let slot = try threads.world.send(bytes, operation, to: peer, context: context)
    return Request(threads, slot: slot)
  }

  func startReceive(
    into bytes: UnsafeMutableRawBufferPointer, from source: Int, tag: Int,
    _ kind: PendingOperation.Kind, _ context: Int
  ) throws(MPIError) -> Request {
    precondition(worldRanks.indices.contains(source), "no such rank in this group")
    precondition((0...maximumTag).contains(tag), "no such tag")
    let peer = worldRanks[source]
    let operation = PendingOperation(
      kind, rank: threads.rank, peer: peer, tag: tag, bytes: bytes.count)
    let slot = try threads.world.receive(bytes, operation, from: peer, context: context)
    return Request(threads, slot: slot)
  }

  public func split(color: Int?, key: Int) throws(MPIError) -> ThreadCommunicator? {
    // (has a colour, colour, key) of every member.
    let wishes = try allGather([color == nil ? 0 : 1, color ?? 0, key])
    let groups = SplitGroups(wishes: wishes)
    // Two contexts for each group: one for users, one inside collectives.
    var contexts = [rank == 0 ? threads.world.newContexts(2 * groups.colors.count) : 0]
    try broadcast(&contexts, from: 0)
    guard let color, let index = groups.colors.firstIndex(of: color) else { return nil }
    let members = groups.members(of: color)
    guard let newRank = members.firstIndex(of: rank) else { return nil }
    return ThreadCommunicator(
      threads, rank: newRank, worldRanks: members.map { worldRanks[$0] },
      context: contexts[0] + 2 * index)
  }

  public func duplicate() throws(MPIError) -> ThreadCommunicator {
    var contexts = [rank == 0 ? threads.world.newContexts(2) : 0]
    try broadcast(&contexts, from: 0)
    return ThreadCommunicator(
      threads, rank: rank, worldRanks: worldRanks, context: contexts[0])
  }
}
