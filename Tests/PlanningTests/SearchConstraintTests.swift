import Clusters
import Models
import Plans
import Simulation
import Testing

import Planning

/// Searches under constraints that nobody chose, against all plans of their space.
@Suite struct SearchConstraintTests {
  /// Numbers that are the same in every run (Steele, Lea and Flood 2014).
  private struct Numbers: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var mixed = state
      mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
      mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
      return mixed ^ (mixed >> 31)
    }
  }

  private static let model = Architecture.gpt(
    name: "small", hidden: 1024, layers: 6, heads: 16, vocabulary: 4096, positions: 1024)
  private static let settings = PlanSearchTests.settings(
    32, 1024, "tensor-parallel=1,2", "context-parallel=1", "pipeline-parallel=1,2,4",
    "schedule=1f1b,zbv,dualpipev", "microbatch-size=1", "zero-stage=0,1", "recompute=none,full",
    "recompute-layers=1", "layers-per-stage=even", "overlap.tensor-exchange=false")

  /// Limits of memory and time, counts, objectives and threads by chance: the plans are those of all
  /// simulations that keep to them, in their order.
  @Test func anyConstraintIsKept() throws {
    let cluster = try Cluster.named("h100-2048")
    let space = try SearchSpace(
      Self.settings, devices: 8, for: Self.model, on: cluster)
    let all = ExhaustiveSearch(space, for: Self.model, on: cluster)
    #expect(all.plans.count > 60)
    let needed = all.plans.map { $0.plan.heldBytes + $0.plan.report.memory.reserve }.sorted()
    let steps = all.plans.map(\.plan.report.stepSeconds).sorted()
    var numbers = Numbers(state: 9)
    for round in 0..<16 {
      let share = Double.random(in: 0..<1, using: &numbers)
      let limit =
        needed[Int(share * Double(needed.count))] + Int.random(in: -1...1, using: &numbers)
      let longest = Bool.random(using: &numbers) ? steps.randomElement(using: &numbers) : nil
      var request = PlanSearch.Request()
      request.count = Int.random(in: 1...15, using: &numbers)
      request.objective = Bool.random(using: &numbers) ? .time : .memory
      request.memoryLimit = limit
      request.longestStep = longest
      request.mostSimulations = nil
      request.threads = Int.random(in: 1...3, using: &numbers)
      let outcome = try PlanSearch(
        space, for: Self.model, on: cluster, request: request
      ).run()
      let expected = try all.plans.map(\.plan)
        .filter { $0.report.stepSeconds <= longest ?? .infinity }
        .sorted { SearchPlan.precedes($0, $1, by: request.objective) }
        .filter { found in
          try PlannedStep(architecture: Self.model, cluster: cluster, plan: found.plan)
            .fits(found.report, within: limit)
        }.prefix(request.count)
      #expect(
        outcome.plans.map(\.plan.yaml) == expected.map(\.plan.yaml),
        "\(round): \(request.objective) within \(limit), \(String(describing: longest)) s")
      let counts = outcome.counts
      #expect(counts.size == space.shapes.reduce(0) { $0 + size($1, space, cluster) })
      #expect(
        counts.bounded >= 0
          && counts.size == counts.refused + counts.outOfMemory + counts.bounded
            + counts.simulated
      )
    }
  }

  private func size(_ shape: SearchShape, _ space: SearchSpace, _ cluster: Cluster) -> Int {
    space.kernelSettings(of: shape).reduce(0) { sum, kernels in
      [false, true].reduce(sum) { $0 + space.size(of: shape, hasPairs: $1, kernels) }
    }
  }

  /// Of grids that grow one alternative at a time none has a best plan that is slower than that of the one
  /// before.
  @Test func growingGridsAreNoWorse() throws {
    let cluster = try Cluster.named("h100-2048")
    let steps: [(key: String, alternatives: [String])] = [
      ("tensor-parallel", ["2", "2,1", "2,1,4"]),
      ("schedule", ["gpipe", "gpipe,1f1b", "gpipe,1f1b,zbv"]),
      ("microbatch-size", ["4", "4,2", "4,2,1"]), ("zero-stage", ["3", "3,0"]),
      ("recompute", ["full", "full,none"]),
    ]
    var chosen = steps.map { 0 * $0.alternatives.count }
    var best = Double.infinity
    while true {
      var settings = PlanSearchTests.settings(
        32, 1024, "context-parallel=1", "layers-per-stage=even", "overlap.tensor-exchange=false")
      settings.listed += zip(steps, chosen).map { "\($0.key)=\($0.alternatives[$1])" }
      let space = try SearchSpace(settings, devices: 8, for: Self.model, on: cluster)
      let outcome = try PlanSearch(space, for: Self.model, on: cluster).run()
      let step = try #require(outcome.plans.first).report.stepSeconds
      #expect(step <= best, "\(settings.listed)")
      best = step
      guard let next = steps.indices.first(where: { chosen[$0] + 1 < steps[$0].alternatives.count })
      else { break }
      chosen[next] += 1
    }
  }
}
