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

  /// Parts whose first entries cost more are cut as the best of all cuts.
  @Test(arguments: [0, 1, 2, 5]) func firstEntriesCostAgain(first: Int) {
    // The first and the last stand for embedding and head, which repeat nothing.
    let costs = [0.5, 3, 3, 2, 3, 3, 1, 3, 2.5]
    let again = [0.0, 1, 1, 0.5, 1, 1, 0.25, 1, 0]
    func longest(_ counts: [Int]) -> Double {
      var (start, worst) = (0, 0.0)
      for count in counts {
        let part = start..<start + count
        let repeated = part.filter { again[$0] > 0 }.prefix(first)
        worst = max(
          worst,
          part.reduce(0) { $0 + costs[$1] } + repeated.reduce(0) { $0 + again[$1] })
        start += count
      }
      return worst
    }
    func cuts(_ entries: Int, _ parts: Int) -> [[Int]] {
      guard parts > 1 else { return [[entries]] }
      return (1...entries - parts + 1).flatMap { count in
        cuts(entries - count, parts - 1).map { [count] + $0 }
      }
    }
    for parts in 1...5 {
      let found = evenestCut(of: costs, into: parts, again: again, ofFirst: first)
      #expect(found.count == parts && found.reduce(0, +) == costs.count)
      let best = cuts(costs.count, parts).map(longest).min() ?? 0
      #expect(abs(longest(found) - best) < 1e-12, "\(parts) parts: \(found)")
    }
  }

  /// A search cuts a model of which every stage runs some layers again as a plan file is cut.
  @Test func layersThatAreRunAgainCount() throws {
    let architecture = try Architecture.named("llama-3.2-3b")
    let cluster = try Cluster.named("h100-2048")
    let space = try SearchSpace(
      PlanSearchTests.settings(
        48, 4096, "tensor-parallel=1", "pipeline-parallel=3", "context-parallel=1",
        "schedule=zbv", "stages-per-rank=2", "microbatch-size=1", "zero-stage=1",
        "sharding-group=null", "recompute=full", "recompute-layers=3", "layers-per-stage=balanced"),
      devices: 24, for: architecture, on: cluster)
    let found = try #require(ExhaustiveSearch(space, for: architecture, on: cluster).plans.first)
    var plan = found.plan.plan
    plan.layout = .balanced
    #expect(try plan.balanced(for: architecture, on: cluster).layout == found.plan.plan.layout)
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
