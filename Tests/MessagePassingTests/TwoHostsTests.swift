import Foundation
import Testing

/// Four ranks on two hosts with addresses and names of their own.
@Suite(
  .serialized,
  .enabled(if: TwoHosts.areAvailable, "needs root, mpirun, and `ip netns`: skipped"))
struct TwoHostsTests {
  @Test func checksPassAcrossHosts() throws {
    let hosts = try TwoHosts()
    let outcome = try hosts.rankChecks("hosts")
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
    let outcome = try hosts.rankChecks("megabyte-across")
    #expect(outcome.status == 0, "\(outcome.output)")
    let words = outcome.output.split(separator: " ")
    let rate = try #require(words.first.flatMap { Double($0) })
    #expect(rate < 7 && rate > 1, "\(outcome.output)")
  }

  @Test func anErrorOnTheOtherHostEndsAll() throws {
    let hosts = try TwoHosts()
    let outcome = try hosts.rankChecks("error", "3")
    #expect(outcome.status == 3)
    #expect(outcome.seconds < 15)
    #expect(outcome.output.contains("sluice: rank 3: the loss is not a number\n"))
  }

  /// Ranks name those behind the cut and end on both sides of it.
  ///
  /// mpirun itself goes on for as long as TCP hopes for its daemon on the other host (minutes), so the
  /// test ends it.
  @Test func ranksBehindACutCableAreNamed() throws {
    let hosts = try TwoHosts()
    var left = 4
    let outcome = try hosts.rankChecks("cut") {
      left = try ranksLeft(afterCuttingCableOf: hosts)
      hosts.endProcesses()
    }
    #expect(left == 0, "all ranks are gone within seconds")
    for rank in 2...3 {
      #expect(outcome.output.contains("rank \(rank) gives no sign of life"), "\(outcome.output)")
    }
  }

  /// Cuts the cable once all ranks run, and gives them 15 seconds.
  private func ranksLeft(afterCuttingCableOf hosts: borrowing TwoHosts) throws -> Int {
    _ = ranks(on: hosts, within: .seconds(10)) { $0 == 4 }
    // The ranks now meet in MPI's start, which has no timeout of ours.
    Thread.sleep(forTimeInterval: 2)
    try hosts.cutCable()
    return ranks(on: hosts, within: .seconds(15)) { $0 == 0 }
  }

  /// Counts the ranks until the count is as wanted, or the time is over.
  private func ranks(
    on hosts: borrowing TwoHosts, within limit: Duration, until isWanted: (Int) -> Bool
  ) -> Int {
    let end = ContinuousClock.now + limit
    while true {
      let count = hosts.rankCount()
      if isWanted(count) || ContinuousClock.now > end { return count }
      Thread.sleep(forTimeInterval: 0.1)
    }
  }
}
