import Clusters
import Costs
import Testing

/// Expert exchanges as collectives of NCCL: bytes of a rank, and what beside them takes time.
@Suite struct CollectiveExchangeTests {
  static let (tokens, chosen, rowBytes) = (4_096.0, 8.0, 14_336.0)

  static func constants(_ overrides: String...) throws -> CollectiveConstants {
    try CollectiveConstants(Cluster.shipped("h800-2048", overrides: overrides))
  }

  static func exchange(
    _ kind: CollectiveExchange.Kind, ranks: Int, _ constants: CollectiveConstants
  ) -> CollectiveExchange {
    CollectiveExchange(kind, constants, group: CollectiveGroup(ranks: ranks, ranksPerNode: 8))
  }

  /// Balanced experts: each rank gets an equal part of a rank's rows, its own part included.
  @Test(arguments: [8, 16, 64, 128]) func rowsOfExpertsGoStraightToTheirRanks(ranks: Int) throws {
    let exchange = Self.exchange(.allToAll, ranks: ranks, try Self.constants())
    let rows = Self.tokens * Self.chosen
    let bytes = exchange.bytes(rows: rows, rowBytes: Self.rowBytes)
    let perRank = rows * Self.rowBytes / Double(ranks)
    #expect(abs(bytes.inside - 7 * perRank) < 1)
    #expect(abs(bytes.outside - Double(ranks - 8) * perRank) < 1)
  }

  /// A ring passes every rank's tokens once over each link, and over one of a node's eight adapters.
  @Test(arguments: [8, 16, 64, 128]) func allTokensGoToAllRanks(ranks: Int) throws {
    let exchange = Self.exchange(.allGather, ranks: ranks, try Self.constants())
    let bytes = exchange.bytes(rows: Self.tokens, rowBytes: Self.rowBytes)
    let others = Double(ranks - 1) * Self.tokens * Self.rowBytes
    #expect(abs(bytes.inside - others) < 1)
    #expect(abs(bytes.outside - (ranks > 8 ? others / 8 : 0)) < 1)
  }

  /// DeepEP sends a token to a node once: never more than an all-to-all does, and as much where each of
  /// its experts lies on a node of its own.
  @Test func aNodeIsReachedOnceOrForEveryExpert() throws {
    let exchange = Self.exchange(.allToAll, ranks: 64, try Self.constants())
    let outside = exchange.bytes(rows: Self.tokens * Self.chosen, rowBytes: Self.rowBytes).outside
    func deepEP(_ reach: ExpertReach) -> Double {
      ExchangeShape(
        .dispatch, tokens: Int(Self.tokens), rowBytes: Self.rowBytes, reach: reach, ranks: 64
      ).networkRows * Self.rowBytes
    }
    let apart = ExpertReach(nodes: 8, ownNodes: 1, ranks: 8)
    #expect(abs(deepEP(apart) - outside) < 1)
    let free = ExpertRouting(experts: 256, expertsPerToken: 8)
    for routing in [ExpertRouting.deepSeekV3, free, .deepEPBenchmark(nodes: 8)] {
      #expect(deepEP(routing.reach(ranks: 64, ranksPerNode: 8)) < outside)
    }
  }

  /// Where the network decides, a link at half speed inside the node costs nothing.
  @Test func slowLinksSlowTheirOwnBytes() throws {
    let exchange = Self.exchange(.allToAll, ranks: 64, try Self.constants())
    func seconds(_ links: LinkStretch) -> Double {
      exchange.parts(
        .combine, rows: Self.tokens * Self.chosen, rowBytes: Self.rowBytes, over: links
      ).payload.seconds
    }
    let alone = seconds(LinkStretch())
    #expect(seconds(LinkStretch(node: 2)) == alone)
    let outside = seconds(LinkStretch(network: 2))
    #expect(outside > 1.9 * alone && outside < 2 * alone)
  }

  /// Counts go first where they are unknown, by a small gather in words with flags.
  @Test func onlyADispatchWithUnknownCountsWaitsForThem() throws {
    let constants = try Self.constants()
    let rows = Self.tokens * Self.chosen
    let exchange = Self.exchange(.allToAll, ranks: 64, constants)
    let known = exchange.parts(.dispatch, rows: rows, rowBytes: Self.rowBytes)
    let unknown = exchange.parts(
      .dispatch, rows: rows, rowBytes: Self.rowBytes, countedExperts: 256)
    #expect(known.notify == 0 && unknown.payload == known.payload)
    let group = CollectiveGroup(ranks: 64, ranksPerNode: 8)
    let inner = 56 * max(constants.lowLatency.step, constants.rings.overhead)
    #expect(unknown.notify > constants.lowLatency.start + 7 * constants.rings.lowLatencyHop)
    #expect(unknown.notify > inner && unknown.notify < 2e-3)
    let gather = Self.exchange(.allGather, ranks: 64, constants)
    let all = gather.parts(
      .dispatch, rows: Self.tokens, rowBytes: Self.rowBytes, countedExperts: 256)
    #expect(all.notify == 0)
    let bytes = Self.tokens * 64 * Self.rowBytes
    let cost = CollectiveCost(constants)
    #expect(all.payload == cost.allGather(bytes: bytes, group: group))
    let back = gather.parts(.combine, rows: Self.tokens, rowBytes: Self.rowBytes)
    #expect(back.payload == cost.reduceScatter(bytes: bytes, group: group))
    #expect(
      known.payload == cost.allToAll(bytes: rows * Self.rowBytes, group: group))
  }

  /// Half of the multiprocessors take twice as long for the bytes, twice as many no less.
  @Test(arguments: CollectiveExchange.Kind.allCases, [8, 64])
  func fewerMultiprocessorsAreSlower(kind: CollectiveExchange.Kind, ranks: Int) throws {
    let constants = try Self.constants()
    let exchange = Self.exchange(kind, ranks: ranks, constants)
    #expect(exchange.multiprocessors == 16)
    func seconds(_ rowBytes: Double, _ count: Int?) -> Double {
      exchange.parts(.dispatch, rows: 32_768, rowBytes: rowBytes, multiprocessors: count)
        .payload.seconds
    }
    // What a byte takes, beside starts and pipelines that are full.
    func slope(_ count: Int?) -> Double { seconds(80_000, count) - seconds(40_000, count) }
    // In a node what a rank sends itself is copied at its own rate, whatever the links take.
    let isInNode = kind == .allToAll && ranks == 8
    let own = isInNode ? 32_768 * 40_000 / 8 / constants.exchange.ownRate : 0
    #expect(abs((slope(8) - own) / (slope(nil) - own) - 2) < 1e-6)
    #expect(slope(16) == slope(nil) && slope(32) == slope(nil))
    let few = exchange.parts(.combine, rows: 32_768, rowBytes: 40_000, multiprocessors: 8)
    #expect(few.payload.limitedBy == .multiprocessors)
  }

  @Test func multiprocessorsAreTheClusters() throws {
    let constants = try Self.constants(
      "node.collectives.all-to-all.multiprocessors=24", "node.collectives.ring.multiprocessors=4")
    #expect(Self.exchange(.allToAll, ranks: 8, constants).multiprocessors == 24)
    #expect(Self.exchange(.allGather, ranks: 8, constants).multiprocessors == 4)
    let lacking = try Cluster.shipped(
      "h800-2048", overrides: ["node.collectives.all-to-all.multiprocessors=null"])
    #expect(try CollectiveConstants(lacking).multiprocessors(of: .allToAll) == 16)
    #expect(
      CollectiveConstants.originOfMultiprocessors(of: .allToAll, on: lacking)
        == "NCCL's; the cluster's file lacks node.collectives.all-to-all.multiprocessors")
    #expect(
      CollectiveConstants.originOfMultiprocessors(of: .allGather, on: lacking)
        == "node.collectives.ring.multiprocessors")
  }

  /// The most loaded rank ends an all-to-all; a gather brings all tokens whatever is routed.
  @Test func onlyRowsOfExpertsAreUneven() throws {
    let constants = try Self.constants()
    for (kind, ratio) in [(CollectiveExchange.Kind.allToAll, 1.5), (.allGather, 1.0)] {
      let exchange = Self.exchange(kind, ranks: 64, constants)
      func slope(_ load: Double) -> Double {
        let seconds = [40_000.0, 80_000].map {
          exchange.parts(.dispatch, rows: 32_768, rowBytes: $0, load: load).payload.seconds
        }
        return seconds[1] - seconds[0]
      }
      #expect(abs(slope(1.5) / slope(1) - ratio) < 1e-6, "\(kind)")
    }
  }
}
