import Foundation
import Testing
import Training

/// What mpirun's status and the ranks' words come to.
@Suite struct LaunchOutcomeTests {
  private func outcome(
    exit code: Int32 = 0, signal: Int32 = 0, _ reports: [RankReports.Report],
    wish: StopWish = .goOn
  ) -> LaunchOutcome {
    LaunchOutcome(ofMpirun: code << 8 | signal, reports: reports, ranks: 2, wish: wish)
  }

  private let both: [RankReports.Report] = [.listening, .listening]

  @Test func whatRankZeroSaysCounts() {
    #expect(outcome(both + [.finished]).status == 0)
    #expect(outcome(both + [.stopped]).status == 0)
    #expect(outcome(both + [.interrupted]).status == 6)
    // Told to end, mpirun says 1 whatever the ranks did.
    #expect(outcome(exit: 1, both + [.interrupted]).status == 6)
    #expect(outcome(exit: 1, both + [.interrupted]).message == nil)
    // The signal came behind the last step.
    #expect(outcome(both + [.finished], wish: .interrupt).status == 0)
  }

  @Test func failuresKeepTheirStatus() {
    for status: Int32 in [1, 2, 3, 4, 5, 7] {
      #expect(outcome(exit: status, both + [.failed]).status == status)
      #expect(outcome(exit: status, both + [.failed]).message == nil)
    }
    // A rank that could not begin.
    #expect(outcome(exit: 1, [.listening]).status == 1)
  }

  /// Every status is one of the table, and what no rank could say is said.
  @Test func launchersSayWhatRanksCannot() {
    let killed = outcome(exit: 137, both)
    #expect(killed.status == 5)
    #expect(killed.message == "a rank was ended by signal 9 (Killed)")
    #expect(outcome(exit: 139, both + [.failed]).status == 5)
    // A program that is not there, and a status that no rank has.
    let missing = outcome(exit: 127, [])
    #expect(missing.status == 1)
    #expect(
      missing.message == "mpirun ended with status 127, and no rank of this machine had begun")
    #expect(outcome(exit: 213, both).status == 5)
    for (code, reports) in [(Int32(213), both), (1, [.listening])] {
      #expect(
        outcome(exit: code, reports).message
          == "mpirun ended with status \(code), and no rank of this machine says why")
    }
    // What starts a daemon on another host was killed with all of that host.
    #expect(outcome(exit: 9, both).status == 5)
    #expect(outcome(exit: 9, both).message == "mpirun lost its daemon on another host")
    // A fault is said where it happens.
    #expect(outcome(exit: 2, both).message == nil)
  }

  @Test func anEndFromOutsideIsSaid() {
    let killed = outcome(signal: 9, both)
    #expect(killed.status == 5)
    #expect(killed.message == "mpirun was ended by signal 9 (Killed), and the ranks with it")
    let told = outcome(exit: 1, both)
    #expect(told.status == 6)
    #expect(told.message?.hasPrefix("mpirun was told to end") == true)
    #expect(outcome(signal: 15, []).status == 6)
    let early = outcome(exit: 140, [.listening])
    #expect(early.status == 6)
    #expect(early.message?.hasPrefix("a rank was ended by signal 12") == true)
  }

  /// Ranks on another machine find no file to report in.
  @Test func silentRanksDidAsTheyWereTold() {
    #expect(outcome([], wish: .interrupt).status == 6)
    #expect(outcome([], wish: .stop).status == 0)
    #expect(outcome([]).status == 0)
  }

  /// mpirun that was ended for a rank which it did not miss: the rank's end is what counts.
  @Test func lostRanksAreSaid() {
    let lost = LaunchOutcome(
      ofMpirun: SIGTERM, reports: both, ranks: 2, wish: .goOn, ranksAreLost: true)
    #expect(lost.status == 5)
    #expect(lost.message?.hasPrefix("a rank was gone") == true)
    // It had ended well before it was told to.
    let well = LaunchOutcome(
      ofMpirun: 0, reports: both + [.finished], ranks: 2, wish: .goOn, ranksAreLost: true)
    #expect(well.status == 0)
    #expect(well.message == nil)
  }

  /// Ranks that did not start are lost ranks, or the end of a run that was told to end.
  @Test func ranksThatDoNotStartAreSaid() {
    func end(_ wish: StopWish, exit code: Int32 = 1) -> LaunchOutcome {
      LaunchOutcome(
        ofMpirun: code << 8, reports: both, ranks: 2, wish: wish, notStarted: "they slept")
    }
    #expect(end(.goOn).status == 5 && end(.interrupt).status == 6)
    #expect(end(.goOn).message == "they slept, and mpirun was ended")
    #expect(end(.goOn, exit: 0).status == 0 && end(.goOn, exit: 0).message == nil)
  }

  /// mpirun ends alike whoever sends it a SIGTERM: of a second signal it is known who did.
  @Test func secondSignalsAreOurOwn() {
    func message(_ signals: Int) -> String? {
      LaunchOutcome(
        ofMpirun: 1 << 8, reports: both, ranks: 2, wish: .interrupt, signalsPassedOn: signals
      ).message
    }
    #expect(
      message(2) == "a second signal was passed on to mpirun, which gave the ranks no time")
    #expect(message(1)?.hasPrefix("mpirun was told to end, by a signal of its own") == true)
  }

  /// Open MPI's status where its daemon on another host is gone.
  @Test func lostHostsAreLostRanks() {
    let lost = outcome(exit: 205, both)
    #expect(lost.status == 5 && lost.message == "mpirun lost its daemon on another host")
  }

  /// Hosts with their places, and what is none.
  @Test func hostsAreRead() throws {
    let hosts = try #require(LaunchHosts("one:2,10.0.0.2:3"))
    #expect(hosts.places == 5 && hosts.hosts.map(\.name) == ["one", "10.0.0.2"])
    let first = try #require(LaunchHosts("one:2"))
    #expect(hosts.names(missingIn: first) == ["10.0.0.2"])
    for text in ["", "one", "one:0", "one:x", ":2", "one:1,", "one:1,one:2", "a b:1"] {
      #expect(LaunchHosts(text) == nil, "\(text)")
    }
  }

  /// A process that has ended is not alive, also while nobody has waited for it.
  @Test func endedProcessesAreNotAlive() throws {
    #expect(LostRanks.isAlive(getpid()))
    let process = Process()
    process.executableURL = URL(filePath: "/bin/sleep")
    process.arguments = ["60"]
    try process.run()
    #expect(LostRanks.isAlive(process.processIdentifier))
    #expect(LostRanks.children(of: getpid()).contains(process.processIdentifier))
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
    #expect(!LostRanks.isAlive(process.processIdentifier))
  }
}
