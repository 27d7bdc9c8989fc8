import Foundation
import Models
import Plans
import Programs
import Simulation
import Testing

/// How rows get to their experts moves bytes, time and memory of a step.
@Suite struct DispatcherTests {
  /// Qwen3's 128 experts, 8 of them for a token, over four nodes; 4,096 tokens on each rank.
  static let silent = PlanKeyTests.experts.replacingOccurrences(of: "dispatcher: deepep", with: "")

  static func step(
    _ dispatcher: Plan.Dispatcher?, _ more: String..., cluster: [String] = []
  ) throws -> PlannedStep {
    try step(dispatcher, more, cluster: cluster)
  }

  static func step(
    _ dispatcher: Plan.Dispatcher?, _ more: [String], cluster: [String] = []
  ) throws -> PlannedStep {
    let said = dispatcher.map { ["dispatcher=\($0.rawValue)"] } ?? []
    return try PlannedStep(
      architecture: .named("qwen3-235b-a22b", overrides: ["num_hidden_layers=4"]),
      cluster: .named("h800-2048", overrides: cluster),
      plan: .read(.init(text: silent, name: "plan"), name: "plan", overrides: said + more))
  }

  /// What is left out stands under "Assumed", with why, and is what the same words say.
  @Test func theDefaultIsSaid() throws {
    let silent = try Self.step(nil)
    #expect(
      silent.assumptions == [
        "dispatcher all-to-all, as nothing limits a token's nodes",
        "expert exchanges on 16 SMs (node.collectives.all-to-all.multiprocessors)",
      ])
    #expect(silent.placed.plan.dispatcher == .allToAll)
    let spoken = try Self.step(.allToAll, "communication-sms=16")
    #expect(spoken.assumptions.isEmpty)
    #expect(spoken.simulation.run().step == silent.simulation.run().step)
    let limited = try Self.step(nil, "nodes-per-token=2")
    #expect(limited.placed.plan.dispatcher == .deepEP)
    #expect(limited.assumptions.first == "dispatcher deepep, as a token's nodes are limited")
    let gathered = try Self.step(.allGather)
    #expect(
      gathered.assumptions == [
        "expert exchanges on 16 SMs (node.collectives.ring.multiprocessors)"
      ])
  }

  /// Rows that a rank receives: one for each expert here, or all tokens of the group; experts compute the
  /// same ones whatever brings them.
  @Test func rowsByClosedForm() throws {
    let steps = try Plan.Dispatcher.allCases.map { try Self.step($0) }
    let rows = steps.map { $0.input.balancedRows[0] }
    #expect(rows.map { $0.routed[0] } == [8 * 4_096, 8 * 4_096, 8 * 4_096])
    #expect(rows[0].received[0] > 4_096 * 7 && rows[0].received[0] < 4_096 * 8)
    #expect(rows[1].received[0] == 8 * 4_096 && rows[1].sent[0] == 8 * 4_096)
    #expect(rows[2].received[0] == 32 * 4_096 && rows[2].sent[0] == 32 * 4_096)
    let results = steps.map { $0.simulation.run() }
    #expect(results[0].ranks[0].flops == results[1].ranks[0].flops)
    #expect(results[0].ranks[0].flops == results[2].ranks[0].flops)
    #expect(Set(results.map(\.step)).count == 3)
  }

  /// A row in BF16 with the weight of its expert, or with flags and weights of all 128; on its way back
  /// with a gradient for each weight, and alone from the experts and to them.
  @Test func bytesOfARow() throws {
    for (dispatcher, tail, weights) in [
      (Plan.Dispatcher.deepEP, 8 * 8, 8), (.allToAll, 4, 1), (.allGather, 5 * 128, 128),
    ] {
      let stage = try Self.step(dispatcher).input.stages[0]
      /// The bytes of all rows of a kind, each once.
      func bytes(_ program: Program, _ matches: (TransferKind) -> Bool) -> Set<Int> {
        Set(program.transfers.filter { matches($0.kind) }.map(\.bytesPerRow))
      }
      let row = 2 * 4_096
      #expect(
        bytes(stage.forward) { if case .dispatch = $0 { true } else { false } } == [row + tail])
      #expect(bytes(stage.forward) { if case .combine = $0 { true } else { false } } == [row])
      #expect(
        bytes(stage.backward) { if case .combineBackward = $0 { true } else { false } } == [row])
      #expect(
        bytes(stage.backward) { if case .dispatchBackward = $0 { true } else { false } }
          == [row + 4 * weights], "\(dispatcher)")
      let counts = stage.forward.transfers.filter {
        if case .counts = $0.kind { true } else { false }
      }
      #expect(counts.isEmpty == (dispatcher == .allGather))
    }
  }

  /// Rows are put in order where they start, held until they are sent, sorted again where a rank has
  /// several experts, and added up where they started.
  @Test func rowsAreArrangedWhereTheyStart() throws {
    func stage(_ ranks: Int) throws -> StageProgram {
      try Self.step(
        .allToAll, "expert-parallel=\(ranks)", "data-parallel=128", "global-batch=512"
      ).input.stages[0]
    }
    func count(_ stage: StageProgram, _ matches: (Kernel) -> Bool) -> Int {
      (stage.forward.operations + stage.backward.operations).filter { matches($0.kernel) }.count
    }
    let chosen = ChosenRows(tokens: 4_096, chosen: 8, columns: 4_096)
    for (ranks, sorts) in [(32, 4), (128, 0)] {
      let stage = try stage(ranks)
      for pass in [Pass.forward, .backwardInput] {
        #expect(count(stage) { $0 == .arrange(chosen, pass) } == stage.exchangeCount)
        #expect(count(stage) { $0 == .collect(chosen, pass) } == stage.exchangeCount)
      }
      #expect(
        count(stage) {
          if case .convert(.permute, _, _, _, _) = $0 { true } else { false }
        } == sorts * stage.exchangeCount)
      let held = stage.buffers.filter { $0.name == "rows to send" }
      #expect(held.count == stage.exchangeCount)
      #expect(held.allSatisfy { $0.rows == .fixed(8 * 4_096) && $0.scope == .action })
    }
  }

  /// Whoever gathers all tokens holds them, with a flag and a weight for every expert.
  @Test func gatheredTokensAreHeld() throws {
    let input = try Self.step(.allGather).input
    let stage = input.stages[0]
    #expect(stage.exchangeCount > 0)
    for (name, columns) in [("received", 4_096), ("routing, received", (5 * 128 + 3) / 4)] {
      let held = stage.buffers.filter { $0.name == name }
      #expect(held.count == stage.exchangeCount)
      #expect(
        Set(held.map(\.rows)) == Set((0..<stage.exchangeCount).map { .received(exchange: $0) }))
      #expect(held.allSatisfy { $0.columns == columns }, "\(name)")
    }
    #expect(input.balancedRows[0].received.allSatisfy { $0 == 32 * 4_096 })
    let peaks = try [Plan.Dispatcher.deepEP, .allGather].map {
      try Self.step($0).report().memory.peak
    }
    #expect(peaks[1] > peaks[0])
  }

  /// What all tokens take does not depend on the experts that they choose.
  @Test func gathersAreIndependentOfRouting() throws {
    func expert(_ dispatcher: Plan.Dispatcher, _ load: String) throws -> StepReport.Communication {
      try Self.step(dispatcher, "expert-load=\(load)").report().expert
    }
    let scattered = "{deviation: 0.2, seed: 1}"
    let gathers = try [scattered, "balanced"].map { try expert(.allGather, $0) }
    #expect(abs(gathers[0].total - gathers[1].total) < 1e-9)
    // The loaded rank takes longer, and all others wait for it.
    let sent = try [scattered, "balanced"].map { try expert(.allToAll, $0) }
    #expect(sent[0].total + sent[0].waiting > 1.1 * (sent[1].total + sent[1].waiting))
  }

  /// With too few of them every exchange takes longer.
  @Test(arguments: Plan.Dispatcher.allCases) func multiprocessorsAct(dispatcher: Plan.Dispatcher)
    throws
  {
    let usual = try Self.step(dispatcher)
    let few = try Self.step(dispatcher, "communication-sms=2").report().expert.total
    #expect(few > 2 * usual.report().expert.total)
    let key =
      switch dispatcher {
      case .deepEP: "node.exchange.multiprocessors"
      case .allToAll: "node.collectives.all-to-all.multiprocessors"
      case .allGather: "node.collectives.ring.multiprocessors"
      }
    // Where the key is the usual number, the plan says the same with it.
    let number = try #require(usual.placed.plan.communicationSMs)
    #expect(number == (dispatcher == .deepEP ? 20 : 16))
    let other = try Self.step(dispatcher, cluster: ["\(key)=24"])
    #expect(other.placed.plan.communicationSMs == 24)
    // Beside them pairs compute on those that are left.
    func pairs(_ count: Int, _ more: String...) throws -> Int64 {
      let plan = ["schedule=dualpipe"] + more
      return try Self.step(dispatcher, plan, cluster: ["\(key)=\(count)"]).simulation.run().step
    }
    #expect(try pairs(24) != pairs(16))
    // A quarter of what NCCL takes by itself is slower; DeepEP's rate is one for each.
    let (part, whole) = try (
      pairs(64, "communication-sms=16"), pairs(16, "communication-sms=16")
    )
    #expect(dispatcher == .deepEP ? part == whole : part > whole)
  }

  /// Without the exchange's own constants a cluster still gathers and sends, not in two levels.
  @Test func onlyDeepEPNeedsItsConstants() throws {
    for dispatcher in [Plan.Dispatcher.allToAll, .allGather] {
      #expect(try Self.step(dispatcher, cluster: ["node.exchange=null"]).assumptions.count == 1)
    }
    #expect(throws: (any Error).self) {
      try Self.step(.deepEP, cluster: ["node.exchange=null"])
    }
  }

  /// What one multiprocessor moves is known by its ends: where they differ, exchange and step are told at
  /// both; where a link is full, nothing is.
  @Test func whatDependsOnAMultiprocessorsRateIsSaid() throws {
    #expect(try Self.step(.allToAll, "communication-sms=2").exchangeRange == nil)
    #expect(try Self.step(.deepEP, "communication-sms=24").exchangeRange == nil)
    let step = try Self.step(.deepEP, "communication-sms=6")
    let range = try #require(step.exchangeRange)
    #expect(range.multiprocessors == 6 && range.rate.stated == 5.86e9)
    // But for the latency of two hops the exchange takes as much longer as the rate is lower.
    let hops = 7.03e-6
    let ratio = (range.secondsAtLow - hops) / (range.seconds - hops)
    #expect(abs(ratio - 5.86 / 5.205) < 1e-3)
    #expect(range.secondsAtHigh < range.seconds / 2)
    let stated = Double(step.simulation.run().step) / 1e12
    #expect(step.stepSeconds(exchangingAt: .stated) == stated)
    #expect(step.stepSeconds(exchangingAt: .low) > stated)
    #expect(step.stepSeconds(exchangingAt: .high) < stated)
  }
}
