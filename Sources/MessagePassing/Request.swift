/// A started operation that must be waited for.
///
/// The buffer of the operation must stay where it is, and alive, until the wait has returned. A request
/// cannot be copied; one that is dropped without `wait` (or being added to a `RequestGroup`) traps.
/// After a wait has thrown, the buffer still belongs to the message layer until the world has ended.
public struct Request: ~Copyable {
  let transport: any Transport
  private var slot: Int

  /// Wraps an occupied slot; called by implementations of `Communicator`.
  public init(_ transport: any Transport, slot: Int) {
    self.transport = transport
    self.slot = slot
  }

  deinit {
    precondition(slot < 0, "a request was dropped without being waited for")
  }

  /// Moves messages along and says whether this operation has ended; `wait` is still due.
  public borrowing func test() throws(MPIError) -> Bool {
    try transport.progress()
    return transport.isComplete(slot)
  }

  /// Waits until the operation has ended.
  ///
  /// - Returns: the bytes that were sent or received.
  @discardableResult
  public consuming func wait(_ timeout: Timeout = .standard) throws(MPIError) -> Int {
    let transport = self.transport
    return try transport.finish(takeSlot(), timeout)
  }

  /// Gives the operation up, on the way out after an error; the world is of no further use.
  public consuming func abandon() {
    let transport = self.transport
    transport.abandon(takeSlot())
  }

  /// Gives up the slot, whose completion is now the caller's duty.
  consuming func takeSlot() -> Int {
    let taken = slot
    slot = -1
    return taken
  }
}

/// Many started operations, waited for together.
///
/// A group keeps its storage between uses, so that an exchange repeated every step allocates nothing.
/// Dropping a group that still holds requests traps.
public struct RequestGroup: ~Copyable {
  private var slots: [Int] = []
  private var transport: (any Transport)?

  /// An empty group.
  public init() {}

  deinit {
    precondition(slots.isEmpty, "a group of requests was dropped without being waited for")
  }

  /// How many requests have been added since the last wait.
  public var count: Int { slots.count }

  /// Whether nothing has been added since the last wait.
  public var isEmpty: Bool { slots.isEmpty }

  /// Whether every operation has ended, as far as messages have been moved along; `waitAll` is still due.
  public var isComplete: Bool {
    guard let transport else { return true }
    return slots.allSatisfy { transport.isComplete($0) }
  }

  /// Makes room for this many requests.
  public mutating func reserveCapacity(_ capacity: Int) {
    slots.reserveCapacity(capacity)
  }

  /// Adds a request, which must belong to the same rank and world as the others.
  public mutating func add(_ request: consuming Request) {
    let owner = request.transport
    if let transport {
      precondition(transport === owner, "a group holds requests of one world only")
    } else {
      transport = owner
    }
    slots.append(request.takeSlot())
  }

  /// Moves messages along and says whether every operation has ended; `waitAll` is still due.
  public borrowing func test() throws(MPIError) -> Bool {
    guard let transport else { return true }
    try transport.progress()
    return isComplete
  }

  /// Waits for all operations and empties the group; after an error the others are abandoned.
  ///
  /// - Returns: the bytes that were sent and received together.
  @discardableResult
  public mutating func waitAll(_ timeout: Timeout = .standard) throws(MPIError) -> Int {
    guard let transport else { return 0 }
    var bytes = 0
    for (index, slot) in slots.enumerated() {
      do throws(MPIError) {
        bytes += try transport.finish(slot, timeout)
      } catch {
        slots.removeFirst(index + 1)
        abandon()
        throw error
      }
    }
    slots.removeAll(keepingCapacity: true)
    return bytes
  }

  /// Gives all operations up, on the way out after an error; the world is of no further use.
  public mutating func abandon() {
    guard let transport else { return }
    for slot in slots { transport.abandon(slot) }
    slots.removeAll(keepingCapacity: true)
  }
}
