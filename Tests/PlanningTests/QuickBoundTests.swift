import Clusters
import Models
import Planning
import Plans
import Testing

/// What is known of a plan before its schedule is carried out.
@Suite struct QuickBoundTests {
  private static let model = Architecture.gpt(
    name: "small", hidden: 1024, layers: 16, heads: 16, vocabulary: 4096, positions: 1024)

  /// Schedules of few microbatches keep no more than those of many, and nearly as much.
  @Test(arguments: [30, 47, 64, 96]) func keptBytesCount(_ microbatches: Int) throws {
    let cluster = try Cluster.named("h100-2048")
    var settings = SearchSettings()
    (settings.globalBatch, settings.sequenceLength) = (microbatches, 1024)
    settings.listed = [
      "tensor-parallel=1", "context-parallel=1", "pipeline-parallel=2,4", "microbatch-size=1",
      "recompute=none", "data-parallel=1,2", "layers-per-stage=even",
    ]
    var (schedules, close) = (Set<Plan.ScheduleSource>(), Set<Plan.ScheduleSource>())
    for devices in [2, 4] {
      let space = try SearchSpace(
        settings, devices: devices, for: Self.model, on: cluster)
      let bounds = PlanBounds(space, Self.model, cluster, room: .infinity)
      for shape in space.shapes where microbatches % shape.data == 0 {
        for kernels in space.kernelSettings(of: shape) {
          let group = SearchGroup(shape: shape, kernels: kernels, hasPairs: false)
          for member in space.members(of: group) {
            guard let candidate = try? bounds.resolved(group.candidate(member)),
              let whole = try? bounds.bound(of: candidate)
            else { continue }
            let quick = try bounds.quickBound(of: candidate)
            schedules.insert(member.schedule)
            #expect(quick.bytes <= whole.bytes, "\(member)")
            if quick.bytes > 0.98 * whole.bytes { close.insert(member.schedule) }
          }
        }
      }
    }
    #expect(schedules.count >= 8)
    #expect(close == schedules)
  }

  /// A search that looks at a coarse part first names the plans that one names which does not.
  @Test func partsFirst() throws {
    let cluster = try Cluster.named("h100-2048")
    let space = try SearchSpace(
      PlanSearchTests.settings(
        64, 1024, "schedule=1f1b,interleaved-1f1b,zbv", "microbatch-size=1,2",
        "context-parallel=1", "zero-stage=0,1,2", "recompute=none,full"),
      devices: 16, for: Self.model, on: cluster)
    var request = PlanSearch.Request()
    request.mostSimulations = nil
    let whole = try PlanSearch(space, for: Self.model, on: cluster, request: request).run()
    request.largeSize = 1
    let parts = try PlanSearch(space, for: Self.model, on: cluster, request: request).run()
    #expect(parts.plans.map(\.plan.yaml) == whole.plans.map(\.plan.yaml))
    #expect(parts.simulations > 0 && parts.leastOpen == nil)
    let counts = parts.counts
    #expect(counts.size == whole.counts.size && counts.bounded >= 0)
    #expect(
      counts.size == counts.refused + counts.outOfMemory + counts.bounded + counts.simulated)
  }

  /// A search that loses patience looks at less and says that it proves nothing; one that may not end without proof
  /// has none to lose.
  @Test func patienceEndsASearch() throws {
    let item = PlanSearchTests.cases[2]
    let cluster = try Cluster.named(item.cluster)
    let space = try item.space(on: cluster)
    func searched(_ request: PlanSearch.Request) throws -> SearchOutcome {
      try PlanSearch(space, for: item.architecture, on: cluster, request: request).run()
    }
    var request = PlanSearch.Request()
    request.count = 2
    request.mostSimulations = 5_000
    let whole = try searched(request)
    #expect(whole.leastOpen == nil)
    (request.patience, request.largeSize) = (1, 1)
    let hasty = try searched(request)
    #expect(hasty.leastOpen != nil)
    #expect(hasty.plans.count == 2)
    request.mostSimulations = nil
    let patient = try searched(request)
    #expect(patient.leastOpen == nil)
    #expect(patient.plans.map(\.plan) == whole.plans.map(\.plan))
  }

  /// Patience ends a search alone where little is left to hope for: the coarse part's best is among what it has.
  @Test func patienceEndsWithTheBestSoFar() throws {
    let cluster = try Cluster.named("h100-2048")
    let space = try SearchSpace(
      PlanSearchTests.settings(
        64, 1024, "schedule=1f1b,interleaved-1f1b", "microbatch-size=1", "context-parallel=1",
        "zero-stage=0,1", "recompute=none,full"),
      devices: 16, for: Self.model, on: cluster)
    var request = PlanSearch.Request()
    let whole = try PlanSearch(space, for: Self.model, on: cluster, request: request).run()
    request.largeSize = 1
    request.mostSimulations = 3
    let some = try PlanSearch(space, for: Self.model, on: cluster, request: request).run()
    let best = try #require(some.plans.first?.report.stepSeconds)
    #expect(best >= whole.plans[0].report.stepSeconds)
    #expect(some.leastOpen.map { $0 <= whole.plans[0].report.stepSeconds } ?? true)
  }
}
