import Clusters
import Costs
import Testing

/// Groups with fewer ranks on a node than it has: more channels an adapter, fewer multiprocessors.
@Suite struct PartialNodeTests {
  private static func constants(_ cluster: String, _ overrides: [String] = []) throws
    -> CollectiveConstants
  {
    try CollectiveConstants(Cluster.shipped(cluster, overrides: overrides))
  }

  /// Seconds that a byte more takes in a gather of whole chunks over 16 nodes.
  private static func secondsOfAByte(
    _ constants: CollectiveConstants, ranksPerNode: Int
  ) -> Double {
    let group = CollectiveGroup(ranks: 16 * ranksPerNode, ranksPerNode: ranksPerNode)
    let cost = CollectiveCost(constants)
    let bytes = 4e9
    return
      (cost.allGather(bytes: 2 * bytes, group: group).seconds
      - cost.allGather(bytes: bytes, group: group).seconds) / bytes
  }

  /// A ring's bytes over the adapters of its ranks: at 0.904 of 50 GB/s where a node's other ranks are in
  /// other groups, at 0.561 where all eight take part.
  @Test(arguments: [(1, 0.904), (2, 0.904), (4, 0.904), (8, 0.561)])
  func gathersBetweenNodes(ranksPerNode: Int, share: Double) throws {
    let count = Double(16 * ranksPerNode)
    let expected = (count - 1) / count / (50e9 * share * Double(ranksPerNode))
    let found = Self.secondsOfAByte(try Self.constants("h100-2048"), ranksPerNode: ranksPerNode)
    #expect(abs(found / expected - 1) < 1e-9)
  }

  /// Four channels for each rank on a node; the sixteen of whole nodes, and of a group inside one.
  @Test func channels() throws {
    let cost = CollectiveCost(try Self.constants("h100-2048"))
    let counts = [1, 2, 4, 6, 8].map { lanes in
      cost.channels(of: CollectiveGroup(ranks: 16 * lanes, ranksPerNode: lanes))
    }
    #expect(counts == [4, 8, 16, 24, 16])
    #expect(cost.channels(of: CollectiveGroup(ranks: 4, ranksPerNode: 4)) == 16)
  }

  /// A file without the key has one share, and as many channels, for all groups.
  @Test func withoutTheKeyAllGroupsAreAlike() throws {
    let constants = try Self.constants("a100-selene")
    let rate = min(
      constants.networkReached, constants.networkBandwidth * constants.rings.networkShare)
    for lanes in [1, 8] {
      let group = CollectiveGroup(ranks: 16 * lanes, ranksPerNode: lanes)
      let found = Self.secondsOfAByte(constants, ranksPerNode: lanes)
      let count = Double(16 * lanes)
      #expect(abs(found / ((count - 1) / count / (rate * Double(lanes))) - 1) < 1e-9)
      #expect(CollectiveCost(constants).channels(of: group) == constants.ringMultiprocessors)
    }
  }

  /// Three channels in place of two reach half as much again; one is never fewer than whole nodes have; rings
  /// that reach little of an adapter gain the same factor.
  @Test(arguments: [
    ("network-share=0.4", 3, 0.6), ("network-share=0.4", 1, 0.4), ("network-share=0.1", 4, 0.2),
  ])
  func inProportionToChannels(share: String, channels: Int, expected: Double) throws {
    let across = "node.collectives.ring.across"
    let constants = try Self.constants(
      "h100-2048", ["\(across).\(share)", "\(across).partial-node-channels=\(channels)"])
    let found = Self.secondsOfAByte(constants, ranksPerNode: 1)
    #expect(abs(found / (15.0 / 16 / (50e9 * expected)) - 1) < 1e-9)
  }

  /// Words with flags gain nothing by more channels: their own share is less.
  @Test func flagsBoundSmallMessages() throws {
    let cost = CollectiveCost(try Self.constants("h100-2048"))
    let thin = CollectiveCost(
      try Self.constants(
        "h100-2048", ["node.collectives.ring.across.partial-node-channels=2"]))
    let group = CollectiveGroup(ranks: 16, ranksPerNode: 1)
    #expect(
      cost.allGather(bytes: 1024, group: group) == thin.allGather(bytes: 1024, group: group))
    #expect(
      cost.allGather(bytes: 1e9, group: group).seconds
        < 0.7 * thin.allGather(bytes: 1e9, group: group).seconds)
  }
}
