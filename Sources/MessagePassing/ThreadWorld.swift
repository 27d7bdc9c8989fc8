/// What the ranks of one process share: mailboxes, and the table of what each rank has under way.
///
/// Small messages are copied when sent, so that the send ends at once; larger ones stay where they are
/// until the receiver comes for them, as in Open MPI, so that a program which relies on buffering
/// shows its deadlock here as well.
final class ThreadWorld: @unchecked Sendable {
  /// Messages up to this many bytes are copied when sent: Open MPI's default for shared memory
  /// (`btl_vader_eager_limit`, 4,096 bytes).
  static let eagerBytes = 4096

  struct Envelope: Equatable {
    var source: Int
    var context: Int
    var tag: Int
  }

  struct Posted {
    var envelope: Envelope
    var bytes: UnsafeMutableRawBufferPointer
    var slot: Int
  }

  struct Arrived {
    var envelope: Envelope
    var bytes: UnsafeRawBufferPointer
    /// Where the sender waits for the copy; nil when the bytes are the mailbox's own copy.
    var senderSlot: Int?
  }

  struct Slot {
    var operation: PendingOperation
    var isComplete = false
    var bytes = 0
    var error: MPIError?
  }

  struct Rank {
    var posted: [Posted] = []
    var arrived: [Arrived] = []
    var slots: [Slot] = []
    var free: [Int] = []
    /// The slot that this rank is waiting for just now.
    var waiting: Int?
  }

  let monitor: Monitor
  let timeout: Duration?
  // Everything below is touched under the monitor's lock only.
  private var ranks: [Rank]
  private var nextContext = 2
  private var end: MPIError?

  init(size: Int, timeout: Duration?) {
    monitor = Monitor(conditions: size)
    self.timeout = timeout
    ranks = [Rank](repeating: Rank(), count: size)
  }

  deinit {
    for rank in ranks {
      for message in rank.arrived where message.senderSlot == nil { message.bytes.deallocate() }
    }
  }

  /// Numbers for new communicators, never used before in this world.
  func newContexts(_ count: Int) -> Int {
    monitor.lock()
    defer { monitor.unlock() }
    nextContext += count
    return nextContext - count
  }

  /// Ends the world: every wait, now and later, throws; the first reason counts.
  func finish(by rank: Int, reason: String) {
    monitor.lock()
    defer { monitor.unlock() }
    guard end == nil else { return }
    end = .worldEnded(by: rank, reason: reason)
    for rank in ranks.indices { monitor.signal(rank) }
  }
}

// MARK: Messages

extension ThreadWorld {
  /// Hands the message to a receive that waits for it, or leaves it in the destination's mailbox.
  func send(
    _ bytes: UnsafeRawBufferPointer, _ operation: PendingOperation, to destination: Int,
    context: Int
  ) throws(MPIError) -> Int {
    monitor.lock()
    defer { monitor.unlock() }
    if let end { throw end }
    let slot = takeSlot(operation)
    let envelope = Envelope(source: operation.rank, context: context, tag: operation.tag)
    if let index = ranks[destination].posted.firstIndex(where: { $0.envelope == envelope }) {
      let receive = ranks[destination].posted.remove(at: index)
      deliver(bytes, to: receive, of: destination)
      complete(slot, of: operation.rank, bytes: bytes.count)
    } else if bytes.count <= Self.eagerBytes {
      let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 16)
      copy.copyMemory(from: bytes)
      ranks[destination].arrived.append(
        Arrived(envelope: envelope, bytes: UnsafeRawBufferPointer(copy)))
      complete(slot, of: operation.rank, bytes: bytes.count)
    } else {
      ranks[destination].arrived.append(
        Arrived(envelope: envelope, bytes: bytes, senderSlot: slot))
    }
    return slot
  }

  /// Takes the message out of the mailbox, or leaves word of where it is to go.
  func receive(
    _ bytes: UnsafeMutableRawBufferPointer, _ operation: PendingOperation, from source: Int,
    context: Int
  ) throws(MPIError) -> Int {
    monitor.lock()
    defer { monitor.unlock() }
    if let end { throw end }
    let receiver = operation.rank
    let slot = takeSlot(operation)
    let envelope = Envelope(source: source, context: context, tag: operation.tag)
    let receive = Posted(envelope: envelope, bytes: bytes, slot: slot)
    guard let index = ranks[receiver].arrived.firstIndex(where: { $0.envelope == envelope }) else {
      ranks[receiver].posted.append(receive)
      return slot
    }
    let message = ranks[receiver].arrived.remove(at: index)
    deliver(message.bytes, to: receive, of: receiver)
    if let senderSlot = message.senderSlot {
      complete(senderSlot, of: source, bytes: message.bytes.count)
    } else {
      message.bytes.deallocate()
    }
    return slot
  }

  private func deliver(_ bytes: UnsafeRawBufferPointer, to receive: Posted, of rank: Int) {
    if bytes.count > receive.bytes.count {
      let operation = ranks[rank].slots[receive.slot].operation
      ranks[rank].slots[receive.slot].error = .tooLong(operation, messageBytes: bytes.count)
    } else if bytes.count > 0 {
      receive.bytes.copyMemory(from: bytes)
    }
    complete(receive.slot, of: rank, bytes: bytes.count)
  }

  private func complete(_ slot: Int, of rank: Int, bytes: Int) {
    ranks[rank].slots[slot].isComplete = true
    ranks[rank].slots[slot].bytes = bytes
    monitor.signal(rank)
  }

  private func takeSlot(_ operation: PendingOperation) -> Int {
    let slot = Slot(operation: operation)
    if let free = ranks[operation.rank].free.popLast() {
      ranks[operation.rank].slots[free] = slot
      return free
    }
    ranks[operation.rank].slots.append(slot)
    return ranks[operation.rank].slots.count - 1
  }
}

// MARK: Waiting

extension ThreadWorld {
  /// Throws if the world has ended.
  func check() throws(MPIError) {
    monitor.lock()
    defer { monitor.unlock() }
    if let end { throw end }
  }

  func isComplete(_ slot: Int, of rank: Int) -> Bool {
    monitor.lock()
    defer { monitor.unlock() }
    return ranks[rank].slots[slot].isComplete
  }

  func finish(_ slot: Int, of rank: Int, within duration: Duration?) throws(MPIError) -> Int {
    monitor.lock()
    defer { monitor.unlock() }
    let deadline = Monitor.deadline(after: duration)
    ranks[rank].waiting = slot
    defer {
      ranks[rank].waiting = nil
      ranks[rank].free.append(slot)
    }
    while !ranks[rank].slots[slot].isComplete {
      if let end {
        withdraw(slot, of: rank)
        throw end
      }
      if !monitor.wait(rank, until: deadline), let duration, !ranks[rank].slots[slot].isComplete {
        withdraw(slot, of: rank)
        throw .timedOut(
          ranks[rank].slots[slot].operation, after: duration, others: whatOthersDo(than: rank))
      }
    }
    if let error = ranks[rank].slots[slot].error { throw error }
    return ranks[rank].slots[slot].bytes
  }

  /// Gives up an operation after an error.
  func abandon(_ slot: Int, of rank: Int) {
    monitor.lock()
    defer { monitor.unlock() }
    withdraw(slot, of: rank)
    ranks[rank].free.append(slot)
  }

  /// Takes back an operation that nobody has met, so that its buffer is the caller's again.
  private func withdraw(_ slot: Int, of rank: Int) {
    ranks[rank].posted.removeAll { $0.slot == slot }
    guard let peer = ranks[rank].slots[slot].operation.peer else { return }
    ranks[peer].arrived.removeAll { $0.senderSlot == slot && $0.envelope.source == rank }
  }

  func callRoll(of rank: Int) -> [String] {
    monitor.lock()
    defer { monitor.unlock() }
    return whatOthersDo(than: rank)
  }

  private func whatOthersDo(than rank: Int) -> [String] {
    ranks.indices.filter { $0 != rank }.map { other in
      guard let slot = ranks[other].waiting else { return "rank \(other) is not waiting" }
      return ranks[other].slots[slot].operation.description
    }
  }
}
