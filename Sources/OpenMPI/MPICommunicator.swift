internal import CMPI
import MessagePassing

/// A group of MPI ranks.
///
/// Collectives are MPI's nonblocking ones, polled, so that they obey the timeout and move other messages
/// along. One message, and one buffer of a collective, has at most 2^31 - 1 bytes or elements.
public final class MPICommunicator: Communicator {
  public let rank: Int
  public let worldRanks: [Int]
  public var size: Int { worldRanks.count }
  public var transport: any Transport { requests }
  let requests: MPITransport
  let handle: MPI_Comm?

  init(_ handle: MPI_Comm?, rank: Int, worldRanks: [Int], _ requests: MPITransport) {
    self.handle = handle
    self.rank = rank
    self.worldRanks = worldRanks
    self.requests = requests
  }

  public func startSend(
    _ bytes: UnsafeRawBufferPointer, to destination: Int, tag: Int
  ) throws(MPIError) -> Request {
    precondition(worldRanks.indices.contains(destination), "no such rank in this group")
    precondition((0...maximumTag).contains(tag), "no such tag")
    let count = try count32(bytes.count, "MPI_Isend", rank: requests.rank)
    let operation = PendingOperation(
      .send, rank: requests.rank, peer: worldRanks[destination], tag: tag, bytes: bytes.count)
    return try requests.start(operation, "MPI_Isend") { request in
      MPI_Isend(
        bytes.baseAddress, count, cmpi_byte(), Int32(destination), Int32(tag), handle, request)
    }
  }

  public func startReceive(
    into bytes: UnsafeMutableRawBufferPointer, from source: Int, tag: Int
  ) throws(MPIError) -> Request {
    precondition(worldRanks.indices.contains(source), "no such rank in this group")
    precondition((0...maximumTag).contains(tag), "no such tag")
    let count = try count32(bytes.count, "MPI_Irecv", rank: requests.rank)
    let operation = PendingOperation(
      .receive, rank: requests.rank, peer: worldRanks[source], tag: tag, bytes: bytes.count)
    return try requests.start(operation, "MPI_Irecv") { request in
      MPI_Irecv(bytes.baseAddress, count, cmpi_byte(), Int32(source), Int32(tag), handle, request)
    }
  }

  public func split(color: Int?, key: Int) throws(MPIError) -> MPICommunicator? {
    // (has a colour, colour, key) of every member: it tells each who the others are, and after it
    // nobody is late, so that MPI's own blocking split cannot hang.
    let groups = SplitGroups(wishes: try allGather([color == nil ? 0 : 1, color ?? 0, key]))
    // MPI takes colours that fit 32 bits, so their positions in order stand for them.
    let index = color.flatMap { groups.colors.firstIndex(of: $0) }
    let members = color.map { groups.members(of: $0) } ?? []
    let newRank = members.firstIndex(of: rank)
    var part: MPI_Comm?
    try check(
      MPI_Comm_split(
        handle, index.map { Int32($0) } ?? MPI_UNDEFINED, Int32(newRank ?? 0), &part),
      "MPI_Comm_split", rank: requests.rank)
    guard let newRank else { return nil }
    return MPICommunicator(
      part, rank: newRank, worldRanks: members.map { worldRanks[$0] }, requests)
  }

  public func duplicate() throws(MPIError) -> MPICommunicator {
    try barrier()
    var copy: MPI_Comm?
    try check(MPI_Comm_dup(handle, &copy), "MPI_Comm_dup", rank: requests.rank)
    return MPICommunicator(copy, rank: rank, worldRanks: worldRanks, requests)
  }
}
