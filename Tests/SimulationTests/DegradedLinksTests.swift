import Clusters
import Costs
import Models
import Plans
import Programs
import Simulation
import Testing

/// Slow links slow what crosses them, by as much as a cluster whose links are all that slow.
@Suite struct DegradedLinksTests {
  /// Eight nodes, of which every adapter is left half of what it was.
  static let halved = (0..<8).flatMap { node in
    (0..<8).map { "{what: adapter, node: \(node), index: \($0), share: 0.5}" }
  }.joined(separator: ", ")

  static func report(
    _ model: String, _ cluster: [String], _ plan: (inout Plan) -> Void
  ) throws -> StepReport {
    var made = Plan()
    made.pipelineParallel = 4
    made.globalBatch = 64
    made.sequenceLength = 4096
    plan(&made)
    return try PlannedStep(
      architecture: .named(model),
      cluster: .shipped("h800-2048", overrides: ["nodes=8"] + cluster), plan: made
    ).report()
  }

  /// What tensor ranks say to each other stays inside the node, and so do exchanges of few experts.
  @Test(arguments: [true, false])
  func whatStaysInTheNodeKeepsItsSpeed(isDense: Bool) throws {
    func report(_ cluster: [String]) throws -> StepReport {
      try Self.report(isDense ? "llama-3.1-8b" : "mixtral-8x7b", cluster) { plan in
        plan.dataParallel = isDense ? 2 : 16
        plan.tensorParallel = isDense ? 8 : 1
        plan.sequenceParallel = isDense
        plan.expertParallel = isDense ? 1 : 8
        // Reductions that last longer would take more of what exchanges beside them need.
        plan.overlap.gradientReduction = false
      }
    }
    let healthy = try report([])
    let degraded = try report(["degraded=[\(Self.halved)]"])
    // All groups of ranks are slowed alike.
    #expect(degraded.simulatedRanks == 32)
    #expect(healthy.tensor.total + healthy.expert.total > 0)
    #expect(abs(degraded.tensor.total - healthy.tensor.total) < 1e-9)
    #expect(abs(degraded.expert.total - healthy.expert.total) < 1e-9)
    #expect(degraded.stepSeconds > healthy.stepSeconds)
  }

  /// Half of a leaf's uplinks carries what a ring sends over it: nothing takes longer, neither gathers inside passes
  /// nor kernels beside reductions.
  @Test(arguments: [1, 3]) func linksThatCarryAllSlowNothing(zero: Int) throws {
    func report(_ cluster: [String]) throws -> StepReport {
      try Self.report("llama-3.1-8b", cluster) { plan in
        plan.dataParallel = 64
        plan.pipelineParallel = 1
        plan.zeroStage = zero == 1 ? .optimizer : .parameters
      }
    }
    // Four nodes a leaf, so that the ring leaves it.
    let leaves = "network.layers=[{radix: 8, oversubscription: 1}, {radix: 64}]"
    let healthy = try report([leaves])
    let degraded = try report([
      leaves, "degraded=[{what: leaf-uplinks, plane: 0, leaf: 0, share: 0.5}]",
    ])
    #expect(abs(degraded.stepSeconds / healthy.stepSeconds - 1) < 1e-9)
    #expect(abs(degraded.data.total / healthy.data.total - 1) < 1e-9)
    let thin = try report([
      leaves, "degraded=[{what: leaf-uplinks, plane: 0, leaf: 0, share: 0.01}]",
    ])
    #expect(thin.data.total > 2 * healthy.data.total)
  }

  /// A collective of a step takes what its flows over the described links take, as one by itself does.
  @Test func collectivesTakeWhatTheirFlowsDo() throws {
    var plan = Plan()
    (plan.dataParallel, plan.tensorParallel, plan.sequenceParallel) = (8, 8, true)
    (plan.globalBatch, plan.sequenceLength, plan.zeroStage) = (64, 4_096, .parameters)
    let cluster = try Cluster.shipped(
      "h800-2048",
      overrides: [
        "nodes=8",
        "degraded=[{what: node-link, rank: 3, share: 0.4}, {what: adapter, node: 2, index: 5, share: 0.5}]",
      ])
    let step = try PlannedStep(
      architecture: .named("llama-3.1-8b"), cluster: cluster, plan: plan)
    let links = step.simulation.linkSlowness
    let contention = CollectiveContention(cluster, try CollectiveConstants(cluster))
    var seen: Set<TransferKind.Group> = []
    for transfer in step.input.stages[0].forward.transfers {
      guard case .allGather(let group) = transfer.kind else { continue }
      seen.insert(group)
      for rank in [0, 3, 5, 9, 21, 63] {
        let members: [Int] =
          group == .tensor
          ? Array(rank / 8 * 8..<rank / 8 * 8 + 8) : (0..<8).map { $0 * 8 + rank % 8 }
        let bytes = ExchangeRows()(transfer.rows) * transfer.bytesPerRow * 8
        let own = try #require(
          contention.time(.allGather, bytes: Double(bytes), over: members))
        let seconds = step.pricing.seconds(ofCollective: transfer, stage: 0, over: links[rank])
        #expect(abs(seconds / own.cost.seconds - 1) < 1e-6, "\(group) \(rank)")
      }
    }
    #expect(seen == [.tensor, .gradient])
  }

  /// Where the network decides what an exchange takes, a link at half speed inside a node costs it nothing.
  @Test func exchangesBetweenNodesSpareSlowLinksInside() throws {
    func report(_ cluster: [String]) throws -> StepReport {
      try Self.report("qwen3-30b-a3b", cluster) { plan in
        (plan.dataParallel, plan.pipelineParallel, plan.expertParallel) = (64, 1, 64)
        plan.dispatcher = .allToAll
        plan.overlap.gradientReduction = false
      }
    }
    let inside = (0..<64).map { "{what: node-link, rank: \($0), share: 0.5}" }
    let healthy = try report([])
    let degraded = try report(["degraded=[\(inside.joined(separator: ", "))]"])
    #expect(healthy.expert.total > 0)
    #expect(abs(degraded.expert.total / healthy.expert.total - 1) < 1e-9)
  }

  /// Exchanges over eight nodes, which fill the adapters, take twice as long over adapters at half speed; over two
  /// nodes the exchange's own multiprocessors take longer than that.
  @Test(arguments: [16, 64]) func exchangesBetweenNodesSlowWithTheirAdapters(ranks: Int) throws {
    func report(_ cluster: [String]) throws -> StepReport {
      try Self.report("qwen3-30b-a3b", cluster) { plan in
        (plan.dataParallel, plan.pipelineParallel, plan.expertParallel) = (64, 1, ranks)
        plan.dispatcher = .deepEP
        plan.communicationSMs = 20
        plan.overlap.gradientReduction = false
      }
    }
    let healthy = try report([])
    let degraded = try report(["degraded=[\(Self.halved)]"])
    let factor = degraded.expert.total / healthy.expert.total
    #expect(ranks == 64 ? factor > 1.8 && factor < 2.1 : abs(factor - 1) < 0.01, "\(factor)")
  }

  /// Two messages of a batch share an adapter at half speed as they share one of half the bandwidth.
  @Test func messagesShareWhatIsLeftOfAnAdapter() throws {
    func report(_ cluster: [String]) throws -> StepReport {
      try Self.report("llama-3.1-8b", cluster) { plan in
        plan.dataParallel = 16
        plan.schedule = .named("dualpipe")
        plan.globalBatch = 128
      }
    }
    let described = try report([
      "node.adapters.bandwidth=200 Gb/s", "node.adapters.reached=22 GB/s",
    ])
    let degraded = try report(["degraded=[\(Self.halved)]"])
    let difference = degraded.pipeline.total - described.pipeline.total
    #expect(abs(difference) < 0.01 * described.pipeline.total, "\(difference)")
  }

  /// A plan's algorithm is the one that is priced, and none is faster than the fastest.
  @Test func thePlanChoosesItsAlgorithm() throws {
    func step(_ algorithm: Plan.CollectiveAlgorithm?) throws -> Double {
      try Self.report("llama-3.1-8b", []) { plan in
        plan.dataParallel = 16
        plan.collectiveAlgorithm = algorithm
      }.data.total
    }
    let fastest = try step(nil)
    let named = try [Plan.CollectiveAlgorithm.ring, .hierarchical].map(step)
    #expect(named[0] != named[1])
    for time in named { #expect(time >= fastest) }
  }

  /// Sums in a switch are priced as such where the cluster's switches add up and all ranks of a node take
  /// part, and refused elsewhere.
  @Test func sumsInASwitchNeedOne() throws {
    func report(
      _ algorithm: Plan.CollectiveAlgorithm?, tensor: Int = 1, _ cluster: [String] = []
    ) throws -> StepReport {
      try Self.report("llama-3.1-8b", cluster) { plan in
        (plan.dataParallel, plan.tensorParallel) = (16 / tensor, tensor)
        plan.collectiveAlgorithm = algorithm
      }
    }
    let summed = try report(.inSwitch)
    #expect(try summed.data.total < report(.ring).data.total)
    #expect(try summed.data.total >= report(nil).data.total)
    let thin = ["network.planes=1", "network.layers[0].oversubscription=3"]
    #expect(try report(.inSwitch, tensor: 1, thin).data.total >= summed.data.total)
    for (tensor, cluster, word) in [
      (1, ["node.collectives.in-switch=null"], "has no node.collectives.in-switch"),
      (2, [], "needs 8 ranks of a node"),
    ] {
      let error = #expect(throws: PlanError.self) {
        try report(.inSwitch, tensor: tensor, cluster)
      }
      #expect(error.map { "\($0)".contains(word) } == true)
    }
  }

  /// A flow is as slow as the worst link on its way, and so is the bound on the step: a node with a slow
  /// device, a slow link, a slow adapter and thin uplinks is still simulated.
  @Test func manyKindsOfDegradationStayWithinTheClock() throws {
    let degraded = [
      "{what: device, rank: 17, share: 0.1}", "{what: node-link, rank: 3, share: 0.1}",
      "{what: adapter, node: 2, index: 1, share: 0.05}",
      "{what: leaf-uplinks, plane: 4, leaf: 0, share: 0.1}",
    ]
    var plan = Plan()
    (plan.dataParallel, plan.tensorParallel, plan.pipelineParallel) = (2, 8, 4)
    (plan.globalBatch, plan.sequenceLength) = (1_024, 4_096)
    let step = try PlannedStep(
      architecture: .named("llama-3.1-405b"),
      cluster: .shipped(
        "h800-2048", overrides: ["nodes=8", "degraded=[\(degraded.joined(separator: ", "))]"]),
      plan: plan)
    #expect(step.cluster.leastShare == 0.05)
  }
}
