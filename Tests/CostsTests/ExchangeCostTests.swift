import Clusters
import Costs
import Documents
import Testing

@Suite struct ExchangeCostTests {
  func cost(_ overrides: String...) throws -> ExchangeCost {
    ExchangeCost(try ExchangeConstants(Cluster.shipped("h800-2048", overrides: overrides)))
  }

  func shape(ranks: Int, rowBytes: Double = 7_392, load: Double = 1) -> ExchangeShape {
    let reach = ExpertRouting.deepEPBenchmark(nodes: max(1, ranks / 8))
      .reach(ranks: ranks, ranksPerNode: 8)
    return ExchangeShape(
      .dispatch, tokens: 4_096, rowBytes: rowBytes, reach: reach, ranks: ranks, load: load)
  }

  @Test func nodesReachedFollowTheLimit() {
    let reach = ExpertRouting.deepSeekV3.reach(ranks: 64, ranksPerNode: 8)
    #expect(reach.nodes > 3.9 && reach.nodes <= 4)
    #expect(abs(reach.ownNodes - reach.nodes / 8) < 1e-12)
    #expect(reach.ranks > 7 && reach.ranks <= 8)
    let benchmark = ExpertRouting.deepEPBenchmark(nodes: 8).reach(ranks: 64, ranksPerNode: 8)
    #expect(abs(benchmark.nodes - 3.98) < 0.02)
  }

  @Test func withoutGroupsTheMeanIsExact() {
    let routing = ExpertRouting(experts: 4, expertsPerToken: 2)
    let reach = routing.reach(ranks: 4, ranksPerNode: 2)
    #expect(abs(reach.ranks - 2) < 1e-12)
    // Of six pairs of experts two lie on one node.
    #expect(abs(reach.nodes - 10.0 / 6) < 1e-12)
  }

  @Test func eachWidthIsLimitedByItsOwnTier() throws {
    let cost = try cost()
    #expect(cost.parts(shape(ranks: 8)).payload.limitedBy == .nvlink)
    #expect(cost.parts(shape(ranks: 64)).payload.limitedBy == .infiniBand)
    #expect(cost.parts(shape(ranks: 8), multiprocessors: 4).payload.limitedBy == .multiprocessors)
    // On two nodes neither link is full: nodes with twice the link inside get no further.
    let twice = try self.cost("node.link.bandwidth=400 GB/s", "node.link.reached=320 GB/s")
    for count in [20, 24] {
      let here = cost.parts(shape(ranks: 16), multiprocessors: count).payload
      #expect(here.limitedBy == .multiprocessors)
      #expect(twice.parts(shape(ranks: 16), multiprocessors: count).payload == here)
    }
  }

  /// Rows move in proportion to the multiprocessors, in a node and between nodes at rates of their own, until
  /// a link is full; then more of them change nothing.
  @Test func rowsMoveInProportionUntilALinkIsFull() throws {
    let cost = try cost()
    for (ranks, rate, latency, few) in [
      (8, 14.36e9, 3.33e-6, 10), (16, 5.86e9, 7.03e-6, 24), (64, 5.86e9, 7.03e-6, 15),
    ] {
      let shape = shape(ranks: ranks)
      for count in [1, 2, 6, few] {
        let seconds = cost.parts(shape, multiprocessors: count).payload.seconds
        let moving = shape.nvlinkRows * 7_392 / (rate * Double(count))
        #expect(abs(seconds - latency - moving) < 1e-9, "\(ranks) ranks, \(count)")
      }
      let full = cost.parts(shape, multiprocessors: 60).payload
      #expect(full.limitedBy != .multiprocessors)
      #expect(cost.parts(shape, multiprocessors: 120).payload == full)
    }
  }

  /// Over eight nodes the first version's kernels fill the network with fewer than their usual 20 to 24, the
  /// second one's with 4 to 6.
  @Test func theEndsAreTheVersions() throws {
    let (cost, wide) = (try cost(), shape(ranks: 64))
    func limit(_ end: MultiprocessorRate.End, _ count: Int) -> Limit {
      cost.at(end).parts(wide, multiprocessors: count).payload.limitedBy
    }
    #expect(limit(.stated, 15) == .multiprocessors && limit(.stated, 17) == .infiniBand)
    #expect(limit(.low, 17) == .multiprocessors && limit(.low, 20) == .infiniBand)
    #expect(limit(.high, 3) == .multiprocessors && limit(.high, 5) == .infiniBand)
    for ranks in [8, 16, 64] {
      let seconds = MultiprocessorRate.End.allCases.map {
        cost.at($0).parts(shape(ranks: ranks), multiprocessors: 2).payload.seconds
      }
      #expect(seconds[0] > seconds[1] && seconds[1] > seconds[2], "low, stated, high")
    }
  }

  /// Ends that do not enclose the rate are refused; a file without them has one rate for all.
  @Test func aRateLiesBetweenItsEnds() throws {
    let key = "node.exchange.multiprocessor-rate"
    for (name, override) in [
      ("\(key)-low", "\(key)-low=14.4 GB/s"), ("\(key)-high", "\(key)-high=14.3 GB/s"),
      ("\(key)-across-high", "\(key)-across=24 GB/s"),
    ] {
      let error = #expect(throws: ConfigurationError.self) { try self.cost(override) }
      #expect(error?.keyPath == name)
    }
    let bare = try ExchangeConstants(
      Cluster.shipped(
        "h800-2048",
        overrides: ["-low", "-high", "-across", "-across-low", "-across-high"].map {
          "\(key)\($0)=null"
        }))
    #expect(bare.insideRate == MultiprocessorRate(14.36e9) && bare.acrossRate == bare.insideRate)
  }

  @Test(arguments: [8, 16, 32, 64, 128]) func moreIsNeverSlower(ranks: Int) throws {
    let shape = shape(ranks: ranks)
    let base = try cost().parts(shape, multiprocessors: 16, besideComputation: true).total.seconds
    let more = try cost().parts(shape, multiprocessors: 24, besideComputation: true).total.seconds
    let network = try cost("node.adapters.bandwidth=100 GB/s").parts(shape, multiprocessors: 16)
      .total.seconds
    let nvlink = try cost("node.link.bandwidth=450 GB/s").parts(shape, multiprocessors: 16).total
      .seconds
    let alone = try cost().parts(shape, multiprocessors: 16).total.seconds
    #expect(more <= base && network <= alone && nvlink <= alone)
    #expect(ranks > 8 ? alone < base : alone == base)
  }

  /// Beside computation a row to another node takes its time whatever its bytes; rows of the own node, of which
  /// nobody measured that, take what they take alone.
  @Test(arguments: [16, 24]) func rowsOfOtherNodesTakeHandling(multiprocessors: Int) throws {
    let cost = try cost()
    for rowBytes in [256.0, 7_392, 14_336] {
      for ranks in [2, 8, 16, 64] {
        let shape = shape(ranks: ranks, rowBytes: rowBytes)
        func seconds(_ beside: Bool) -> Double {
          cost.parts(shape, multiprocessors: multiprocessors, besideComputation: beside).payload
            .seconds
        }
        let handling = shape.networkRows * 1e-6 / (Double(multiprocessors) / 2)
        #expect(abs(seconds(true) - seconds(false) - handling) < 1e-9)
        #expect((handling > 0) == (ranks > 8))
      }
    }
  }

  /// A slower link costs what its own bytes take on it, and nothing while another is slower still.
  @Test func slowLinksSlowTheirOwnBytes() throws {
    let cost = try cost()
    let shape = shape(ranks: 64)
    let alone = cost.parts(shape)
    let inside = cost.parts(shape, over: LinkStretch(node: 1.05))
    #expect(alone.payload.limitedBy == .infiniBand && inside.payload == alone.payload)
    #expect(abs(inside.linkShare / alone.linkShare - 1.05) < 1e-9)
    let outside = cost.parts(shape, over: LinkStretch(network: 2))
    let latency = cost.parts(self.shape(ranks: 64, rowBytes: 1e-9)).payload.seconds
    let factor = (outside.payload.seconds - latency) / (alone.payload.seconds - latency)
    #expect(abs(factor - 2) < 1e-6)
    let slow = cost.parts(shape, over: LinkStretch(node: 10)).payload
    #expect(slow.limitedBy == .nvlink && slow.seconds > alone.payload.seconds)
  }

  /// What a link reached is the most that an exchange gets of it; its share counts below.
  @Test func whatALinkReachedIsTheCeiling() throws {
    let (wide, inside) = (shape(ranks: 64), shape(ranks: 8))
    let rows = (wide.networkRows * 7_392, inside.nvlinkRows * 7_392)
    for (override, bytes, shape, latency) in [
      ("node.adapters.reached=22 GB/s", rows.0 / 22e9, wide, 7.03e-6),
      ("node.link.reached=100 GB/s", rows.1 / 100e9, inside, 3.33e-6),
    ] {
      let seconds = try cost(override).parts(shape).payload.seconds
      #expect(abs(seconds - latency - bytes) < 1e-9, "\(override)")
    }
    let base = try cost().parts(inside).payload.seconds
    #expect(try cost("node.link.reached=157 GB/s").parts(inside).payload.seconds == base)
  }

  @Test func theMostLoadedRankEndsTheExchange() throws {
    let even = try cost().parts(shape(ranks: 64)).payload.seconds
    let uneven = try cost().parts(shape(ranks: 64, load: 1.25)).payload.seconds
    #expect(uneven > 1.2 * even && uneven <= 1.25 * even)
  }

  @Test func onlyADispatchWithUnknownCountsLaysOut() throws {
    var exchange = shape(ranks: 64)
    #expect(try cost().parts(exchange).layout > 90e-6)
    exchange.countsAreKnown = true
    #expect(try cost().parts(exchange).layout == 0)
  }
}

@Suite struct CollectiveCostTests {
  let cost = Result {
    CollectiveCost(
      try CollectiveConstants(Cluster.shipped("h800-2048")))
  }

  @Test func anAllReduceIsAScatterAndAGather() throws {
    let cost = try cost.get()
    for ranks in [2, 8, 64, 2_048] {
      let group = CollectiveGroup(ranks: ranks, ranksPerNode: 8)
      let halves =
        cost.reduceScatter(bytes: 1e9, group: group).seconds
        + cost.allGather(bytes: 1e9, group: group).seconds
      let whole = cost.allReduce(bytes: 1e9, group: group).seconds
      // The switch adds up what rings carry twice.
      let ring = cost.allReduce(bytes: 1e9, group: group, algorithm: .ring).seconds
      #expect(ring <= halves * 1.0001 && ring > 0.8 * halves, "\(ranks) ranks")
      #expect(whole <= ring)
    }
  }

  /// What a link reached is the most that a collective or a message gets of it.
  @Test func whatALinkReachedIsTheCeiling() throws {
    func cost(_ overrides: String...) throws -> CollectiveCost {
      CollectiveCost(try CollectiveConstants(Cluster.shipped("h800-2048", overrides: overrides)))
    }
    let bytes = 4e9
    let constants = try CollectiveConstants(Cluster.shipped("h800-2048"))
    let pair = CollectiveGroup(ranks: 2, ranksPerNode: 2)
    let simple = constants.simple
    let start = simple.start + 2 * simple.step + simple.fill.seconds
    let slow = try cost("node.link.reached=70 GB/s").allReduce(bytes: bytes, group: pair).seconds
    #expect(abs(slow - start - bytes / 70e9) < 1e-9)
    let adapters = try cost("node.adapters.reached=20 GB/s")
    let message = adapters.send(bytes: bytes, insideNode: false).seconds
    #expect(abs(message - constants.direct.networkStart - bytes / 20e9) < 1e-9)
  }

  /// The link's latency counts in every step of a collective, and in a message once.
  @Test func theLatencyOfTheLinkCounts() throws {
    func cost(_ overrides: String...) throws -> CollectiveCost {
      CollectiveCost(try CollectiveConstants(Cluster.shipped("h800-2048", overrides: overrides)))
    }
    let constants = try CollectiveConstants(Cluster.shipped("h800-2048"))
    let node = CollectiveGroup(ranks: 4, ranksPerNode: 4)
    let base = try cost().allReduce(bytes: 4e9, group: node).seconds
    let slow = try cost("node.link.latency=6.66 us").allReduce(bytes: 4e9, group: node).seconds
    #expect(abs(slow - base - 6 * constants.simple.step) < 1e-12)
    let here = try cost(
      "node.link.latency=6.66 us", "node.collectives.measured-at.link-latency=6.66 us")
    #expect(here.allReduce(bytes: 4e9, group: node).seconds == base)
    let empty = constants.direct.linkStart
    #expect(abs(try cost().send(bytes: 0, insideNode: true).seconds - empty) < 1e-15)
    let far = try cost("node.link.latency=9 us").send(bytes: 0, insideNode: true).seconds
    #expect(abs(far - empty - 5.67e-6) < 1e-12)
    let all = try cost("node.link.latency=9 us").allToAll(bytes: 0, group: node).seconds
    #expect(abs(all - constants.exchange.lowLatencyStart - 5.67e-6) < 1e-12)
  }

  @Test func smallMessagesAreLimitedByLatencyLargeOnesByTheirLink() throws {
    let cost = try cost.get()
    let node = CollectiveGroup(ranks: 8, ranksPerNode: 8)
    #expect(cost.allReduce(bytes: 1e3, group: node).limitedBy == .latency)
    #expect(cost.allReduce(bytes: 1e9, group: node).limitedBy == .nvlink)
    let rail = CollectiveGroup(ranks: 16, ranksPerNode: 1)
    #expect(cost.allReduce(bytes: 1e9, group: rail).limitedBy == .infiniBand)
    #expect(cost.send(bytes: 64, insideNode: false).limitedBy == .latency)
  }

  @Test func treesWinWhereMessagesAreSmallAndGroupsLarge() throws {
    let cost = try cost.get()
    let group = CollectiveGroup(ranks: 2_048, ranksPerNode: 8)
    let ring = cost.allReduce(bytes: 1e6, group: group, algorithm: .ring).seconds
    let tree = cost.allReduce(bytes: 1e6, group: group, algorithm: .tree).seconds
    #expect(tree < ring / 5)
    let best = cost.allReduce(bytes: 1e6, group: group).seconds
    #expect(best <= tree)
  }

  @Test func oneRankCostsNothingAndMoreBytesNeverLess() throws {
    let cost = try cost.get()
    let alone = CollectiveGroup(ranks: 1, ranksPerNode: 8)
    #expect(cost.allReduce(bytes: 1e9, group: alone) == .none)
    #expect(cost.allToAll(bytes: 1e9, group: alone) == .none)
    let group = CollectiveGroup(ranks: 64, ranksPerNode: 8)
    var last = 0.0
    for exponent in 0...12 {
      let seconds = cost.allToAll(bytes: Double(1 << (2 * exponent)), group: group).seconds
      #expect(seconds >= last)
      last = seconds
    }
  }

  @Test func aPipelineSendOfOneMicrobatchTakesAboutOneAndAHalfMilliseconds() throws {
    let bytes = 4_096.0 * 7_168 * 2
    let seconds = try cost.get().send(bytes: bytes, insideNode: false).seconds
    #expect(abs(seconds - 1.47e-3) < 0.05e-3)
  }
}
