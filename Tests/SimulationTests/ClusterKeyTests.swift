import Clusters
import Costs
import Documents
import Models
import Plans
import Programs
import Simulation
import Testing

/// Values of a cluster's file that a step was once priced without.
@Suite struct ClusterKeyTests {
  /// A dense model over tensor groups of eight and four pipeline positions in two leaves.
  static func dense(_ cluster: [String] = []) throws -> StepReport {
    try DegradedLinksTests.report("llama-3.1-8b", leaves + cluster) { plan in
      plan.dataParallel = 2
      plan.tensorParallel = 8
      plan.sequenceParallel = true
    }
  }

  /// Four nodes on a leaf switch.
  static let leaves = [
    "network.layers=[{radix: 8}, {radix: 8}]",
    "network.latency={same-leaf: 2 us, cross-leaf: 3 us}",
  ]

  static let slower = [
    ["node.link.reached=90 GB/s"], ["node.adapters.reached=20 GB/s"],
    ["node.link.latency=9 us"], ["network.latency.same-leaf=3 us"],
    ["network.latency.cross-leaf=9 us"],
    ["network.port={bandwidth: 50 GB/s, reached: 15 GB/s}"],
    ["node.link.shared-bandwidth=100 GB/s"], ["device.memory.bandwidth=3.05 TB/s"],
    ["device.peak.bf16=971 TFLOPS"], ["device.shared-memory=48 KiB"],
    ["node.collectives.measured-at.link-latency=1 us"], ["device.kernels.streaming.rope=1 TB/s"],
  ]

  /// Each slows the step of a dense model.
  @Test(arguments: slower) func aSlowerClusterIsSlower(overrides: [String]) throws {
    let base = try Self.dense().stepSeconds
    #expect(try Self.dense(overrides).stepSeconds > base, "\(overrides)")
  }

  /// Every tensor exchange takes as much longer as the hops of its ranks, and its bytes as the ceiling says.
  @Test func tensorExchangesAreCountedByHand() throws {
    let base = try Self.dense().tensor.total
    let latency = try Self.dense(["node.link.latency=6.66 us"]).tensor.total
    let reached = try Self.dense(["node.link.reached=73.15 GB/s"]).tensor.total
    let constants = try CollectiveConstants(Cluster.shipped("h800-2048"))
    let simple = constants.simple
    let hops = 7 * simple.step
    let count = (latency - base) / hops
    #expect(abs(count - count.rounded()) < 1e-3)
    // The bytes are those that the ceiling slows; the rest is starts and what fills the pipelines.
    let rate = constants.linkRate(simple.linkShare * (1 - constants.pairLoss / 8))
    let moving = (reached - base) / (rate / 73.15e9 - 1)
    let least = count * (simple.start + hops)
    #expect(base - moving > least * (1 - 1e-6))
    #expect(base - moving < least + count * simple.fill.seconds)
  }

  /// A message inside a node takes the link's latency, one between nodes that of the switches it crosses.
  @Test func messagesTakeTheLatencyOfTheirWay() throws {
    var plan = Plan()
    plan.pipelineParallel = 8
    plan.globalBatch = 8
    plan.sequenceLength = 128
    func price(_ ranks: Int, _ from: Int, _ to: Int) throws -> MessagePrice {
      plan.dataParallel = ranks
      plan.globalBatch = 8 * ranks
      let step = try PlannedStep(
        architecture: .named("llama-3.1-8b"),
        cluster: .shipped("h800-2048", overrides: ["nodes=8"] + Self.leaves), plan: plan)
      return step.pricing.price(ofMessage: 1_000, from: from, to: to, replica: 0)
    }
    let direct = try CollectiveConstants(Cluster.shipped("h800-2048")).direct
    #expect(abs(try price(1, 0, 1).latency - direct.linkStart) < 1e-12)
    // Sends were measured over 3.7 us.
    #expect(abs(try price(8, 0, 1).latency - (direct.networkStart + 2e-6 - 3.7e-6)) < 1e-12)
    #expect(abs(try price(8, 3, 4).latency - (direct.networkStart + 3e-6 - 3.7e-6)) < 1e-12)
  }

  /// The kernels that choose experts cost what they take in the published trace, and the gaps between them.
  @Test func theRouterIsPriced() throws {
    let step = try PlannedStepTests.planned()
    let device = try DeviceModel(step.cluster.device)
    let programs = step.input.stages.map(\.forward)
    let routes = programs.flatMap(\.operations).filter {
      if case .route(_, .forward) = $0.kernel { true } else { false }
    }
    // 58 layers and the prediction module.
    #expect(routes.count == 59)
    let priced = step.pricing.seconds(of: routes[0], rows: ExchangeRows(), isOverlapped: true)
    #expect(abs(priced - (37 * device.launchGap + 3e-6 + 4_096 * 62e-9)) < 1e-12)
    #expect(
      try PlannedStepTests.planned(["device.kernels.streaming.routing-per-token=0 s"])
        .report().stepSeconds < step.report().stepSeconds - 0.02)
  }

  static let outOfProportion = [
    "device.memory={size: 80 GiB, bandwidth: 1 MB/s}", "node.exchange.row-handling=1 s",
  ]

  /// No value that is read overflows the clock: a step beyond it is refused.
  @Test(arguments: outOfProportion) func whatNoClockHoldsIsRefused(override: String) throws {
    let error = #expect(throws: ConfigurationError.self) {
      try PlannedStep(
        architecture: .named("deepseek-v3"),
        cluster: .shipped("h800-2048", overrides: [override]), plan: .named("deepseek-v3"))
    }
    #expect(error?.rule.contains("out of all proportion") == true)
  }

  static let slow: [(override: String, least: Double)] = [
    // Two passes of 32 microbatches over eight layers, of five kernels and more each.
    ("device.launch.host=1 s", 32 * 2 * 8 * 5), ("device.launch.gap=1 s", 32 * 2 * 8 * 5),
    // Each of a position's eight layers exchanges with its tensor group in both passes.
    ("node.link.latency=1 s", 32 * 2 * 8),
    // Down the pipeline of four positions and up again.
    ("network.latency={same-leaf: 1 s, cross-leaf: 1 s}", 6),
  ]

  /// What is absurdly slow and within the clock runs, and takes its time.
  @Test(arguments: slow) func whatTheClockHoldsRuns(override: String, least: Double) throws {
    let report = try Self.dense([override])
    #expect(report.stepSeconds > least, "\(report.stepSeconds)")
    #expect(report.stepSeconds < 9e6)
  }

  /// A step faster than its devices can compute is refused.
  @Test func moreThanThePeakIsImpossible() throws {
    var report = try Self.dense()
    try report.checkPossible()
    report.stepSeconds *= 0.9 * report.hfuCausal
    let error = #expect(throws: ConfigurationError.self) { try report.checkPossible() }
    #expect(error?.keyPath == "device.peak")
    #expect(error?.rule.contains("look at device.peak") == true)
  }
}
