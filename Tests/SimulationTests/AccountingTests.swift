import Engines
import Plans
import Programs
import Schedules
import Simulation
import Testing

/// Where the time of a step is booked.
@Suite struct AccountingTests {
  static let schedules = [
    ("1f1b", 1), ("zb-h1", 1), ("zbv", 2), ("dualpipe", 1), ("interleaved-1f1b", 2),
  ]

  /// No transfer is exposed for longer than it moves, and a bubble is what a rank waits for messages: for
  /// their senders or while they move.
  @Test(arguments: schedules, [Plan.SendMode.batched, .eager])
  func bubblesAreWaits(schedule: (String, Int), send: Plan.SendMode) throws {
    let plan = Inputs.plan(
      schedule.0, pipeline: 4, stagesPerRank: schedule.1, microbatches: 8, send: send)
    let result = StepSimulation(
      try Inputs.input(Inputs.gpt(layers: 8), plan), pricing: FlatPricing()
    ).run()
    func lastAction(_ rank: RankResult) -> Int64 {
      rank.items.last {
        switch $0.item {
        case .run, .overlapped: true
        default: false
        }
      }?.end ?? 0
    }
    let last = result.ranks.map(lastAction).max()
    for rank in result.ranks {
      for kind in [rank.expert, rank.pipeline, rank.data, rank.tensor, rank.context] {
        #expect(kind.hidden >= 0 && kind.exposed >= 0 && kind.waiting >= 0)
        #expect(kind.hidden + kind.exposed == kind.total)
      }
      let moved = rank.items.count { if case .start = $0.item { true } else { false } }
      #expect(moved == 0 || rank.pipeline.total > 0)
      // Others end before the last one, and stand still until then for nobody.
      if lastAction(rank) == last {
        #expect(rank.split.bubble == rank.pipeline.exposed + rank.pipeline.waiting)
      }
    }
    #expect(result.ranks.contains { $0.pipeline.hidden > 0 })
  }

  /// Kernels of every class and pass are counted: each takes a microsecond.
  @Test(arguments: schedules) func kernelsAreCounted(_ schedule: String, _ stages: Int) throws {
    let plan = Inputs.plan(
      schedule, pipeline: 2, stagesPerRank: stages, microbatches: 8, data: 2, expert: 2)
    let input = try Inputs.input(Inputs.deepSeek(layers: 8), plan)
    let result = StepSimulation(input, pricing: FlatPricing()).run()
    for rank in result.ranks {
      #expect(rank.kernels.total == rank.busy)
      var counts: [KernelTimes.Pass: [KernelTimes.Class: Int64]] = [:]
      for item in input.ranks[rank.position].items {
        for operation in Self.operations(of: item, input) {
          counts[Self.pass(operation), default: [:]][.init(operation.kernel), default: 0] += 1
        }
      }
      for pass in KernelTimes.Pass.allCases where pass != .optimizer {
        for kernels in KernelTimes.Class.allCases {
          let count = counts[pass]?[kernels] ?? 0
          #expect(rank.kernels[kernels, pass] == count * 1_000_000, "\(kernels), \(pass)")
        }
      }
      #expect(rank.kernels[.optimizer, .optimizer] > 0)
      #expect(rank.kernels[.matmul, .optimizer] == 0)
      #expect(rank.kernels[.groupedMatmul, .backwardWeight] > 0)
    }
  }

  private static func operations(of item: Item, _ input: StepInput) -> [Programs.Operation] {
    func program(_ action: Action) -> [Programs.Operation] {
      input.stages[action.stage].program(for: action.pass).operations
    }
    switch item {
    case .run(let action): return program(action)
    case .overlapped(let forward, let backward): return program(forward) + program(backward)
    default: return []
    }
  }

  private static func pass(_ operation: Programs.Operation) -> KernelTimes.Pass {
    if operation.isRecomputed { return .recomputedForward }
    switch operation.pass {
    case .forward: return .forward
    case .backwardInput: return .backwardInput
    case .backwardWeight: return .backwardWeight
    }
  }
}
