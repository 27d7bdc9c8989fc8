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
}
