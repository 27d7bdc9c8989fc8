import Schedules
import Testing

/// What the planner finds does not depend on how it gets there.
@Suite struct PlannedOrderTests {
  /// Orders that an earlier planner found by trying every policy to its end.
  @Test(arguments: [
    ScheduleName.zeroBubble1P, .zeroBubble2P, .zeroBubbleV, .vHalf, .vMin,
  ]) func orders(_ name: ScheduleName) throws {
    let rows = try Fixture.table("planned-orders.csv").filter { $0["schedule"] == name.rawValue }
    #expect(rows.count == 60)
    for row in rows {
      let ranks = try #require(row["ranks"].flatMap { Int($0) })
      let microbatches = try #require(row["microbatches"].flatMap { Int($0) })
      let numbers = (row["costs"] ?? "").split(separator: " ").compactMap { Int($0) }
      let costs =
        numbers.count == 4
        ? PassCosts(
          forward: numbers[0], backwardInput: numbers[1], backwardWeight: numbers[2],
          transfer: numbers[3]) : nil
      let made = try name.schedule(ranks: ranks, microbatches: microbatches, costs: costs)
      let hash = made.csv.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) {
        ($0 ^ UInt64($1)) &* 0x100_0000_01b3
      }
      #expect(String(hash, radix: 16) == row["fnv1a"], "\(row)")
    }
  }

  @Test func progressGoesForwardToItsEnd() throws {
    var shares: [Double] = []
    _ = try ScheduleName.zeroBubble2P.schedule(ranks: 4, microbatches: 8) { shares.append($0) }
    #expect(shares.count > 10)
    #expect(zip(shares, shares.dropFirst()).allSatisfy { $0 < $1 })
    #expect(shares.last == 1)
  }
}
