import Clusters
import Costs
import Documents
import Foundation
import Models
import Plans
import Simulation
import Testing

/// DeepSeek-V3's plan with 32 microbatches, and what a change of the cluster does to it.
@Suite struct PlannedStepTests {
  static func planned(_ cluster: [String] = [], _ plan: [String] = []) throws -> PlannedStep {
    try PlannedStep(
      architecture: .named("deepseek-v3"),
      cluster: .shipped("h800-2048", overrides: cluster),
      plan: .named("deepseek-v3", overrides: ["global-batch=4096"] + plan))
  }

  /// The step of the cluster as it is, in picoseconds: what changes of it are held against.
  private static let base = Result { try planned().simulation.run().step }

  static let better = [
    ["device.memory.bandwidth=4.8 TB/s", "device.memory.reached=4.3 TB/s"],
    ["node.link.bandwidth=450 GB/s"], ["node.adapters.bandwidth=800 Gb/s"],
    [
      "device.multiprocessors=144", "device.peak.fp8=2200 TFLOPS", "device.peak.bf16=1100 TFLOPS",
    ], ["device.launch.gap=1 us"],
    ["device.kernels.streaming.quantise=2.5 TB/s"], ["node.exchange.row-handling=0 us"],
    ["device.clock.loaded=1700 MHz"],
  ]

  /// What a user improves in the file is never slower, and the constants of the file count.
  @Test(arguments: better) func moreIsNeverSlower(overrides: [String]) throws {
    let base = try Self.base.get()
    let step = try Self.planned(overrides).simulation.run().step
    #expect(step < base, "\(overrides): \(step) against \(base)")
  }

  /// The published plan names the library of its time; by default the newest one multiplies.
  @Test func theLibraryOfTrainingIsThePlansChoice() throws {
    let february = try Self.base.get()
    let april = try Self.planned([], ["library=fp8-2025-04"]).simulation.run().step
    let newest = try Self.planned([], ["library=null"])
    #expect(april < february)
    #expect(newest.simulation.run().step == april)
    #expect(newest.pricing.library == .fp8April2025)
  }

  @Test func aLibraryThatTheClusterLacksIsRefused() throws {
    let error = #expect(throws: PlanError.self) {
      try PlannedStep(
        architecture: .named("deepseek-v3"),
        cluster: .shipped("h800-2048", overrides: ["device.kernels.matmul=a100-pcie"]),
        plan: .named("deepseek-v3"))
    }
    #expect(error.map { "\($0)".contains("no constants of FP8 kernels") } == true)
  }

  /// Stages that were lowered for one step serve the next, and no step whose stages are others.
  @Test func loweredStagesServeEqualSteps() throws {
    var lowered = LoweredStages()
    for change in [
      (cluster: ["device.launch.gap=1 us"], plan: []), ([], ["expert-load=balanced"]),
      ([], ["fused-head=true"]), ([], ["microbatch-size=2"]), ([], ["global-batch=8192"]), ([], []),
    ] as [(cluster: [String], plan: [String])] {
      let step = try PlannedStep(
        architecture: .named("deepseek-v3"),
        cluster: .shipped("h800-2048", overrides: change.cluster),
        plan: .named("deepseek-v3", overrides: ["global-batch=8192"] + change.plan),
        lowered: &lowered)
      let alone = try PlannedStep(
        architecture: .named("deepseek-v3"), cluster: step.cluster, plan: step.placed.plan)
      #expect(step.input.stages == alone.input.stages, "\(change)")
    }
  }

  /// All 2,048 ranks one by one come to the folded step, drawn loads included.
  @Test func foldedEqualsExplicitWithDrawnLoads() throws {
    var simulation = try Self.planned().simulation
    let folded = simulation.run()
    simulation.isExplicit = true
    let explicit = simulation.run()
    #expect(explicit.ranks.count == 2_048)
    #expect(explicit.step == folded.step)
    #expect(explicit.ranks.allSatisfy { $0.split == folded.ranks[$0.position].split })
  }

  /// Where pipeline neighbours cross leaf switches in some replicas only, a rank that stands for all waits
  /// as long as the slowest of them.
  @Test(arguments: ["1f1b", "dualpipe"]) func foldedEqualsExplicitAcrossLeaves(_ schedule: String)
    throws
  {
    var plan = Plan()
    (plan.dataParallel, plan.pipelineParallel) = (24, 2)
    (plan.globalBatch, plan.sequenceLength) = (192, 1_024)
    plan.schedule = .named(schedule)
    // Three nodes further: node 0 stays under its leaf switch, nodes 1 and 2 do not.
    let step = try PlannedStep(
      architecture: .named("llama-3.1-8b"),
      cluster: .shipped("h800-2048", overrides: ["nodes=8"] + ClusterKeyTests.leaves), plan: plan)
    let ways = [0, 8, 16].map { step.cluster.latency(from: $0, to: $0 + 24) }
    #expect(ways == [2e-6, 3e-6, 3e-6])
    // Sends were measured over 3.7 us.
    let direct = try CollectiveConstants(step.cluster).direct
    let price = step.pricing.price(ofMessage: 1_000, from: 0, to: 1, replica: 0)
    #expect(abs(price.latency - (direct.networkStart + 3e-6 - 3.7e-6)) < 1e-12)
    var simulation = step.simulation
    let folded = simulation.run()
    simulation.isExplicit = true
    let explicit = simulation.run()
    #expect(explicit.ranks.count == 48)
    #expect(explicit.step == folded.step)
    #expect(explicit.ranks.allSatisfy { $0.split == folded.ranks[$0.position].split })
  }

  static let degradations = [
    "{what: device, rank: 17, share: 0.8}", "{what: node-link, rank: 17, share: 0.25}",
    "{what: adapter, node: 3, index: 2, share: 0.5}",
    "{what: adapter, node: 3, index: 2, share: 0}",
  ]

  /// A slow device, a slow link and a failed adapter all show in the step.
  @Test(arguments: degradations) func whatIsDegradedSlowsTheStep(_ degraded: String) throws {
    let base = try Self.base.get()
    let simulation = try Self.planned(["degraded=[\(degraded)]"]).simulation
    #expect(simulation.representatives != nil)
    #expect(simulation.run().step > base, "\(degraded)")
  }

  /// Uplinks thinner than their adapters slow exchanges, messages and reductions, the more the thinner.
  @Test func thinUplinksSlowTheStep() throws {
    func step(_ oversubscription: Int) throws -> Int64 {
      try PlannedStep(
        architecture: .named("deepseek-v3"),
        cluster: .shipped(
          "h800-2048-mrft",
          overrides: ["network.layers[0].oversubscription=\(oversubscription)"]),
        plan: .named("deepseek-v3", overrides: ["global-batch=4096"])
      ).simulation.run().step
    }
    let (full, thin, thinner) = (try step(1), try step(3), try step(12))
    #expect(full < thin && thin < thinner, "\(full), \(thin), \(thinner)")
  }

  /// What the simulator cannot do is refused, not simulated as something else.
  @Test func refusesWhatItCannotSimulate() throws {
    let architecture = try Architecture.named("deepseek-v3")
    let cluster = try Cluster.named("h800-2048")
    var plan = try Plan.named("deepseek-v3")
    plan.expertLoad = .counts(file: "/nowhere/counts.csv")
    #expect(throws: ConfigurationError.self) {
      _ = try PlannedStep(architecture: architecture, cluster: cluster, plan: plan)
    }
    plan.expertLoad = .balanced
    plan.computationSMs = 100
    #expect(throws: PlanError.self) {
      _ = try PlannedStep(
        architecture: architecture, cluster: Cluster.named("a100-selene"), plan: plan)
    }
  }
}
