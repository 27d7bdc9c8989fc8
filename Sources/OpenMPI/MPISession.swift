internal import CMPI
import Glibc
import MessagePassing

/// MPI, initialised: the value's end finalises it.
///
/// One process makes one session in its life, on its main thread, which alone calls MPI
/// (`MPI_THREAD_FUNNELED`).
public struct MPISession: ~Copyable {
  /// All ranks.
  public let world: MPICommunicator
  /// Whether `mpirun` has started this rank: it names every rank's place in the environment, which other
  /// launchers leave to MPI's own start.
  private let isUnderMpirun = getenv("OMPI_COMM_WORLD_RANK") != nil

  /// Initialises MPI.
  ///
  /// - Parameter timeout: how long a wait may take; nil is for ever.
  public init(timeout: Duration? = nil) throws(MPIError) {
    var provided: Int32 = 0
    try check(
      MPI_Init_thread(nil, nil, Int32(MPI_THREAD_FUNNELED), &provided), "MPI_Init_thread", rank: 0)
    let handle = cmpi_comm_world()
    // Communicators made from this one inherit it.
    MPI_Comm_set_errhandler(handle, cmpi_errors_return())
    var rank: Int32 = 0
    var size: Int32 = 0
    try check(MPI_Comm_rank(handle, &rank), "MPI_Comm_rank", rank: 0)
    try check(MPI_Comm_size(handle, &size), "MPI_Comm_size", rank: Int(rank))
    guard provided >= Int32(MPI_THREAD_FUNNELED) else {
      throw .failed(
        call: "MPI_Init_thread", rank: Int(rank), text: "this MPI has no MPI_THREAD_FUNNELED")
    }
    var control: MPI_Comm?
    try check(MPI_Comm_dup(handle, &control), "MPI_Comm_dup", rank: Int(rank))
    let rollCall = RollCall(control, rank: Int(rank), size: Int(size))
    let transport = MPITransport(timeout: timeout, rank: Int(rank), rollCall: rollCall)
    world = MPICommunicator(
      handle, rank: Int(rank), worldRanks: Array(0..<Int(size)), transport)
  }

  deinit {
    MPI_Finalize()
  }

  /// Ends all ranks with this exit status, after one line on standard error that names this rank.
  ///
  /// mpirun ends all ranks when one of them ends with a status other than 0, names it, and does so only
  /// once it has passed on all that the rank wrote: the line comes first. Other launchers wait for the
  /// rest, and MPI has to tell them. (With mpirun too, `MPI_Abort` would do, but Open MPI 4.1.4 on
  /// PMIx 4.2.2 may free the notice of it before it is printed: 2 of 40 were lost on a busy machine.)
  public func abort(_ reason: String, status: Int32) {
    precondition(status != 0, "an end by an error has a status that says so")
    fflush(nil)
    let line = Array("sluice: rank \(world.rank): \(reason)\n".utf8)
    _ = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    waitUntilTaken()
    // Ranks on other hosts notice at once that this one is gone, and the line may have a way to go.
    usleep(200_000)
    if !isUnderMpirun { MPI_Abort(cmpi_comm_world(), status) }
    _exit(status)
  }

  /// Waits, for some seconds at most, until the launcher has read what this rank wrote to standard error.
  private func waitUntilTaken() {
    var kind = stat()
    guard fstat(STDERR_FILENO, &kind) == 0, kind.st_mode & S_IFMT == S_IFIFO else { return }
    var left: Int32 = 0
    for _ in 0..<500 {
      guard ioctl(STDERR_FILENO, UInt(FIONREAD), &left) == 0, left > 0 else { return }
      usleep(10_000)
    }
  }

  /// Runs the body on every rank; an error on one rank ends all of them.
  ///
  /// - Parameters:
  ///   - timeout: how long a wait may take; nil is for ever.
  ///   - status: the exit status for an error.
  ///   - message: what an error says.
  ///   - body: what each rank does with the world.
  public static func run(
    timeout: Duration? = nil, status: (any Error) -> Int32 = { _ in 1 },
    message: (any Error) -> String = { "\($0)" }, _ body: (MPICommunicator) throws -> Void
  ) throws(MPIError) {
    let session = try MPISession(timeout: timeout)
    do {
      try body(session.world)
    } catch {
      session.abort(message(error), status: status(error))
    }
  }
}
