// Typed forms of the raw operations: spans in and out, arrays where the size is known afterwards.

extension Communicator {
  /// Sends the values and returns when they may change again.
  public func send<Element: BitwiseCopyable>(
    _ values: Span<Element>, to destination: Int, tag: Int, _ timeout: Timeout = .standard
  ) throws(MPIError) {
    try values.withUnsafeBytes { (bytes) throws(MPIError) in
      try send(bytes, to: destination, tag: tag, timeout)
    }
  }

  /// Receives at most as many values as the span holds and returns how many came.
  @discardableResult
  public func receive<Element: BitwiseCopyable>(
    into values: inout MutableSpan<Element>, from source: Int, tag: Int,
    _ timeout: Timeout = .standard
  ) throws(MPIError) -> Int {
    try values.withUnsafeMutableBytes { (bytes) throws(MPIError) in
      try receive(into: bytes, from: source, tag: tag, timeout)
    } / MemoryLayout<Element>.stride
  }

  /// Starts to send the values; the memory must live and not change until the request's wait.
  public func startSend<Element: BitwiseCopyable>(
    _ values: UnsafeBufferPointer<Element>, to destination: Int, tag: Int
  ) throws(MPIError) -> Request {
    try startSend(UnsafeRawBufferPointer(values), to: destination, tag: tag)
  }

  /// Starts to receive values; the memory must live and not be read until the request's wait.
  public func startReceive<Element: BitwiseCopyable>(
    into values: UnsafeMutableBufferPointer<Element>, from source: Int, tag: Int
  ) throws(MPIError) -> Request {
    try startReceive(into: UnsafeMutableRawBufferPointer(values), from: source, tag: tag)
  }

  /// Copies the root's values to every member; all arrays have the same count.
  public func broadcast<Element: BitwiseCopyable>(
    _ values: inout [Element], from root: Int, _ timeout: Timeout = .standard
  ) throws(MPIError) {
    try values.withUnsafeMutableBufferPointer { (buffer) throws(MPIError) in
      try broadcast(UnsafeMutableRawBufferPointer(buffer), from: root, timeout)
    }
  }

  /// Copies the root's text to every member, whatever its length.
  public func broadcast(
    _ text: String, from root: Int, _ timeout: Timeout = .standard
  ) throws(MPIError) -> String {
    var bytes = Array(text.utf8)
    var count = [bytes.count]
    try broadcast(&count, from: root, timeout)
    if rank != root { bytes = [UInt8](repeating: 0, count: count[0]) }
    try broadcast(&bytes, from: root, timeout)
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The reduction of one value of each member.
  public func allReduce<Element: ReducibleElement>(
    _ value: Element, _ reduction: Reduction, _ timeout: Timeout = .standard
  ) throws(MPIError) -> Element {
    var values = [value]
    try allReduce(&values, reduction, timeout)
    return values[0]
  }

  /// Replaces the values by the reduction of everybody's; all arrays have the same count.
  public func allReduce<Element: ReducibleElement>(
    _ values: inout [Element], _ reduction: Reduction, _ timeout: Timeout = .standard
  ) throws(MPIError) {
    try values.withUnsafeMutableBufferPointer { (buffer) throws(MPIError) in
      try allReduce(
        UnsafeMutableRawBufferPointer(buffer), of: Element.elementKind, reduction, timeout)
    }
  }

  /// The reduction of this member's part, `counts[rank]` long, of everybody's values.
  public func reduceScatter<Element: ReducibleElement>(
    _ values: [Element], counts: [Int], _ reduction: Reduction, _ timeout: Timeout = .standard
  ) throws(MPIError) -> [Element] {
    var result = [Element](repeating: .zero, count: counts[rank])
    try result.withUnsafeMutableBufferPointer { (output) throws(MPIError) in
      try values.withUnsafeBufferPointer { (input) throws(MPIError) in
        try reduceScatter(
          UnsafeRawBufferPointer(input), into: UnsafeMutableRawBufferPointer(output),
          counts: counts, of: Element.elementKind, reduction, timeout)
      }
    }
    return result
  }

  /// Everybody's values one after the other, in the order of ranks; counts may differ.
  public func allGather<Element: BitwiseCopyable>(
    _ values: [Element], _ timeout: Timeout = .standard
  ) throws(MPIError) -> [Element] {
    let stride = MemoryLayout<Element>.stride
    let even = [Int](repeating: MemoryLayout<Int>.size, count: size)
    let counts = try gathered([values.count * stride], even, timeout)
    return try gathered(values, counts, timeout)
  }

  private func gathered<Element: BitwiseCopyable>(
    _ values: [Element], _ counts: [Int], _ timeout: Timeout
  ) throws(MPIError) -> [Element] {
    let bytes = counts.reduce(0, +)
    return try values.withUnsafeBufferPointer { (input) throws(MPIError) in
      try array(ofBytes: bytes) { (output) throws(MPIError) in
        try allGather(UnsafeRawBufferPointer(input), into: output, counts: counts, timeout)
      }
    }
  }

  /// Sends `counts[r]` of the values to member r and returns what came, with its counts by source.
  public func allToAll<Element: BitwiseCopyable>(
    _ values: [Element], counts: [Int], _ timeout: Timeout = .standard
  ) throws(MPIError) -> (values: [Element], counts: [Int]) {
    let even = [Int](repeating: MemoryLayout<Int>.size, count: size)
    let received = try exchanged(counts, even, even, timeout)
    let stride = MemoryLayout<Element>.stride
    let arrived = try exchanged(
      values, counts.map { $0 * stride }, received.map { $0 * stride }, timeout)
    return (arrived, received)
  }

  private func exchanged<Element: BitwiseCopyable>(
    _ values: [Element], _ sent: [Int], _ received: [Int], _ timeout: Timeout
  ) throws(MPIError) -> [Element] {
    try values.withUnsafeBufferPointer { (input) throws(MPIError) in
      try array(ofBytes: received.reduce(0, +)) { (output) throws(MPIError) in
        try allToAll(
          UnsafeRawBufferPointer(input), sendCounts: sent, into: output, receiveCounts: received,
          timeout)
      }
    }
  }

  /// An array whose memory the closure fills.
  private func array<Element: BitwiseCopyable>(
    ofBytes bytes: Int, _ fill: (UnsafeMutableRawBufferPointer) throws(MPIError) -> Void
  ) throws(MPIError) -> [Element] {
    let memory = UnsafeMutableRawBufferPointer.allocate(
      byteCount: bytes, alignment: MemoryLayout<Element>.alignment)
    defer { memory.deallocate() }
    try fill(memory)
    return Array(memory.bindMemory(to: Element.self))
  }
}
