import Testing

/// The same checks on threads and under mpirun, and failures for real.
@Suite(.serialized) struct RankCheckTests {
  @Test(arguments: 1...4)
  func checksPassOnThreads(count: Int) throws {
    let outcome = try Launch.run([Launch.rankChecks, "--threads", "\(count)"])
    #expect(outcome.status == 0, "\(outcome.output)")
    #expect(outcome.output == "checks passed on \(count) threads\n")
  }

  @Test(.enabled(if: Launch.hasMPI, "mpirun is not installed"), arguments: 1...4)
  func checksPassOnRanks(count: Int) throws {
    let outcome = try Launch.rankChecks(ranks: count)
    #expect(outcome.status == 0, "\(outcome.output)")
    #expect(outcome.output == "checks passed on \(count) ranks\n")
  }

  /// A check that must fail: else nothing that passes would mean anything.
  @Test(.enabled(if: Launch.hasMPI, "mpirun is not installed"))
  func aWrongSumFails() throws {
    let outcome = try Launch.rankChecks(ranks: 2, "wrong-sum")
    #expect(outcome.status == 1)
    #expect(outcome.output.contains("sum of ones: found 2, expected 3"), "\(outcome.output)")
  }

  @Test(.enabled(if: Launch.hasMPI, "mpirun is not installed"))
  func anErrorOnOneRankEndsAllWithOneClearLineFirst() throws {
    // A loaded machine may cut off Open MPI's notice with the rest of mpirun's output; without the notice
    // an attempt says nothing about which comes first, so one with it has to come.
    var hasNotice = false
    for _ in 0..<3 where !hasNotice {
      let outcome = try Launch.rankChecks(ranks: 3, "error", "1")
      #expect(outcome.status == 3)
      #expect(outcome.seconds < 10)
      #expect(
        outcome.output.hasPrefix("sluice: rank 1: the loss is not a number\n"),
        "\(outcome.output)")
      hasNotice = outcome.position(of: "MPI_ABORT") != nil
    }
    #expect(hasNotice)
  }

  @Test(.enabled(if: Launch.hasMPI, "mpirun is not installed"))
  func aKilledRankEndsAll() throws {
    let outcome = try Launch.rankChecks(ranks: 3, "kill", "1")
    #expect(outcome.status == 137)
    #expect(outcome.seconds < 10)
    #expect(outcome.output.contains("process rank 1"), "\(outcome.output)")
  }

  /// Rank 0 waits for rank 1, which waits for the stopped rank 2, which is named.
  @Test(
    .enabled(if: Launch.hasMPI, "mpirun is not installed"), arguments: ["stop", "stop-barrier"])
  func aStoppedRankIsNamed(scenario: String) throws {
    let outcome = try Launch.rankChecks(ranks: 3, scenario, "2")
    #expect(outcome.status == 1)
    #expect(outcome.seconds < 15)
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
    let outcome = try Launch.rankChecks(ranks: 2, "long")
    #expect(outcome.status == 1)
    #expect(outcome.output.contains("(receive, tag 4, 4 bytes): the message"), "\(outcome.output)")
  }
}
