import Engines
import Foundation
import Models
import Plans
import Programs
import Schedules
import Simulation
import Testing

/// Simulated times of V schedules, DualPipe and overlapped pairs against ways of working them out that share
/// nothing with the simulation.
@Suite struct TimingOracleTests {
  struct Order: Sendable, CustomStringConvertible {
    var file: String
    var schedule: String
    var ranks: Int
    var stagesPerRank: Int
    var microbatches: Int
    var send: Plan.SendMode
    var description: String { file }
  }

  static let orders = [
    Order(
      file: "DualPipe_pp2_mb8", schedule: "dualpipe", ranks: 2, stagesPerRank: 1, microbatches: 8,
      send: .batched),
    Order(
      file: "DualPipe_pp4_mb12", schedule: "dualpipe", ranks: 4, stagesPerRank: 1,
      microbatches: 12, send: .batched),
    Order(
      file: "DualPipe_pp8_mb16", schedule: "dualpipe", ranks: 8, stagesPerRank: 1,
      microbatches: 16, send: .batched),
    Order(
      file: "DualPipeV_pp2_mb8", schedule: "dualpipev", ranks: 2, stagesPerRank: 2,
      microbatches: 8, send: .batched),
    Order(
      file: "DualPipeV_pp4_mb10", schedule: "dualpipev", ranks: 4, stagesPerRank: 2,
      microbatches: 10, send: .batched),
    Order(
      file: "DualPipeV_pp4_v2_mb15", schedule: "dualpipev", ranks: 4, stagesPerRank: 2,
      microbatches: 15, send: .eager),
    Order(
      file: "ZBVZeroBubble_pp2_v2_mb8", schedule: "zbv", ranks: 2, stagesPerRank: 2,
      microbatches: 8, send: .eager),
    Order(
      file: "ZBVZeroBubble_pp4_v2_mb10", schedule: "zbv", ranks: 4, stagesPerRank: 2,
      microbatches: 10, send: .eager),
  ]

  private static func csv(_ file: String) throws -> String {
    let folder = try #require(Bundle.module.resourceURL).appending(path: "Fixtures/orders")
    return try String(contentsOf: folder.appending(path: "\(file).csv"), encoding: .utf8)
  }

  /// When each action of a simulated step ended, by its text.
  private static func ends(_ result: StepResult) -> [String: Int64] {
    var ends: [String: Int64] = [:]
    for item in result.ranks.flatMap(\.items) {
      switch item.item {
      case .run(let action): ends["\(action)"] = item.end
      case .overlapped(let forward, let backward):
        ends["(\(forward);\(backward))OVERLAP_F_B"] = item.end
      default: break
      }
    }
    return ends
  }

  private static func program(_ letter: Character, of stage: StageProgram) -> Program {
    switch letter {
    case "F": stage.forward
    case "B": stage.backward
    case "I": stage.backwardInput
    default: stage.backwardWeight
    }
  }

  /// Every action of recorded orders ends when the longest way to it says, with and without times for
  /// messages, whatever kernels and pairs take.
  @Test(arguments: orders, [0, 3e-6, 40e-6]) func recordedOrders(
    _ order: Order, message: Double
  ) throws {
    let plan = Inputs.plan(
      order.schedule, pipeline: order.ranks, stagesPerRank: order.stagesPerRank,
      microbatches: order.microbatches, send: order.send)
    // Stages of two layers, with the embedding in the first and the head in the last.
    let layers = 2 * order.ranks * order.stagesPerRank
    let input = try Inputs.input(Inputs.gpt(layers: layers), plan)
    for (kernel, factor) in [(1e-6, 1.0), (2.5e-6, 0.75)] {
      var pricing = FlatPricing(overlapFactor: factor)
      pricing.kernel = kernel
      pricing.message = message
      pricing.messagesShareLinks = false
      let result = StepSimulation(input, pricing: pricing).run()
      let oracle = TimingOracle(
        try Self.csv(order.file), message: Int64((message * 1e12).rounded())
      ) { actions in
        let each = actions.count == 2 ? kernel * factor : kernel
        return actions.reduce(0) { sum, action in
          let program = Self.program(action.pass, of: input.stages[action.stage])
          return sum + Int64(program.operations.count) * Int64((each * 1e12).rounded())
        }
      }
      let ends = Self.ends(result)
      #expect(ends == oracle.ends)
      let last = result.step - result.ranks[0].split.optimizer
      #expect(last == oracle.ends.values.max())
      #expect(ends.count >= order.ranks * order.microbatches)
    }
  }

  /// Orders that are planned for a V have no outside record: the order is ours, its times the oracle's.
  @Test(arguments: ["v-half", "v-min", "zbv", "zb-2p", "interleaved-1f1b"], [2, 4])
  func plannedOrders(_ name: String, ranks: Int) throws {
    let isLine = name == "zb-2p"
    let plan = Inputs.plan(
      name, pipeline: ranks, stagesPerRank: isLine ? 1 : 2, microbatches: 3 * ranks, send: .eager)
    let input = try Inputs.input(Inputs.gpt(layers: 4 * ranks), plan)
    let text = try ScheduleName(named: name).schedule(
      ranks: ranks, stagesPerRank: isLine ? 1 : 2, microbatches: 3 * ranks
    ).lowered(.eager).csv
    var pricing = FlatPricing()
    pricing.messagesShareLinks = false
    let result = StepSimulation(input, pricing: pricing).run()
    let oracle = TimingOracle(text, message: 5_000_000) { actions in
      Int64(Self.program(actions[0].pass, of: input.stages[actions[0].stage]).operations.count)
        * 1_000_000
    }
    #expect(Self.ends(result) == oracle.ends)
  }

  /// Where ranks hold experts: lone actions and pairs take what their own arithmetic says, and so does the
  /// whole step.
  @Test(arguments: [("dualpipe", 1), ("dualpipev", 2)], [1.0, 1.5])
  func exchangesInPairs(_ schedule: (name: String, stages: Int), factor: Double) throws {
    let plan = Inputs.plan(
      schedule.name, pipeline: 4, stagesPerRank: schedule.stages, microbatches: 12, data: 2,
      expert: 2, send: .batched)
    let input = try Inputs.input(Inputs.deepSeek(layers: 8 * schedule.stages), plan)
    let text = try ScheduleName(named: schedule.name).schedule(ranks: 4, microbatches: 12)
      .lowered(.batched).csv
    for exchange in [0, 4e-6, 60e-6] {
      var pricing = FlatPricing(overlapFactor: factor)
      pricing.messagesShareLinks = false
      pricing.exchange = ExchangePrice(preparation: exchange / 4, payload: exchange)
      let result = StepSimulation(input, pricing: pricing).run()
      let whole = Int64((exchange / 4 * 1e12).rounded()) + Int64((exchange * 1e12).rounded())
      let oracle = TimingOracle(text, message: 5_000_000) { actions in
        let programs = actions.map { Self.program($0.pass, of: input.stages[$0.stage]) }
        let kernel = programs.count == 2 ? Int64((factor * 1e6).rounded()) : 1_000_000
        return PairArithmetic(programs, kernel: kernel, exchange: whole).duration
      }
      #expect(Self.ends(result) == oracle.ends, "exchange \(exchange)")
    }
  }

  /// The ends of what an overlapped pair can take, which need no simulation: nothing but kernels where
  /// exchanges are free, nothing but exchanges, one behind the other on their stream, where kernels are.
  @Test func pairsAtTheirExtremes() throws {
    let plan = Inputs.plan(
      "dualpipe", pipeline: 2, microbatches: 4, data: 2, expert: 2, send: .batched)
    let input = try Inputs.input(Inputs.deepSeek(layers: 4), plan)
    func pairs(_ pricing: FlatPricing) -> [(forward: Action, backward: Action, time: Int64)] {
      StepSimulation(input, pricing: pricing).run().ranks.flatMap(\.items).compactMap { item in
        guard case .overlapped(let forward, let backward) = item.item else { return nil }
        return (forward, backward, item.end - item.start)
      }
    }
    func counts(_ pair: (forward: Action, backward: Action, time: Int64)) -> (Int, Int) {
      let programs =
        [input.stages[pair.forward.stage].forward]
        + [input.stages[pair.backward.stage].backward]
      let exchanges = programs.flatMap(\.transfers).count { $0.kind.isExpertPayload }
      return (programs.reduce(0) { $0 + $1.operations.count }, exchanges)
    }
    var free = FlatPricing()
    free.exchange = ExchangePrice(preparation: 0, payload: 0)
    var idle = FlatPricing()
    idle.kernel = 0
    let both = pairs(FlatPricing())
    // Each rank runs its first two backwards into the middle: one apart, the other in the only pair.
    #expect(both.count == 2)
    for ((kernels, exchanges), pair) in zip(zip(pairs(free), pairs(idle)), both) {
      let (operations, payloads) = counts(pair)
      #expect(payloads >= 4)
      #expect(kernels.time == Int64(operations) * 1_000_000)
      #expect(exchanges.time == Int64(payloads) * 12_000_000)
      #expect(pair.time >= max(kernels.time, exchanges.time))
      #expect(pair.time < kernels.time + exchanges.time)
    }
  }
}

/// What actions that run together take, counted step by step: a backward and a forward give way to each
/// other where they come to wait for an exchange, the backward first; exchanges go one behind the other.
private struct PairArithmetic {
  let duration: Int64

  /// - Parameter programs: of one action, or of a forward and a backward.
  init(_ programs: [Program], kernel: Int64, exchange: Int64) {
    var (clock, wireFree) = (Int64(0), Int64(0))
    // Each program's steps that take time, those of the backward of a pair first.
    var rest = programs.reversed().map { program in
      (steps: program.steps[...], program: program, ends: [Int32: Int64]())
    }
    var turn = 0
    while rest.contains(where: { !$0.steps.isEmpty }) {
      var isFirst = true
      while let step = rest[turn].steps.first {
        if case .wait(let index) = step {
          let isPayload = rest[turn].program.transfers[Int(index)].kind.isExpertPayload
          if isPayload, !isFirst, rest.count == 2 { break }
          clock = max(clock, rest[turn].ends[index] ?? 0)
        }
        if case .compute = step { clock += kernel }
        if case .start(let index) = step,
          rest[turn].program.transfers[Int(index)].kind.isExpertPayload
        {
          wireFree = max(clock, wireFree) + exchange
          rest[turn].ends[index] = wireFree
        }
        isFirst = false
        rest[turn].steps = rest[turn].steps.dropFirst()
      }
      turn = (turn + 1) % rest.count
    }
    duration = clock
  }
}
