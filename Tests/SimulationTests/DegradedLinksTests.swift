import Clusters
import Models
import Plans
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

  /// Exchanges between nodes take twice as long over adapters at half speed.
  @Test func exchangesBetweenNodesSlowWithTheirAdapters() throws {
    func report(_ cluster: [String]) throws -> StepReport {
      try Self.report("deepseek-v3", cluster) { plan in
        plan.dataParallel = 16
        plan.expertParallel = 16
        plan.nodesPerToken = 2
        plan.communicationSMs = 20
      }
    }
    let healthy = try report([])
    let degraded = try report(["degraded=[\(Self.halved)]"])
    #expect(degraded.expert.total > 1.8 * healthy.expert.total)
    #expect(degraded.expert.total < 2.1 * healthy.expert.total)
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
