import Clusters
import Collectives
import Costs
import Testing

@Suite struct CollectiveContentionTests {
  /// A ring of one rank per node whose every hop leads to another half of the nodes.
  static let crossing = (0..<256).map { ($0 % 2 * 128 + $0 / 2) * 8 }

  func allReduce(
    _ cluster: String, _ overrides: [String] = [], by algorithm: Algorithm = .hierarchical,
    over ranks: [Int] = Array(0..<2_048), bytes: Int = 1 << 30
  ) throws -> CollectiveContention.Outcome {
    CollectiveContention(try Cluster.shipped(cluster, overrides: overrides))
      .time(of: .allReduce, by: algorithm, bytes: bytes, over: ranks)
  }

  /// Two nodes of one rank each: half of the vector there and half back, at what the adapter reaches.
  @Test func aRingOfTwoIsCountedByHand() throws {
    let outcome = try allReduce("h800-2048", by: .ring, over: [0, 8], bytes: 88_000_000)
    #expect(abs(outcome.seconds - 2 * (1e-3 + 2.8e-6)) < 1e-9)
    #expect(!outcome.isLatencyBound)
    #expect(try allReduce("h800-2048", by: .ring, over: [0, 8], bytes: 64).isLatencyBound)
  }

  /// 1 GiB over 256 nodes: 7/8 gathered inside, a ring of 1/8 outside, 7/8 spread inside.
  @Test func hierarchyIsTheSumOfItsTiers() throws {
    let bytes = Double(1 << 30)
    let inside = bytes * 7 / 8 / 160e9
    let outside = 2 * bytes / 8 * 255 / 256 / 44e9
    let outcome = try allReduce("h800-2048")
    #expect(outcome.phases.count == 3)
    let latency = 510 * 3.7e-6 + 2 * 3.33e-6
    #expect(outcome.seconds > 2 * inside + outside)
    #expect(outcome.seconds < (2 * inside + outside + latency) * 1.001)
  }

  @Test func aSlowLinkHoldsUpTheWholeRing() throws {
    let healthy = try allReduce("h800-2048")
    let slow = try allReduce(
      "h800-2048", ["degraded=[{what: adapter, node: 7, index: 3, share: 0.5}]"])
    let failed = try allReduce(
      "h800-2048", ["degraded=[{what: adapter, node: 7, index: 3, share: 0}]"])
    #expect(slow.seconds > 1.2 * healthy.seconds)
    #expect(failed.seconds > 1.2 * healthy.seconds)
  }

  @Test func anOversubscribedLayerIsShared() throws {
    let full = try allReduce("h800-2048-mrft", by: .ring, over: Self.crossing)
    let thin = try allReduce(
      "h800-2048-mrft", ["network.layers[0].oversubscription=3"], by: .ring,
      over: Self.crossing)
    #expect(thin.seconds > 2.5 * full.seconds && thin.seconds < 3.5 * full.seconds)
    if case .leafUp = thin.bottleneck {} else { Issue.record("\(thin)") }
  }
}
