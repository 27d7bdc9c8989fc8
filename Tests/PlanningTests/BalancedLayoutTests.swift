import Clusters
import Models
import Planning
import Plans
import Simulation
import Testing

@Suite struct BalancedLayoutTests {
  /// The balanced cut of V3 is no slower than the published one without load scatter, and holds every
  /// unit once.
  @Test func balancesByCost() throws {
    let architecture = try Architecture.named("deepseek-v3")
    let cluster = try Cluster.named("h800-2048")
    var plan = try Plan.named("deepseek-v3")
    plan.expertLoad = .balanced
    plan.schedule = .named("1f1b")
    let published = try PlannedStep(architecture: architecture, cluster: cluster, plan: plan)
    plan.layout = .balanced
    let balanced = try plan.balanced(for: architecture, on: cluster)
    guard case .units(let counts) = balanced.layout else {
      Issue.record("The layout is not explicit.")
      return
    }
    #expect(counts.count == 16)
    #expect(counts.reduce(0, +) == architecture.units.count)
    #expect(counts.allSatisfy { $0 > 0 })
    let step = try PlannedStep(architecture: architecture, cluster: cluster, plan: balanced)
    #expect(step.report().stepSeconds <= published.report().stepSeconds)
  }

  /// Layers whose tensor exchanges are waited for weigh what their passes take with them: the longest stage gets no
  /// longer, and a search cuts the model alike.
  @Test func exchangesCount() throws {
    let architecture = try Architecture.named("llama-3.1-70b")
    let cluster = try Cluster.named("h100-2048")
    let space = try SearchSpace(
      PlanSearchTests.settings(
        16, 8192, "tensor-parallel=8", "pipeline-parallel=4", "context-parallel=1",
        "schedule=1f1b", "microbatch-size=1", "zero-stage=1", "recompute=none",
        "layers-per-stage=balanced", "overlap.tensor-exchange=false"),
      devices: 64, for: architecture, on: cluster)
    let found = try #require(
      ExhaustiveSearch(space, for: architecture, on: cluster).plans.first
    ).plan
    var plan = found.plan
    plan.layout = .balanced
    let balanced = try plan.balanced(for: architecture, on: cluster)
    #expect(balanced.layout == found.plan.layout)
    plan.layout = .even
    let even = try PlannedStep(architecture: architecture, cluster: cluster, plan: plan)
    #expect(found.report.stepSeconds <= even.report().stepSeconds)
  }

  /// More stages than units is refused by the plan's own rule.
  @Test func refusesTooManyStages() throws {
    let architecture = Architecture.gpt(
      name: "tiny", hidden: 32, layers: 2, heads: 4, vocabulary: 64, positions: 16)
    let cluster = try Cluster.named("h100-2048")
    var plan = Plan()
    plan.pipelineParallel = 8
    plan.globalBatch = 8
    plan.sequenceLength = 16
    plan.layout = .balanced
    #expect(throws: PlanError.self) {
      _ = try plan.balanced(for: architecture, on: cluster)
    }
  }
}
