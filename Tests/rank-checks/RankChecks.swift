import Glibc
import MessagePassing
import OpenMPI

/// The program that tests start under mpirun: the same checks on MPI ranks and on threads, and the ways
/// in which a rank can fail.
///
///     mpirun -n 4 rank-checks                  all checks, on MPI
///     rank-checks --threads 4                  all checks, on threads of this process
///     mpirun -n 2 rank-checks wrong-sum        a check that must fail: status 1
///     mpirun -n 3 rank-checks error 1          rank 1 throws: status 3
///     mpirun -n 3 rank-checks kill 1           rank 1 dies by SIGKILL: status 137
///     mpirun -n 3 rank-checks stop 1           rank 1 is stopped: the timeout names it
///     mpirun -n 3 rank-checks stop-barrier 1   the same, found out in a collective
///     mpirun -n 4 rank-checks cut              exchanges messages for some minutes
///     mpirun -n 2 rank-checks long             a message longer than its buffer
///     mpirun -n 4 rank-checks hosts            prints "rank R of N on HOST" from each rank
///     mpirun -n 2 rank-checks speed            prints times of messages between two ranks
///     mpirun -n 4 rank-checks megabyte-across  prints the rate from the first rank to the last
@main struct RankChecks {
  static func main() throws {
    let arguments = Array(CommandLine.arguments.dropFirst())
    if arguments.first == "--threads", let count = arguments.last.flatMap({ Int($0) }) {
      _ = try withRanksAsThreads(count, timeout: .seconds(240)) { try runChecks(on: $0) }
      print("checks passed on \(count) threads")
      return
    }
    let scenario = arguments.first ?? "checks"
    let rank = arguments.dropFirst().first.flatMap { Int($0) } ?? 0
    let stopping = scenario.hasPrefix("stop") || scenario == "cut"
    try MPISession.run(
      timeout: stopping ? .seconds(1) : .seconds(240), status: { $0 is PlannedFailure ? 3 : 1 }
    ) { world in
      try run(scenario, failing: rank, on: world)
    }
  }

  static func run(_ scenario: String, failing rank: Int, on world: MPICommunicator) throws {
    switch scenario {
    case "checks":
      try runChecks(on: world)
      if world.rank == 0 { print("checks passed on \(world.size) ranks") }
    case "wrong-sum": try wrongSum(world)
    case "error": try throwing(world, on: rank)
    case "kill": try dying(world, on: rank, by: SIGKILL)
    case "stop": try stopping(world, on: rank)
    case "stop-barrier": try dying(world, on: rank, by: SIGSTOP)
    case "cut": try untilCut(world)
    case "long": try tooLong(world)
    case "hosts": try hosts(world)
    case "speed": try speed(world)
    case "megabyte-across": try megabyteAcross(world)
    default: throw CheckFailure(description: "no scenario is called \(scenario)")
    }
  }
}
