import TestSupport
import Testing

/// The same checks on threads and under mpirun, and failures for real.
@Suite(.serialized) struct RankCheckTests {
  @Test(arguments: 1...4)
  func checksPassOnThreads(count: Int) throws {
    let outcome = try Launch.run([RankChecks.path, "--threads", "\(count)"])
    #expect(outcome.status == 0, "\(outcome.output)")
    #expect(outcome.output == "checks passed on \(count) threads\n")
  }

  @Test(.enabled(if: Launch.hasMPI, "mpirun is not installed"), arguments: 1...4)
  func checksPassOnRanks(count: Int) throws {
    let outcome = try RankChecks.run(ranks: count)
    #expect(outcome.status == 0, "\(outcome.output)")
    #expect(outcome.output == "checks passed on \(count) ranks\n")
  }

  /// A check that must fail: else nothing that passes would mean anything.
  @Test(.enabled(if: Launch.hasMPI, "mpirun is not installed"))
  func aWrongSumFails() throws {
    let outcome = try RankChecks.run(ranks: 2, "wrong-sum")
    #expect(outcome.status == 1)
    #expect(outcome.output.contains("sum of ones: found 2, expected 3"), "\(outcome.output)")
  }

  @Test(.enabled(if: Launch.hasMPI, "mpirun is not installed"))
  func anErrorOnOneRankEndsAllWithOneClearLineFirst() throws {
    let outcome = try RankChecks.run(ranks: 3, "error", "1")
    let line = "sluice: rank 1: the loss is not a number\n"
    #expect(outcome.status == 3)
    #expect(outcome.output.hasPrefix(line), "\(outcome.output)")
    #expect(outcome.count(of: "sluice:") == 1, "\(outcome.output)")
    // mpirun's own notice, which names the rank as well, comes behind.
    #expect(outcome.output.contains(",1],1]"), "\(outcome.output)")
    #expect(outcome.output.contains("Exit code:    3"), "\(outcome.output)")
  }

  /// A launcher that does not end all ranks for one that ends by itself is told to by MPI.
  @Test(.enabled(if: Launch.hasMPI, "mpirun is not installed"))
  func underAnotherLauncherMPIEndsAll() throws {
    let outcome = try Launch.run([
      "mpirun", "--oversubscribe", "--mca", "orte_abort_on_non_zero_status", "0", "-n", "3",
      "env", "-u", "OMPI_COMM_WORLD_RANK", RankChecks.path, "error", "1",
    ])
    #expect(outcome.status == 3)
    let line = "sluice: rank 1: the loss is not a number\n"
    #expect(outcome.output.hasPrefix(line), "\(outcome.output)")
    #expect(outcome.count(of: "sluice:") == 1, "\(outcome.output)")
  }

  @Test(.enabled(if: Launch.hasMPI, "mpirun is not installed"))
  func aKilledRankEndsAll() throws {
    let outcome = try RankChecks.run(ranks: 3, "kill", "1")
    #expect(outcome.status == 137)
    #expect(outcome.output.contains("process rank 1"), "\(outcome.output)")
  }

  /// Rank 0 waits for rank 1, which waits for the stopped rank 2, which is named.
  @Test(
    .enabled(if: Launch.hasMPI, "mpirun is not installed"), arguments: ["stop", "stop-barrier"])
  func aStoppedRankIsNamed(scenario: String) throws {
    let outcome = try RankChecks.run(ranks: 3, scenario, "2")
    #expect(outcome.status == 1)
    #expect(outcome.output.contains("not done after 1 s; "), "\(outcome.output)")
    #expect(outcome.output.contains("rank 2 gives no sign of life"))
    #expect(!outcome.output.contains("rank 0 gives no sign of life"))
    #expect(!outcome.output.contains("rank 1 gives no sign of life"))
    if scenario == "stop" {
      #expect(outcome.output.contains("rank 1 waits for rank 2 (receive, tag 11, 8 bytes)"))
    }
  }

  @Test(.enabled(if: Launch.hasMPI, "mpirun is not installed"))
  func aMessageLongerThanItsBufferIsAnError() throws {
    let outcome = try RankChecks.run(ranks: 2, "long")
    #expect(outcome.status == 1)
    #expect(outcome.output.contains("(receive, tag 4, 4 bytes): the message"), "\(outcome.output)")
  }
}
