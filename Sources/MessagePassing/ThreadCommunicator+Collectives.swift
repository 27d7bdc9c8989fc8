extension ThreadCommunicator {
  private func send(
    _ bytes: UnsafeRawBufferPointer, to peer: Int, _ kind: PendingOperation.Kind, _ timeout: Timeout
  ) throws(MPIError) {
    try startSend(bytes, to: peer, tag: 0, kind, context + 1).wait(timeout)
  }

  private func receive(
    _ bytes: UnsafeMutableRawBufferPointer, from peer: Int, _ kind: PendingOperation.Kind,
    _ timeout: Timeout
  ) throws(MPIError) {
    try startReceive(into: bytes, from: peer, tag: 0, kind, context + 1).wait(timeout)
  }

  public func barrier(_ timeout: Timeout) throws(MPIError) {
    let nothing = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    if rank == 0 {
      for peer in 1..<max(size, 1) { try receive(nothing, from: peer, .barrier, timeout) }
    } else {
      try send(UnsafeRawBufferPointer(nothing), to: 0, .barrier, timeout)
    }
    try spread(nothing, from: 0, .barrier, timeout)
  }

  public func broadcast(
    _ bytes: UnsafeMutableRawBufferPointer, from root: Int, _ timeout: Timeout
  ) throws(MPIError) {
    try spread(bytes, from: root, .broadcast, timeout)
  }

  private func spread(
    _ bytes: UnsafeMutableRawBufferPointer, from root: Int, _ kind: PendingOperation.Kind,
    _ timeout: Timeout
  ) throws(MPIError) {
    guard rank == root else { return try receive(bytes, from: root, kind, timeout) }
    for peer in 0..<size where peer != root {
      try send(UnsafeRawBufferPointer(bytes), to: peer, kind, timeout)
    }
  }

  public func allReduce(
    _ bytes: UnsafeMutableRawBufferPointer, of kind: ElementKind, _ reduction: Reduction,
    _ timeout: Timeout
  ) throws(MPIError) {
    if rank == 0 {
      let other = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 16)
      defer { other.deallocate() }
      for peer in 1..<max(size, 1) {
        try receive(other, from: peer, .allReduce, timeout)
        reduction.fold(UnsafeRawBufferPointer(other), into: bytes, kind)
      }
    } else {
      try send(UnsafeRawBufferPointer(bytes), to: 0, .allReduce, timeout)
    }
    try spread(bytes, from: 0, .allReduce, timeout)
  }

  public func reduceScatter(
    _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer, counts: [Int],
    of kind: ElementKind, _ reduction: Reduction, _ timeout: Timeout
  ) throws(MPIError) {
    precondition(counts.count == size, "one count per member")
    precondition(input.count == counts.reduce(0, +) * kind.stride, "counts and input disagree")
    precondition(output.count == counts[rank] * kind.stride, "counts and output disagree")
    let whole = UnsafeMutableRawBufferPointer.allocate(byteCount: input.count, alignment: 16)
    defer { whole.deallocate() }
    whole.copyMemory(from: input)
    try allReduce(whole, of: kind, reduction, timeout)
    let start = counts[..<rank].reduce(0, +) * kind.stride
    output.copyMemory(from: UnsafeRawBufferPointer(rebasing: whole[start..<start + output.count]))
  }

  public func allGather(
    _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer, counts: [Int],
    _ timeout: Timeout
  ) throws(MPIError) {
    precondition(counts.count == size, "one count per member")
    precondition(input.count == counts[rank], "counts and input disagree")
    precondition(output.count == counts.reduce(0, +), "counts and output disagree")
    var start = 0
    for (root, count) in counts.enumerated() {
      let part = UnsafeMutableRawBufferPointer(rebasing: output[start..<start + count])
      if root == rank { part.copyMemory(from: input) }
      try spread(part, from: root, .allGather, timeout)
      start += count
    }
  }

  public func allToAll(
    _ input: UnsafeRawBufferPointer, sendCounts: [Int],
    into output: UnsafeMutableRawBufferPointer, receiveCounts: [Int], _ timeout: Timeout
  ) throws(MPIError) {
    precondition(sendCounts.count == size && receiveCounts.count == size, "one count per member")
    precondition(input.count == sendCounts.reduce(0, +), "counts and input disagree")
    precondition(output.count == receiveCounts.reduce(0, +), "counts and output disagree")
    var requests = RequestGroup()
    defer { requests.abandon() }
    var start = 0
    for (peer, count) in receiveCounts.enumerated() {
      let part = UnsafeMutableRawBufferPointer(rebasing: output[start..<start + count])
      requests.add(
        try startReceive(into: part, from: peer, tag: 0, .allToAll, context + 1))
      start += count
    }
    start = 0
    for (peer, count) in sendCounts.enumerated() {
      let part = UnsafeRawBufferPointer(rebasing: input[start..<start + count])
      requests.add(try startSend(part, to: peer, tag: 0, .allToAll, context + 1))
      start += count
    }
    try requests.waitAll(timeout)
  }
}
