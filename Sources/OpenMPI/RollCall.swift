internal import CMPI
import Glibc
import MessagePassing

/// Asks every rank, over a communicator of its own, whether it is alive and what it waits for.
///
/// A rank whose wait has run out of time calls; ranks answer from their own waits and progress calls. A
/// stopped rank, or one behind a cut network, does not answer, and is named for it.
final class RollCall {
  /// How long a called rank has for its answer: ranks promise to call progress every few
  /// milliseconds, a kernel of the system's scheduler may keep them from it for some hundreds.
  private static let patience = Duration.seconds(1)
  private static let answerBytes: Int32 = 256
  private static let callTag: Int32 = 1
  private static let answerTag: Int32 = 2

  private let communicator: MPI_Comm?
  private let rank: Int
  private let size: Int

  init(_ communicator: MPI_Comm?, rank: Int, size: Int) {
    self.communicator = communicator
    self.rank = rank
    self.size = size
  }

  /// Gives MPI the chance to move messages along when nothing of this rank's is outstanding.
  func drive() throws(MPIError) {
    _ = try probe(Self.callTag)
  }

  /// Answers those who have called, with what this rank does.
  func answer(_ text: String) throws(MPIError) {
    while let caller = try probe(Self.callTag) {
      try check(
        MPI_Recv(nil, 0, cmpi_byte(), caller, Self.callTag, communicator, nil), "MPI_Recv",
        rank: rank)
      var bytes = Array(text.utf8.prefix(Int(Self.answerBytes)))
      try check(
        MPI_Send(
          &bytes, Int32(bytes.count), cmpi_byte(), caller, Self.answerTag, communicator),
        "MPI_Send", rank: rank)
    }
  }

  /// Calls all ranks and says for each other one what it answered, or that it did not.
  func call(_ text: String) throws(MPIError) -> [String] {
    for other in 0..<Int32(size) where Int(other) != rank {
      var request: MPI_Request?
      try check(
        MPI_Isend(nil, 0, cmpi_byte(), other, Self.callTag, communicator, &request), "MPI_Isend",
        rank: rank)
      MPI_Request_free(&request)
    }
    var answers = [String?](repeating: nil, count: size)
    let clock = ContinuousClock()
    let end = clock.now + Self.patience
    while clock.now < end, answers.count(where: { $0 == nil }) > 1 {
      try answer(text)
      while let other = try probe(Self.answerTag) { answers[Int(other)] = try receive(other) }
      sched_yield()
    }
    return (0..<size).filter { $0 != rank }.map { other in
      answers[other] ?? "rank \(other) gives no sign of life"
    }
  }

  private func receive(_ other: Int32) throws(MPIError) -> String {
    var bytes = [UInt8](repeating: 0, count: Int(Self.answerBytes))
    var status = MPI_Status()
    try check(
      MPI_Recv(
        &bytes, Self.answerBytes, cmpi_byte(), other, Self.answerTag, communicator, &status),
      "MPI_Recv", rank: rank)
    var count: Int32 = 0
    MPI_Get_count(&status, cmpi_byte(), &count)
    return String(decoding: bytes.prefix(Int(count)), as: UTF8.self)
  }

  /// Who has sent a message with this tag, if anybody.
  private func probe(_ tag: Int32) throws(MPIError) -> Int32? {
    var flag: Int32 = 0
    var status = MPI_Status()
    try check(
      MPI_Iprobe(MPI_ANY_SOURCE, tag, communicator, &flag, &status), "MPI_Iprobe", rank: rank)
    return flag == 0 ? nil : status.MPI_SOURCE
  }
}
