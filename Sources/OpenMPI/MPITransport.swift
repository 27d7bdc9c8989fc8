internal import CMPI
import Glibc
import MessagePassing

/// The outstanding operations of one MPI rank: a flat table that `MPI_Testsome` takes as it is.
///
/// A slot's request is MPI's null request when nothing is under way there. Waiting polls the whole
/// table, so that any wait moves everything along, and yields the core between polls, because there
/// may be more ranks than cores.
final class MPITransport: Transport {
  private struct Entry {
    var operation: PendingOperation
    /// The bytes that came, once the operation has ended.
    var bytes = 0
    var code: Int32 = 0
  }

  /// A yield on a busy machine costs a time slice, more than most messages take; a hundred polls take
  /// about as long as a message of 64 KiB.
  private static let pollsBeforeYielding = 100

  let timeout: Duration?
  let rank: Int
  private let rollCall: RollCall
  private let null: MPI_Request?
  private var requests: UnsafeMutableBufferPointer<MPI_Request?>
  private var statuses: UnsafeMutableBufferPointer<MPI_Status>
  private var indices: UnsafeMutableBufferPointer<Int32>
  private var entries: [Entry] = []
  private var free: [Int] = []
  /// How many operations MPI still has to finish.
  private var outstanding = 0
  private var callsOfProgress = 0

  init(timeout: Duration?, rank: Int, rollCall: RollCall) {
    self.timeout = timeout
    self.rank = rank
    self.rollCall = rollCall
    null = cmpi_request_null()
    let capacity = 64
    requests = .allocate(capacity: capacity)
    requests.initialize(repeating: null)
    statuses = .allocate(capacity: capacity)
    statuses.initialize(repeating: MPI_Status())
    indices = .allocate(capacity: capacity)
    indices.initialize(repeating: 0)
  }

  deinit {
    requests.deallocate()
    statuses.deallocate()
    indices.deallocate()
  }

  /// Starts an operation: the closure calls MPI and fills in the request.
  func start(
    _ operation: PendingOperation, _ call: StaticString,
    _ body: (UnsafeMutablePointer<MPI_Request?>) -> Int32
  ) throws(MPIError) -> Request {
    var request = null
    try check(body(&request), call, rank: rank)
    let slot = takeSlot(operation)
    requests[slot] = request
    outstanding += 1
    return Request(self, slot: slot)
  }

  private func takeSlot(_ operation: PendingOperation) -> Int {
    if let slot = free.popLast() {
      entries[slot] = Entry(operation: operation)
      return slot
    }
    if entries.count == requests.count { grow() }
    entries.append(Entry(operation: operation))
    return entries.count - 1
  }

  private func grow() {
    let larger = UnsafeMutableBufferPointer<MPI_Request?>.allocate(capacity: requests.count * 2)
    larger.initialize(repeating: null)
    for slot in requests.indices { larger[slot] = requests[slot] }
    requests.deallocate()
    requests = larger
    statuses.deallocate()
    statuses = .allocate(capacity: larger.count)
    statuses.initialize(repeating: MPI_Status())
    indices.deallocate()
    indices = .allocate(capacity: larger.count)
    indices.initialize(repeating: 0)
  }
}

// MARK: Moving messages along

extension MPITransport {
  func progress() throws(MPIError) {
    try poll()
    callsOfProgress &+= 1
    // A look at the roll call costs a probe, so not every call pays for it.
    if callsOfProgress % 64 == 0 { try rollCall.answer("rank \(rank) computes") }
  }

  private func poll() throws(MPIError) {
    guard outstanding > 0 else { return try rollCall.drive() }
    var completed: Int32 = 0
    let code = MPI_Testsome(
      Int32(entries.count), requests.baseAddress, &completed, indices.baseAddress,
      statuses.baseAddress)
    if code != MPI_ERR_IN_STATUS { try check(code, "MPI_Testsome", rank: rank) }
    guard completed > 0 else { return }
    for index in 0..<Int(completed) {
      note(statuses[index], of: Int(indices[index]), failed: code == MPI_ERR_IN_STATUS)
    }
  }

  private func note(_ status: MPI_Status, of slot: Int, failed: Bool) {
    var status = status
    var bytes = Int32(clamping: entries[slot].operation.bytes)
    if entries[slot].operation.kind == .receive { MPI_Get_count(&status, cmpi_byte(), &bytes) }
    entries[slot].bytes = Int(bytes)
    entries[slot].code = failed ? status.MPI_ERROR : 0
    requests[slot] = null
    outstanding -= 1
  }

  func isComplete(_ slot: Int) -> Bool { requests[slot] == null }

  func finish(_ slot: Int, _ timeout: Timeout) throws(MPIError) -> Int {
    if !isComplete(slot) {
      do throws(MPIError) {
        try poll()
        if !isComplete(slot) { try wait(slot, timeout) }
      } catch {
        abandon(slot)
        throw error
      }
    }
    let entry = entries[slot]
    free.append(slot)
    if entry.code == MPI_ERR_TRUNCATE {
      throw .tooLong(entry.operation, messageBytes: entry.bytes)
    }
    if entry.code != 0 {
      throw .failed(call: "\(entry.operation)", rank: rank, text: errorText(entry.code))
    }
    return entry.bytes
  }

  func callRoll(_ operation: PendingOperation) throws(MPIError) -> [String] {
    try rollCall.call(operation.description)
  }

  private func wait(_ slot: Int, _ timeout: Timeout) throws(MPIError) {
    let limit = timeout.duration(standard: self.timeout)
    let clock = ContinuousClock()
    let start = clock.now
    var polls = 0
    while !isComplete(slot) {
      if polls >= Self.pollsBeforeYielding { sched_yield() }
      try poll()
      polls += 1
      guard polls % 64 == 0 else { continue }
      let waited = start.duration(to: clock.now)
      let operation = entries[slot].operation
      if waited > .milliseconds(20) { try rollCall.answer(operation.description) }
      if let limit, waited > limit, !isComplete(slot) {
        let others = try rollCall.call(operation.description)
        throw .timedOut(operation, after: limit, others: others)
      }
    }
  }

  func abandon(_ slot: Int) {
    // Only a receive can be cancelled; a collective or a send keeps its buffer until the world ends.
    if !isComplete(slot), entries[slot].operation.kind == .receive {
      MPI_Cancel(&requests[slot])
      MPI_Request_free(&requests[slot])
      requests[slot] = null
      outstanding -= 1
    }
    if isComplete(slot) { free.append(slot) }
  }
}
