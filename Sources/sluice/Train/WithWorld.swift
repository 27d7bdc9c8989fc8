#if MPI
  import Foundation
  import MessagePassing
  import OpenMPI
  import Training

  /// Runs `body` on every rank of an mpirun, or on this process alone.
  ///
  /// An error on one rank ends all, after one line that names it.
  func withWorld(
    timeout: Duration? = .seconds(600),
    _ body: @escaping @Sendable (any Communicator) throws -> Void
  ) throws {
    guard Launch.isRank else {
      _ = try withRanksAsThreads(1, timeout: timeout) { try body($0) }
      return
    }
    try MPISession.run(
      timeout: timeout, status: rankStatus, message: message(of:)
    ) { world in
      try sayingOnce(world) { try body(world) }
    }
  }

  /// Runs `body`; an error that all ranks see alike is said once, by rank 0, whose end is theirs.
  ///
  /// The others hold theirs back for so long that a busy machine has ended them by then, and not for
  /// longer, since an error of one rank alone waits too.
  func sayingOnce(_ communicator: any Communicator, _ body: () throws -> Void) throws {
    do {
      try body()
    } catch {
      if communicator.rank > 0 { sleep(5) }
      throw error
    }
  }
#endif
