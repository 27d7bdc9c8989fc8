import MessagePassing

/// Memory that a check frees at its end.
struct Memory<Element: BitwiseCopyable>: ~Copyable {
  let buffer: UnsafeMutableBufferPointer<Element>

  init(_ count: Int, _ element: (Int) -> Element) {
    buffer = .allocate(capacity: count)
    for index in 0..<count { buffer.initializeElement(at: index, to: element(index)) }
  }

  deinit { buffer.deallocate() }

  var read: UnsafeBufferPointer<Element> { UnsafeBufferPointer(buffer) }
}

/// A token goes once around the ring and every rank adds its number.
func messagesGoRound(_ communicator: any Communicator) throws {
  let size = communicator.size
  guard size > 1 else { return }
  let token = Memory<Int>(1) { _ in 0 }
  let bytes = UnsafeMutableRawBufferPointer(token.buffer)
  let next = (communicator.rank + 1) % size
  let previous = (communicator.rank + size - 1) % size
  if communicator.rank == 0 {
    try communicator.send(UnsafeRawBufferPointer(bytes), to: next, tag: 3)
    try communicator.receive(into: bytes, from: previous, tag: 3)
    try expect(token.buffer[0], size * (size - 1) / 2, "sum of the ranks")
  } else {
    try communicator.receive(into: bytes, from: previous, tag: 3)
    token.buffer[0] += communicator.rank
    try communicator.send(UnsafeRawBufferPointer(bytes), to: next, tag: 3)
  }
}

/// Messages with one tag between two ranks arrive in the order in which they were sent.
func equalTagsKeepOrder(_ communicator: any Communicator) throws {
  let count = 100
  let next = (communicator.rank + 1) % communicator.size
  let previous = (communicator.rank + communicator.size - 1) % communicator.size
  let sent = Memory<Int>(count) { communicator.rank * 1000 + $0 }
  let received = Memory<Int>(count) { _ in -1 }
  var requests = RequestGroup()
  for index in 0..<count {
    let part = UnsafeBufferPointer(rebasing: sent.read[index...index])
    requests.add(try communicator.startSend(part, to: next, tag: 0))
  }
  for index in 0..<count {
    let part = UnsafeMutableBufferPointer(rebasing: received.buffer[index...index])
    requests.add(try communicator.startReceive(into: part, from: previous, tag: 0))
  }
  try requests.waitAll()
  try expect(Array(received.read), (0..<count).map { previous * 1000 + $0 }, "values")
}

/// A receiver may ask for the last tag first.
func tagsMatchOutOfOrder(_ communicator: any Communicator) throws {
  let next = (communicator.rank + 1) % communicator.size
  let previous = (communicator.rank + communicator.size - 1) % communicator.size
  let tags = [0, 1, 40, maximumTag]
  let sent = Memory<Int>(tags.count) { communicator.rank * 100_000 + tags[$0] }
  let received = Memory<Int>(tags.count) { _ in -1 }
  var requests = RequestGroup()
  for (index, tag) in tags.enumerated() {
    let part = UnsafeBufferPointer(rebasing: sent.read[index...index])
    requests.add(try communicator.startSend(part, to: next, tag: tag))
  }
  for (index, tag) in tags.enumerated().reversed() {
    let part = UnsafeMutableBufferPointer(rebasing: received.buffer[index...index])
    try communicator.receive(into: UnsafeMutableRawBufferPointer(part), from: previous, tag: tag)
  }
  try requests.waitAll()
  try expect(Array(received.read), tags.map { previous * 100_000 + $0 }, "values")
}

/// A rank can be its own peer, also with a message that is not buffered.
func messageToOneself(_ communicator: any Communicator) throws {
  let count = 10_000
  let sent = Memory<Double>(count) { Double($0) }
  let received = Memory<Double>(count) { _ in 0 }
  let send = try communicator.startSend(sent.read, to: communicator.rank, tag: 9)
  let receive = try communicator.startReceive(
    into: received.buffer, from: communicator.rank, tag: 9)
  try expect(try receive.wait(), count * 8, "bytes received")
  try expect(try send.wait(), count * 8, "bytes sent")
  try expect(Array(received.read), Array(sent.read), "values")
}

/// Spans are sent and received without an unsafe word.
func spansTravel(_ communicator: any Communicator) throws {
  guard communicator.size > 1 else { return }
  if communicator.rank == 0 {
    let values: [Float] = [1, 2, 3]
    try communicator.send(values.span, to: 1, tag: 5)
  } else if communicator.rank == 1 {
    var values = [Float](repeating: 0, count: 8)
    var span = values.mutableSpan
    let count = try communicator.receive(into: &span, from: 0, tag: 5)
    try expect(Array(values.prefix(count)), [1, 2, 3], "values")
  }
}

/// Everybody sends a MiB to everybody at once; nothing is buffered, nothing is lost.
func largeExchange(_ communicator: any Communicator) throws {
  let size = communicator.size
  let count = 1 << 18
  let sent = Memory<Int32>(count) { Int32(communicator.rank * 7 + $0 % 1000) }
  let received = Memory<Int32>(count * size) { _ in -1 }
  var requests = RequestGroup()
  for peer in 0..<size {
    let part = UnsafeMutableBufferPointer(
      rebasing: received.buffer[peer * count..<(peer + 1) * count])
    requests.add(try communicator.startReceive(into: part, from: peer, tag: 1))
  }
  for peer in 0..<size { requests.add(try communicator.startSend(sent.read, to: peer, tag: 1)) }
  try expect(requests.count, 2 * size, "requests")
  try expect(try requests.waitAll(), 2 * size * count * 4, "bytes moved")
  for peer in 0..<size {
    for index in [0, 1, 999, count / 2, count - 1] {
      try expect(
        received.read[peer * count + index], Int32(peer * 7 + index % 1000),
        "element \(index) from \(peer)")
    }
  }
}

/// A request can be driven by tests alone, and progress can be called at any time.
func requestsCanBeTested(_ communicator: any Communicator) throws {
  let next = (communicator.rank + 1) % communicator.size
  let previous = (communicator.rank + communicator.size - 1) % communicator.size
  let sent = Memory<Int>(100_000) { $0 }
  let received = Memory<Int>(100_000) { _ in -1 }
  try communicator.progress()
  let receive = try communicator.startReceive(into: received.buffer, from: previous, tag: 2)
  var group = RequestGroup()
  try expect(try group.test(), true, "an empty group is complete")
  group.add(try communicator.startSend(sent.read, to: next, tag: 2))
  while !(try receive.test()) { try communicator.progress() }
  while !(try group.test()) { try communicator.progress() }
  try expect(try receive.wait(), 800_000, "bytes received")
  try group.waitAll()
  try expect(received.read[99_999], 99_999, "last element")
}

/// A message shorter than its buffer says how long it was and leaves the rest alone.
func shorterMessage(_ communicator: any Communicator) throws {
  let next = (communicator.rank + 1) % communicator.size
  let previous = (communicator.rank + communicator.size - 1) % communicator.size
  let sent = Memory<UInt8>(3) { UInt8($0 + 1) }
  let received = Memory<UInt8>(5) { _ in 9 }
  let send = try communicator.startSend(sent.read, to: next, tag: 6)
  let receive = try communicator.startReceive(into: received.buffer, from: previous, tag: 6)
  try expect(try receive.wait(), 3, "bytes received")
  try send.wait()
  try expect(Array(received.read), [1, 2, 3, 9, 9], "values")
}
