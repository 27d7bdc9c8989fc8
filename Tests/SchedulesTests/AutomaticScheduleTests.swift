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

  /// Two ranks with two microbatches, all their orders tried: none ends before the bound, none before the one
  /// that is best of all, and what is planned lies between that and the best published.
  @Test(arguments: 1...6 as ClosedRange<UInt64>, [false, true])
  func noOrderOfAllEndsBeforeTheBound(seed: UInt64, pairs: Bool) throws {
    for placement in [Placement.fixed([0, 1]), .bidirectional(ranks: 2)] {
      var costs = Self.costs(stages: 2, ranks: 2, seed: seed, kept: 2, spread: 120)
      if pairs {
        costs.merged = costs.forward.map { forward in
          costs.backward.map { max(forward, $0) + min(forward, $0) / 3 }
        }
      }
      let made = try #require(
        Schedule.automatic(on: placement, ranks: 2, microbatches: 2, costs, pairs: pairs))
      let bound = Schedule.leastMakespan(on: placement, ranks: 2, microbatches: 2, costs)
      var least = Int.max
      let rows = (0..<2).map { Self.rows(of: $0, on: placement, pairs: pairs) }
      for first in rows[0] {
        for second in rows[1] {
          let schedule = Schedule(
            ranks: [first, second], stageCount: 2, microbatchCount: 2, placement: placement)
          guard let timing = StageTiming(schedule, costs) else { continue }
          least = min(least, timing.makespan)
        }
      }
      #expect(bound == made.bound && bound <= least)
      // Nothing at all would bound it, too.
      #expect(3 * bound >= 2 * least, "\(bound) of \(least)")
      #expect(made.timing.makespan >= least)
    }
  }

  /// Every order of a rank's actions for two microbatches: backwards whole or in halves, pairs or none.
  private static func rows(of rank: Int, on placement: Placement, pairs: Bool) -> [[Cell]] {
    let own = (0..<2).flatMap { stage in
      (0..<2).filter {
        placement.rank(ofStage: stage, microbatch: $0, microbatchCount: 2) == rank
      }.map { (stage: stage, microbatch: $0) }
    }
    var all: [[Cell]] = []
    // By microbatch: nothing done, forward done, input half done, everything done.
    func extend(_ row: [Cell], _ states: [Int]) {
      if states.allSatisfy({ $0 == 3 }) { all.append(row) }
      func action(_ place: Int, _ pass: Action.Pass) -> Action {
        Action(pass, stage: own[place].stage, microbatch: own[place].microbatch)
      }
      func go(_ cell: Cell, _ changes: [(place: Int, state: Int)]) {
        var next = states
        for change in changes { next[change.place] = change.state }
        extend(row + [cell], next)
      }
      for place in own.indices {
        switch states[place] {
        case 0:
          go(.run(action(place, .forward)), [(place, 1)])
          for other in own.indices where pairs && states[other] == 1 {
            go(
              .overlapped(forward: action(place, .forward), backward: action(other, .backward)),
              [(place, 1), (other, 3)])
          }
        case 1:
          go(.run(action(place, .backward)), [(place, 3)])
          go(.run(action(place, .backwardInput)), [(place, 2)])
        case 2: go(.run(action(place, .backwardWeight)), [(place, 3)])
        default: break
        }
      }
    }
    extend([], own.map { _ in 0 })
    return all
  }

  /// Where merging pays and weight halves fill gaps, an order has both.
  @Test func pairsStandBesideHalves() throws {
    var mixed = 0
    for (placement, ranks, stages) in Self.placements {
      for seed in 1...8 as ClosedRange<UInt64> {
        var costs = Self.costs(stages: stages, ranks: ranks, seed: seed, kept: 8, spread: 100)
        costs.merged = costs.forward.map { forward in
          costs.backward.map { (forward + $0) * 4 / 5 }
        }
        let made = try #require(
          Schedule.automatic(
            on: placement, ranks: ranks, microbatches: 12, costs, pairs: true))
        guard made.name == nil else { continue }
        let actions = made.schedule.ranks.flatMap { $0 }.flatMap(\.actions)
        let isSplit = actions.contains { $0.pass == .backwardWeight }
        if made.schedule.hasPairs, isSplit { mixed += 1 }
      }
    }
    #expect(mixed > 0)
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
