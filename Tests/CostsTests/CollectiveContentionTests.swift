import Clusters
import Costs
import Quantities
import Testing

@Suite struct CollectiveContentionTests {
  func outcome(
    _ operation: CollectiveOperation = .allReduce, _ cluster: String = "h800-2048",
    _ overrides: [String] = [], by algorithm: CollectiveAlgorithm? = .hierarchical,
    over ranks: [Int] = Array(0..<2_048), bytes: Double = Double(1 << 30)
  ) throws -> CollectiveContention.Outcome {
    let cluster = try Cluster.shipped(cluster, overrides: overrides)
    return try #require(
      CollectiveContention(cluster, try CollectiveConstants(cluster))
        .time(operation, by: algorithm, bytes: bytes, over: ranks))
  }

  static let operations: [CollectiveOperation] = [
    .allReduce, .reduceScatter, .allGather, .allToAll,
  ]

  /// On a healthy network with full uplinks flows say what the closed form says, for every algorithm, group
  /// and size.
  @Test(arguments: operations, ["h800-2048", "h800-2048-mrft"])
  func withoutContentionItIsTheClosedForm(operation: CollectiveOperation, name: String) throws {
    let cluster = try Cluster.shipped(name)
    let constants = try CollectiveConstants(cluster)
    let (formula, flows) = (CollectiveCost(constants), CollectiveContention(cluster, constants))
    for algorithm in operation.algorithms {
      for (ranks, perNode) in [
        (1, 1), (2, 2), (8, 8), (16, 8), (24, 8), (40, 8), (64, 8), (512, 8),
      ] {
        for bytes in [1e3, 1e6, 1e9] {
          let group = CollectiveGroup(
            ranks: ranks, ranksPerNode: perNode,
            networkLatency: cluster.latencyOfHops(among: Array(0..<ranks)))
          let closed = formula.cost(operation, bytes: bytes, group: group, algorithm: algorithm)
          guard
            let shared = flows.time(operation, by: algorithm, bytes: bytes, over: Array(0..<ranks))
          else {
            // Two ranks do not make a switch add.
            #expect(algorithm == .inSwitch && perNode < 8 && closed == .none)
            continue
          }
          #expect(
            abs(shared.cost.seconds - closed.seconds) <= 1e-9 * closed.seconds,
            "\(algorithm) of \(bytes) over \(ranks): \(shared) against \(closed)")
        }
      }
      let rail = (0..<32).map { $0 * 8 }
      let group = CollectiveGroup(
        ranks: 32, ranksPerNode: 1, networkLatency: cluster.latencyOfHops(among: rail))
      let closed = formula.cost(operation, bytes: 1e8, group: group, algorithm: algorithm)
      guard let shared = flows.time(operation, by: algorithm, bytes: 1e8, over: rail) else {
        #expect(algorithm == .inSwitch && closed == .none)
        continue
      }
      #expect(abs(shared.cost.seconds - closed.seconds) <= 1e-9 * closed.seconds)
    }
  }

  /// Two nodes of one rank each: half of the vector there and half back, at what rings reach, with the
  /// latency of the switches between them.
  @Test func aRingOfTwoIsCountedByHand() throws {
    let constants = try CollectiveConstants(Cluster.shipped("h800-2048"))
    let (bytes, simple) = (800e6, constants.simple)
    let outcome = try outcome(by: .ring, over: [0, 8], bytes: bytes)
    let rate = 50e9 * constants.rings.networkShare
    let start = simple.start + simple.fill.seconds + 2 * (constants.rings.hop - 0.9e-6)
    #expect(abs(outcome.cost.seconds - (bytes / rate + start)) < 1e-9)
    let far = try self.outcome(by: .ring, over: [0, 32 * 8], bytes: bytes)
    #expect(abs(far.cost.seconds - outcome.cost.seconds - 2 * 0.9e-6) < 1e-9)
    #expect(outcome.way == CollectiveWay(.ring, .simple))
    #expect(outcome.cost.limitedBy == .infiniBand)
    let small = try self.outcome(by: .ring, over: [0, 8], bytes: 64)
    #expect(small.cost.limitedBy == .latency && small.way.wire == .lowLatency)
  }

  /// 1 GiB over 256 nodes: 7/8 round the node twice, 1/8 round a ring of nodes twice.
  @Test func hierarchyIsTheSumOfItsTiers() throws {
    let constants = try CollectiveConstants(Cluster.shipped("h800-2048"))
    let (bytes, simple) = (Double(1 << 30), constants.simple)
    let link = min(160e9, 200e9 * simple.linkShare * (1 - constants.pairLoss / 8))
    let inside = 2 * bytes * 7 / 8 / link
    let outside = 2 * bytes / 8 * 255 / 256 / (50e9 * constants.rings.networkShare)
    let outcome = try outcome()
    #expect(outcome.phases.count == 2)
    // 32 nodes share a leaf switch: eight of the 256 hops cross a spine, over which hops were measured.
    let hop = constants.rings.hop - 0.9e-6 * 248 / 256
    let start = 2 * (simple.start + simple.fill.seconds) + 14 * simple.step + 510 * hop
    #expect(abs(outcome.cost.seconds - (inside + outside + start)) < 1e-7)
  }

  /// Proportional max-min fair sharing ends with the most loaded link: held against flows of equal size that
  /// are followed through time.
  @Test(arguments: [
    "{what: adapter, node: 1, index: 3, share: 0.5}",
    "{what: adapter, node: 1, index: 3, share: 0}", "{what: node-link, rank: 9, share: 0.3}",
  ])
  func theMostLoadedLinkEndsAPhase(degraded: String) throws {
    let cluster = try Cluster.shipped("h800-2048", overrides: ["degraded=[\(degraded)]"])
    var constants = try CollectiveConstants(cluster)
    // At what the flows of `FairSharing` reach.
    constants.exchange.linkShare = 0.8
    constants.exchange.networkShare = 0.88
    let contention = CollectiveContention(cluster, constants)
    let ranks = Array(0..<24)
    let bytes = 24e9
    let outcome = try #require(contention.time(.allToAll, bytes: bytes, over: ranks))
    var sharing = FairSharing(cluster)
    for source in ranks {
      for destination in ranks where destination != source {
        sharing.begin(
          bytes: ByteCount(1_000_000_000),
          over: cluster.path(from: source, to: destination).hops.lazy.map(\.id))
      }
    }
    let end = (sharing.finish().last?.time ?? .start) - .start
    let far = constants.direct.networkStart - constants.direct.linkStart - 0.9e-6
    let start = constants.exchange.start + far
    #expect(abs(outcome.cost.seconds - start - end.seconds.value) < 1e-6 * outcome.cost.seconds)
  }

  static let algorithms: [(CollectiveOperation, CollectiveAlgorithm)] = operations.flatMap {
    operation in operation.algorithms.map { (operation, $0) }
  }

  /// A slow and a failed adapter hold up every algorithm, and are named.
  @Test(arguments: algorithms)
  func whatIsDegradedHoldsUpEveryAlgorithm(
    operation: CollectiveOperation, algorithm: CollectiveAlgorithm
  ) throws {
    let ranks = Array(0..<256)
    let healthy = try outcome(operation, by: algorithm, over: ranks)
    var last = healthy.cost.seconds
    for share in [0.5, 0.25, 0.1] {
      let slow = try outcome(
        operation, "h800-2048",
        ["degraded=[{what: adapter, node: 7, index: 3, share: \(share)}]"], by: algorithm,
        over: ranks)
      #expect(slow.cost.seconds >= last)
      last = slow.cost.seconds
      if share == 0.1 {
        #expect(slow.cost.seconds > 1.5 * healthy.cost.seconds)
        #expect(
          slow.bottleneck == .adapterOut(node: 7, index: 3)
            || slow.bottleneck == .adapterIn(node: 7, index: 3))
      }
    }
    let failed = try outcome(
      operation, "h800-2048", ["degraded=[{what: adapter, node: 7, index: 3, share: 0}]"],
      by: algorithm, over: ranks)
    #expect(failed.cost.seconds > healthy.cost.seconds)
  }

  /// More bandwidth of any kind is never slower.
  @Test(arguments: algorithms)
  func moreBandwidthIsNeverSlower(
    operation: CollectiveOperation, algorithm: CollectiveAlgorithm
  ) throws {
    let thin = ["network.layers[0].oversubscription=3"]
    let ranks = Array(0..<512)
    let base = try outcome(operation, "h800-2048-mrft", thin, by: algorithm, over: ranks)
    for more in [
      ["node.link.bandwidth=400 GB/s"], ["node.adapters.bandwidth=800 Gb/s"],
      ["network.port={bandwidth: 800 Gb/s, reached: 88 GB/s}"],
    ] {
      let better = try outcome(
        operation, "h800-2048-mrft", thin + more, by: algorithm, over: ranks)
      #expect(better.cost.seconds <= base.cost.seconds, "\(more)")
    }
  }

  /// A direct exchange over thin uplinks is bound by them, and they are named; a ring crosses them seldom.
  @Test func anOversubscribedLayerIsShared() throws {
    let ranks = Array(0..<1_024)
    let full = try outcome(.allToAll, "h800-2048-mrft", by: nil, over: ranks)
    let thin = try outcome(
      .allToAll, "h800-2048-mrft", ["network.layers[0].oversubscription=3"], by: nil, over: ranks)
    #expect(thin.cost.seconds > 2 * full.cost.seconds)
    #expect(thin.cost.limitedBy == .uplinks)
    if case .leafUp = thin.bottleneck {} else { Issue.record("\(thin)") }
  }

  /// Groups that reduce at once slow each other only where they share a link.
  @Test func groupsShareLinks() throws {
    let cluster = try Cluster.shipped(
      "h800-2048", overrides: ["degraded=[{what: adapter, node: 0, index: 0, share: 0.5}]"])
    let contention = CollectiveContention(cluster, try CollectiveConstants(cluster))
    let ring = CollectiveWay(.ring)
    let groups = (0..<8).map { lane in (0..<16).map { $0 * 8 + lane } }
    let outcomes = contention.times(.allReduce, by: ring, bytes: 1e9, over: groups)
    for (lane, outcome) in outcomes.enumerated() {
      let alone = contention.time(.allReduce, by: .ring, bytes: 1e9, over: groups[lane])
      #expect(outcome == alone)
      #expect((outcome.cost.seconds > 1.5 * outcomes[1].cost.seconds) == (lane == 0))
    }
    let twice = contention.times(.allReduce, by: ring, bytes: 1e9, over: [groups[1], groups[1]])
    #expect(twice[0].cost.seconds > 1.8 * outcomes[1].cost.seconds)
  }

  /// 2,048 ranks of which two nodes' last ranks are missing: uneven nodes are followed too.
  @Test(arguments: algorithms)
  func unevenNodesAreFollowed(
    operation: CollectiveOperation, algorithm: CollectiveAlgorithm
  ) throws {
    let even = try outcome(operation, by: algorithm, over: Array(0..<32))
    let uneven = try outcome(operation, by: algorithm, over: Array(0..<29))
    #expect(uneven.cost.seconds > 0.8 * even.cost.seconds)
    #expect(uneven.cost.seconds < 2 * even.cost.seconds)
  }

  /// Ports that carry less than the adapters below them, and a link that a whole node shares, hold flows
  /// up by what is missing.
  @Test func thinPortsAndSharedLinksHoldFlowsUp() throws {
    let ranks = Array(0..<64 * 8)
    let constants = try CollectiveConstants(Cluster.shipped("h800-2048"))
    let direct = constants.direct
    let start = constants.exchange.start + direct.networkStart - direct.linkStart
    let healthy = try outcome(.allToAll, by: nil, over: ranks)
    let port = "network.port={bandwidth: 25 GB/s, reached: 25 GB/s}"
    let thin = try outcome(.allToAll, "h800-2048", [port], by: nil, over: ranks)
    // Half of what a leaf sends goes to the other leaf, at a share of 25 GB/s a port.
    let bytes = Double(1 << 30) * 0.5 * 32 / 32
    #expect(thin.cost.limitedBy == .uplinks)
    #expect(abs(thin.phases[0] - start - bytes / (25e9 * constants.exchange.networkShare)) < 1e-5)
    #expect(thin.cost.seconds < 2 * healthy.cost.seconds)
    let reached = "network.port={bandwidth: 50 GB/s, reached: 10 GB/s}"
    let slow = try outcome(.allToAll, "h800-2048", [reached], by: nil, over: ranks)
    #expect(abs(slow.phases[0] - start - bytes / 10e9) < 1e-5)
    let node = Array(0..<8)
    let shared = try outcome(
      .allReduce, "h800-2048", ["node.link.shared-bandwidth=160 GB/s"], by: .ring, over: node)
    let own = try outcome(.allReduce, by: .ring, over: node)
    #expect(shared.cost.seconds > 7 * own.cost.seconds)
  }
}
