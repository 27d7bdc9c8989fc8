internal import CMPI
import MessagePassing

extension MPICommunicator {
  private func complete(
    _ kind: PendingOperation.Kind, bytes: Int, _ call: StaticString, _ timeout: Timeout,
    _ body: (UnsafeMutablePointer<MPI_Request?>) -> Int32
  ) throws(MPIError) {
    let operation = PendingOperation(kind, rank: requests.rank, peer: nil, tag: 0, bytes: bytes)
    try requests.start(operation, call, body).wait(timeout)
  }

  public func barrier(_ timeout: Timeout) throws(MPIError) {
    try complete(.barrier, bytes: 0, "MPI_Ibarrier", timeout) { MPI_Ibarrier(handle, $0) }
  }

  public func broadcast(
    _ bytes: UnsafeMutableRawBufferPointer, from root: Int, _ timeout: Timeout
  ) throws(MPIError) {
    let count = try count32(bytes.count, "MPI_Ibcast", rank: requests.rank)
    try complete(.broadcast, bytes: bytes.count, "MPI_Ibcast", timeout) {
      MPI_Ibcast(bytes.baseAddress, count, cmpi_byte(), Int32(root), handle, $0)
    }
  }

  public func allReduce(
    _ bytes: UnsafeMutableRawBufferPointer, of kind: ElementKind, _ reduction: Reduction,
    _ timeout: Timeout
  ) throws(MPIError) {
    let count = try count32(bytes.count / kind.stride, "MPI_Iallreduce", rank: requests.rank)
    try complete(.allReduce, bytes: bytes.count, "MPI_Iallreduce", timeout) {
      MPI_Iallreduce(
        cmpi_in_place(), bytes.baseAddress, count, kind.datatype, reduction.operation, handle, $0)
    }
  }

  public func reduceScatter(
    _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer, counts: [Int],
    of kind: ElementKind, _ reduction: Reduction, _ timeout: Timeout
  ) throws(MPIError) {
    precondition(counts.count == size, "one count per member")
    precondition(input.count == counts.reduce(0, +) * kind.stride, "counts and input disagree")
    precondition(output.count == counts[rank] * kind.stride, "counts and output disagree")
    let layout = try Layout(counts, "MPI_Ireduce_scatter", rank: requests.rank)
    defer { withExtendedLifetime(layout) {} }
    try complete(.reduceScatter, bytes: input.count, "MPI_Ireduce_scatter", timeout) {
      MPI_Ireduce_scatter(
        input.baseAddress, output.baseAddress, layout.counts.baseAddress, kind.datatype,
        reduction.operation, handle, $0)
    }
  }

  public func allGather(
    _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer, counts: [Int],
    _ timeout: Timeout
  ) throws(MPIError) {
    precondition(counts.count == size, "one count per member")
    precondition(input.count == counts[rank], "counts and input disagree")
    precondition(output.count == counts.reduce(0, +), "counts and output disagree")
    let layout = try Layout(counts, "MPI_Iallgatherv", rank: requests.rank)
    defer { withExtendedLifetime(layout) {} }
    try complete(.allGather, bytes: output.count, "MPI_Iallgatherv", timeout) {
      MPI_Iallgatherv(
        input.baseAddress, layout.counts[rank], cmpi_byte(), output.baseAddress,
        layout.counts.baseAddress, layout.offsets.baseAddress, cmpi_byte(), handle, $0)
    }
  }

  public func allToAll(
    _ input: UnsafeRawBufferPointer, sendCounts: [Int],
    into output: UnsafeMutableRawBufferPointer, receiveCounts: [Int], _ timeout: Timeout
  ) throws(MPIError) {
    precondition(sendCounts.count == size && receiveCounts.count == size, "one count per member")
    precondition(input.count == sendCounts.reduce(0, +), "counts and input disagree")
    precondition(output.count == receiveCounts.reduce(0, +), "counts and output disagree")
    let sent = try Layout(sendCounts, "MPI_Ialltoallv", rank: requests.rank)
    let received = try Layout(receiveCounts, "MPI_Ialltoallv", rank: requests.rank)
    defer { withExtendedLifetime((sent, received)) {} }
    try complete(.allToAll, bytes: input.count, "MPI_Ialltoallv", timeout) {
      MPI_Ialltoallv(
        input.baseAddress, sent.counts.baseAddress, sent.offsets.baseAddress, cmpi_byte(),
        output.baseAddress, received.counts.baseAddress, received.offsets.baseAddress,
        cmpi_byte(), handle, $0)
    }
  }
}

/// Counts and offsets as MPI reads them; they stay in place until the collective has ended.
private final class Layout {
  let counts: UnsafeMutableBufferPointer<Int32>
  let offsets: UnsafeMutableBufferPointer<Int32>

  init(_ sizes: [Int], _ call: StaticString, rank: Int) throws(MPIError) {
    _ = try count32(sizes.reduce(0, +), call, rank: rank)
    counts = .allocate(capacity: sizes.count)
    offsets = .allocate(capacity: sizes.count)
    var offset: Int32 = 0
    for (index, size) in sizes.enumerated() {
      counts.initializeElement(at: index, to: Int32(size))
      offsets.initializeElement(at: index, to: offset)
      offset += Int32(size)
    }
  }

  deinit {
    counts.deallocate()
    offsets.deallocate()
  }
}
