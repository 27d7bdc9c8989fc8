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

  /// What is booked of messages is what the spans of waits and messages show; a bubble is what a rank waits
  /// for them, for their senders or while they move.
  @Test(arguments: schedules, [Plan.SendMode.batched, .eager])
  func bubblesAreWaits(schedule: (String, Int), send: Plan.SendMode) throws {
    let plan = Inputs.plan(
      schedule.0, pipeline: 4, stagesPerRank: schedule.1, microbatches: 8, send: send)
    let input = try Inputs.input(Inputs.gpt(layers: 8), plan)
    var simulation = StepSimulation(input, pricing: FlatPricing())
    simulation.keepsSpans = true
    let result = simulation.run()
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
      let shown = try Self.messages(of: rank, input)
      #expect(shown.count > 0)
      #expect(rank.pipeline.total == shown.total)
      #expect(rank.pipeline.waiting == shown.waiting)
      #expect(rank.pipeline.exposed == shown.exposed)
      #expect(rank.pipeline.hidden == shown.hidden)
      // Others end before the last one, and stand still until then for nobody.
      if lastAction(rank) == last {
        #expect(rank.split.bubble == shown.exposed + shown.waiting)
      }
    }
    #expect(result.ranks.contains { $0.pipeline.hidden > 0 })
    #expect(result.ranks.contains { $0.pipeline.exposed > 0 })
  }

  /// A rank's messages, and its waits for them, read off its spans.
  private static func messages(
    of rank: RankResult, _ input: StepInput
  ) throws -> (count: Int, total: Int64, waiting: Int64, exposed: Int64, hidden: Int64) {
    var sum = (count: 0, total: Int64(0), waiting: Int64(0), exposed: Int64(0), hidden: Int64(0))
    let program = input.ranks[rank.position]
    for (index, transfer) in program.transfers.enumerated() {
      let moved = try #require(
        rank.transfers.first {
          if case .message(let message) = $0.kind { message == transfer } else { false }
        })
      sum.count += 1
      sum.total += moved.end - moved.start
      let wait = rank.items.first { if case .wait(index) = $0.item { true } else { false } }
      // Of the time in which it moves, what lies beside the wait.
      let seen = wait.map { max(0, min($0.end, moved.end) - max($0.start, moved.start)) } ?? 0
      sum.hidden += moved.end - moved.start - seen
      sum.exposed += seen
      sum.waiting += wait.map { max(0, min($0.end, moved.start) - $0.start) } ?? 0
    }
    return sum
  }

  /// Kernels of every class and pass are counted, each in the class of its name: each takes a microsecond.
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
          let kernels = try Self.kernels(operation)
          counts[Self.pass(operation), default: [:]][kernels, default: 0] += 1
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

  /// The class that the word for a kernel stands for.
  private static func kernels(_ operation: Programs.Operation) throws -> KernelTimes.Class {
    let text = String(describing: operation.kernel)
    let word = String(text.prefix { $0 != "(" })
    let classes: [String: KernelTimes.Class] = [
      "loadTokens": .embedding, "loadLabels": .embedding, "embedding": .embedding, "norm": .norm,
      "matmul": .matmul, "groupedMatmul": .groupedMatmul, "attention": .attention,
      "assembleLatent": .heads, "splitLatent": .heads, "add": .add, "gatedUnit": .activation,
      "route": .route, "permute": .permute, "unpermute": .permute, "headLoss": .loss,
      "convert": .convert,
    ]
    return try #require(classes[word], "\(text)")
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
