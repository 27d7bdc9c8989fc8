import Schedules
import Testing

/// Orders that are planned from what every stage takes and keeps.
@Suite struct AutomaticScheduleTests {
  /// Costs of so many stages from a seed, and limits of `microbatches` kept on each rank.
  private static func costs(
    stages: Int, ranks: Int, seed: UInt64, kept microbatches: Int, spread: Int = 40
  ) -> StageCosts {
    var state = seed
    func draw() -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return 40 + Int(state >> 33) % (spread + 1)
    }
    func all() -> [Int] { (0..<stages).map { _ in draw() } }
    return StageCosts(
      forward: all(), backwardInput: all(), backwardWeight: all(), transfer: 3,
      kept: Array(repeating: 10, count: stages),
      limits: Array(repeating: 10 * microbatches * stages / ranks, count: ranks))
  }

  private static let placements: [(Placement, ranks: Int, stages: Int)] = [
    (.fixed([0, 1, 2, 3]), 4, 4), (.fixed([0, 1, 2, 3, 3, 2, 1, 0]), 4, 8),
    (.fixed([0, 1, 0, 1, 0, 1]), 2, 6), (.bidirectional(ranks: 4), 4, 4),
  ]

  /// Proven orders within the limits, never slower than the best published one, never below the bound.
  @Test(arguments: 0..<4, 1...4 as ClosedRange<UInt64>)
  func neverWorseThanPublished(place: Int, seed: UInt64) throws {
    let (placement, ranks, stages) = Self.placements[place]
    for kept in [2, 4, 8] {
      for pairs in [false, true] {
        var costs = Self.costs(stages: stages, ranks: ranks, seed: seed, kept: kept)
        if pairs {
          costs.merged = costs.forward.map { forward in
            costs.backward.map { (forward + $0) * 4 / 5 }
          }
        }
        guard
          let made = Schedule.automatic(
            on: placement, ranks: ranks, microbatches: 8, costs, pairs: pairs)
        else {
          // Nothing keeps within so little.
          #expect(kept == 2)
          continue
        }
        try made.schedule.validate()
        #expect(made.schedule.placement == placement)
        #expect(made.timing.fits(costs))
        #expect(made.timing == StageTiming(made.schedule, costs))
        #expect(made.timing.makespan >= made.bound)
        if let named = made.bestNamedMakespan { #expect(made.timing.makespan <= named) }
      }
    }
  }

  /// Stages that take very different times have a better order than any that is published.
  @Test func unevenStagesHaveOrdersOfTheirOwn() throws {
    var gained = 0
    for seed in 1...8 as ClosedRange<UInt64> {
      let costs = Self.costs(stages: 8, ranks: 4, seed: seed, kept: 6, spread: 200)
      let made = try #require(
        Schedule.automatic(
          on: Self.placements[1].0, ranks: 4, microbatches: 12, costs, pairs: false))
      if made.timing.makespan < made.bestNamedMakespan ?? 0 { gained += 1 }
    }
    #expect(gained > 0)
  }

  /// Costs that are all alike are those of `ScheduleTiming`.
  @Test func evenStagesAreTimedAsElsewhere() throws {
    let schedule = try ScheduleName.zeroBubbleH1.schedule(ranks: 4, microbatches: 8)
    let even = StageCosts(
      forward: [10, 10, 10, 10], backwardInput: [12, 12, 12, 12], backwardWeight: [8, 8, 8, 8],
      transfer: 1, kept: [1, 1, 1, 1], limits: [4, 4, 4, 4])
    let timing = try #require(StageTiming(schedule, even))
    let times = PassTimes(forward: 10, backwardInput: 12, backwardWeight: 8, transfer: 1)
    #expect(Double(timing.makespan) == (try ScheduleTiming(schedule, times: times).makespan))
    #expect(timing.peaks.map(Double.init) == schedule.peakActivations(releasedAtInput: 0))
  }
}
