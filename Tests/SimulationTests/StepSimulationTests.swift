import Models
import Plans
import Programs
import Schedules
import Simulation
import Testing

@Suite struct StepSimulationTests {
  static let schedules: [(String, Int)] = [
    ("gpipe", 1), ("1f1b", 1), ("interleaved-1f1b", 2), ("looped-bfs", 2), ("zb-h1", 1),
    ("zb-h2", 1), ("zbv", 2), ("v-half", 2), ("v-min", 2), ("interleaved-zero-bubble", 2),
    ("dualpipe", 1), ("dualpipev", 2),
  ]

  /// Every schedule comes to an end, its parts add up to the step on every rank, and nothing but the
  /// stages' own buffers is left.
  @Test(arguments: schedules, [Plan.SendMode.batched, .eager])
  func everyScheduleRuns(schedule: (String, Int), send: Plan.SendMode) throws {
    let plan = Inputs.plan(
      schedule.0, pipeline: 4, stagesPerRank: schedule.1, microbatches: 8, send: send)
    let input = try Inputs.input(Inputs.gpt(layers: 8), plan)
    let result = StepSimulation(input, pricing: FlatPricing()).run()
    #expect(result.ranks.count == 4)
    for rank in result.ranks {
      #expect(rank.split.total == result.step)
      #expect(rank.split.bubble >= 0)
      let live = rank.memory.live
      #expect(live[Int(Buffer.Use.activation.rawValue)] == 0)
      #expect(live[Int(Buffer.Use.workspace.rawValue)] == 0)
      #expect(rank.memory.peak > rank.memory.total)
    }
  }

  /// With free messages the makespan before the optimizer is that of the schedule's own timing.
  @Test(arguments: ["gpipe", "1f1b", "zb-h1"], [2, 4])
  func agreesWithTheTimedSchedule(name: String, ranks: Int) throws {
    let plan = Inputs.plan(name, pipeline: ranks, microbatches: 8)
    // Stages without embedding and head differ from the others; compare what is the same everywhere.
    let architecture = Inputs.gpt(layers: 4 * ranks)
    let input = try Inputs.input(architecture, plan)
    var pricing = FlatPricing()
    pricing.message = 0
    let result = StepSimulation(input, pricing: pricing).run()
    let lastAction = result.step - result.ranks[0].split.optimizer
    let times = stageTimes(input)
    #expect(lastAction == makespan(input, times))
  }

  private func stageTimes(_ input: StepInput) -> [[Action.Pass: Int64]] {
    input.stages.map { stage in
      [
        .forward: Int64(stage.forward.operations.count) * 1_000_000,
        .backward: Int64(stage.backward.operations.count) * 1_000_000,
        .backwardInput: Int64(stage.backwardInput.operations.count) * 1_000_000,
        .backwardWeight: Int64(stage.backwardWeight.operations.count) * 1_000_000,
      ]
    }
  }

  /// List simulation of the schedule's actions, written apart from the engine.
  private func makespan(_ input: StepInput, _ times: [[Action.Pass: Int64]]) -> Int64 {
    var ends: [Action: Int64] = [:]
    var clocks = [Int64](repeating: 0, count: input.ranks.count)
    var next = [Int](repeating: 0, count: input.ranks.count)
    var hasMoved = true
    while hasMoved {
      hasMoved = false
      for rank in input.ranks.indices {
        let actions = input.ranks[rank].items.compactMap { item -> Action? in
          if case .run(let action) = item { action } else { nil }
        }
        while next[rank] < actions.count {
          let action = actions[next[rank]]
          var ready: Int64 = 0
          if action.pass == .forward, action.stage > 0 {
            guard
              let end = ends[
                Action(.forward, stage: action.stage - 1, microbatch: action.microbatch)]
            else { break }
            ready = end
          } else if action.pass == .backward || action.pass == .backwardInput,
            action.stage < input.stages.count - 1
          {
            guard
              let end = ends[
                Action(action.pass, stage: action.stage + 1, microbatch: action.microbatch)]
            else { break }
            ready = end
          }
          let end = max(clocks[rank], ready) + (times[action.stage][action.pass] ?? 0)
          ends[action] = end
          clocks[rank] = end
          next[rank] += 1
          hasMoved = true
        }
      }
    }
    return clocks.max() ?? 0
  }

  /// A replayed step is the walked step, number by number.
  @Test func replayEqualsFullWalk() throws {
    let plan = Inputs.plan("dualpipe", pipeline: 4, microbatches: 8, data: 4, expert: 4)
    var input = try Inputs.input(Inputs.deepSeek(layers: 8), plan)
    for load in [Plan.ExpertLoad.balanced, .deviation(0.2, seed: 7)] {
      input.load = load
      var simulation = StepSimulation(input, pricing: FlatPricing(overlapFactor: 1.5))
      let replayed = simulation.run()
      simulation.replays = false
      let walked = simulation.run()
      #expect(replayed.step == walked.step)
      #expect(replayed.ranks == walked.ranks)
      #expect(replayed.walkedOperations < walked.walkedOperations)
    }
  }

  /// Every rank simulated by itself comes to the same step as one rank per position, to the picosecond;
  /// a slow device changes it, and never for the better.
  @Test func foldedEqualsExplicit() throws {
    for (expert, schedule) in [(2, "dualpipe"), (4, "1f1b"), (1, "zb-h1")] {
      let plan = Inputs.plan(schedule, pipeline: 4, microbatches: 8, data: 4, expert: expert)
      let input = try Inputs.input(Inputs.deepSeek(layers: 8), plan)
      var simulation = StepSimulation(input, pricing: FlatPricing())
      let folded = simulation.run()
      simulation.isExplicit = true
      let explicit = simulation.run()
      #expect(explicit.ranks.count == 16)
      #expect(folded.step == explicit.step)
      for rank in explicit.ranks {
        #expect(rank.split == folded.ranks[rank.position].split)
        #expect(rank.memory == folded.ranks[rank.position].memory)
      }
      var slowness = [Double](repeating: 1, count: 16)
      slowness[5] = 1.5
      simulation.slowness = slowness
      let slowed = simulation.run()
      #expect(slowed.step > explicit.step)
    }
  }
}
