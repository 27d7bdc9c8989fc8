import Foundation
import TestSupport
import Testing

/// Four ranks on two hosts with addresses and names of their own.
@Suite(
  .serialized,
  .enabled(if: TwoHosts.areAvailable, "needs root, mpirun, and `ip netns`: skipped"))
struct TwoHostsTests {
  @Test func checksPassAcrossHosts() throws {
    let hosts = try TwoHosts()
    let outcome = try hosts.run(RankChecks.path, "hosts")
    #expect(outcome.status == 0, "\(outcome.output)")
    for rank in 0..<4 {
      let line = "rank \(rank) of 4 on sluice-host-\(rank / 2 + 1)\n"
      #expect(outcome.output.contains(line), "\(outcome.output)")
    }
    #expect(outcome.output.contains("checks passed on 4 ranks"))
  }

  /// 50 Mbit/s are 6.25 MB/s: the MiB that the slow pair exchanges takes at least a tenth of a second.
  @Test func aShapedCableIsSlow() throws {
    let hosts = try TwoHosts(rate: "50mbit")
    let outcome = try hosts.run(RankChecks.path, "megabyte-across")
    #expect(outcome.status == 0, "\(outcome.output)")
    // mpirun may say something of its own first.
    let found = outcome.output.firstMatch(of: /([0-9.]+) MB\/s/)
    let rate = try #require(found.flatMap { Double($0.1) }, "\(outcome.output)")
    #expect(rate < 7 && rate > 1, "\(outcome.output)")
  }

  @Test func anErrorOnTheOtherHostEndsAll() throws {
    let hosts = try TwoHosts()
    let outcome = try hosts.run(RankChecks.path, "error", "3")
    #expect(outcome.status == 3)
    let line = "sluice: rank 3: the loss is not a number\n"
    #expect(outcome.output.hasPrefix(line), "\(outcome.output)")
    #expect(outcome.count(of: "sluice:") == 1, "\(outcome.output)")
  }

  /// Ranks name those behind the cut and end on both sides of it.
  ///
  /// mpirun itself goes on for as long as TCP hopes for its daemon on the other host (minutes), so the
  /// test ends it.
  @Test func ranksBehindACutCableAreNamed() throws {
    let hosts = try TwoHosts()
    var left = 4
    let outcome = try hosts.run(RankChecks.path, "cut") { output in
      #expect(output.waitFor("exchanging"))
      try hosts.cutCable()
      left = ranksLeft(on: hosts)
      hosts.endProcesses()
    }
    #expect(left == 0, "all ranks are gone without being ended")
    for rank in 2...3 {
      #expect(outcome.output.contains("rank \(rank) gives no sign of life"), "\(outcome.output)")
    }
  }

  /// How many ranks are left once they had the time to notice that they are alone.
  private func ranksLeft(on hosts: borrowing TwoHosts) -> Int {
    let end = ContinuousClock.now + .seconds(60)
    while true {
      let count = hosts.count(of: "rank-checks")
      if count == 0 || ContinuousClock.now > end { return count }
      Thread.sleep(forTimeInterval: 0.1)
    }
  }
}
