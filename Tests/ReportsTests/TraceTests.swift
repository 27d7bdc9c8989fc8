import Clusters
import Documents
import Foundation
import Models
import Plans
import Programs
import Reports
import Simulation
import TestSupport
import Testing

/// Traces of a simulated step.
@Suite struct TraceTests {
  struct Event: Decodable {
    var name: String
    var ph: String
    var cat: String?
    var id: String?
    var pid: Int
    var tid: Int?
    var ts: Double?
    var dur: Double?
    var args: [String: Value]?
  }

  enum Value: Decodable {
    case number(Int)
    case text(String)

    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      if let number = try? container.decode(Int.self) {
        self = .number(number)
      } else {
        self = .text(try container.decode(String.self))
      }
    }
  }

  struct Trace: Decodable {
    var traceEvents: [Event]
  }

  static func step(_ schedule: String, stagesPerRank: Int = 1) throws -> PlannedStep {
    var plan = Plan()
    plan.schedule = .named(schedule)
    plan.pipelineParallel = 2
    plan.stagesPerRank = stagesPerRank
    plan.dataParallel = 8
    plan.expertParallel = 8
    plan.globalBatch = 32
    plan.sequenceLength = 512
    plan.zeroStage = .optimizer
    plan.communicationSMs = 20
    let model = try Architecture.named(
      "deepseek-v3",
      overrides: ["num_hidden_layers=6", "first_k_dense_replace=1", "n_routed_experts=64"])
    return try PlannedStep(
      architecture: model, cluster: try Cluster.shipped("h800-2048"), plan: plan)
  }

  static func result(_ step: PlannedStep) -> StepResult {
    var simulation = step.simulation
    simulation.keepsSpans = true
    return simulation.run()
  }

  @Test(arguments: [("1f1b", 1), ("zb-h1", 1), ("zbv", 2), ("dualpipe", 1), ("dualpipev", 2)])
  func spansNestAndDoNotOverlap(_ schedule: String, _ stagesPerRank: Int) throws {
    let step = try Self.step(schedule, stagesPerRank: stagesPerRank)
    let result = Self.result(step)
    let scratch = try Scratch()
    try StepTrace(result, of: step, Inputs()).write(to: scratch.output("step.json"))
    #expect(scratch.names == ["step.json"])
    let data = try Data(contentsOf: URL(fileURLWithPath: scratch.file("step.json")))
    let events = try JSONDecoder().decode(Trace.self, from: data).traceEvents
    let spans = events.filter { $0.ph == "X" }
    let items = result.ranks.reduce(0) { $0 + $1.items.count }
    let inside = result.ranks.reduce(0) { $0 + $1.items.reduce(0) { $0 + $1.spans.count } }
    let transfers = result.ranks.reduce(0) { $0 + $1.transfers.count }
    #expect(spans.count == items + inside + transfers)
    #expect(inside > 100)
    #expect(Set(spans.map(\.pid)) == [0, 1])
    #expect(try TraceNesting.overlaps(in: data).isEmpty)
    // Operations lie inside their action, nothing inside an operation.
    let depths = try TraceNesting.depths(in: data)
    for (track, depth) in depths { #expect(depth == (track.hasSuffix(" 0") ? 2 : 1), "\(track)") }
    #expect(depths.count >= 4)
  }

  /// What the trace shows on each stream adds up to the report's figures, and every message has its send, its
  /// receive, its bytes and an arrow.
  @Test(arguments: [("1f1b", 1), ("zbv", 2), ("dualpipe", 1), ("interleaved-1f1b", 2)])
  func eventsAddUpToTheFigures(_ schedule: String, _ stagesPerRank: Int) throws {
    let step = try Self.step(schedule, stagesPerRank: stagesPerRank)
    let result = Self.result(step)
    let scratch = try Scratch()
    try StepTrace(result, of: step, Inputs()).write(to: scratch.output("step.json"))
    let data = try Data(contentsOf: URL(fileURLWithPath: scratch.file("step.json")))
    let events = try JSONDecoder().decode(Trace.self, from: data).traceEvents
    func tracks(_ name: String, _ process: Int) -> Set<Int> {
      Set(
        events.filter { event in
          guard event.name == "thread_name", event.pid == process,
            case .text(let text) = event.args?["name"]
          else { return false }
          return text == name || text.hasPrefix(name + " ")
        }.compactMap(\.tid))
    }
    // Events are cut to whole nanoseconds.
    func adds(_ names: [String], _ process: Int, to expected: Int64) -> Bool {
      let tids = names.reduce(into: Set<Int>()) { $0.formUnion(tracks($1, process)) }
      let found = events.filter {
        $0.ph == "X" && $0.pid == process && tids.contains($0.tid ?? -1)
      }
      let sum = found.reduce(0) { $0 + Int64((($1.dur ?? 0) * 1e3).rounded()) } * 1000
      return abs(sum - expected) <= Int64(found.count) * 1000
    }
    for rank in result.ranks {
      let process = rank.position
      #expect(adds(["send", "receive"], process, to: rank.pipeline.total))
      #expect(adds(["expert"], process, to: rank.expert.total))
      #expect(adds(["data", "reduce and gather"], process, to: rank.data.total))
      #expect(adds(["tensor"], process, to: rank.tensor.total))
      let busy = events.filter {
        $0.ph == "X" && $0.pid == process && $0.tid == 0 && $0.cat != "action" && $0.cat != "wait"
          && $0.cat != "optimizer" && $0.cat != "message"
      }
      let spans = rank.items.flatMap(\.spans).filter {
        if case .operation = $0.kind { true } else { false }
      }
      #expect(busy.count == spans.count)
    }
    let messages = events.filter { $0.ph == "X" && $0.cat == "message" && ($0.tid ?? 0) >= 16 }
    let plan = step.placed.plan
    let bytes = plan.tokensPerMicrobatch * 7168 * 2
    for message in messages {
      guard case .number(let count) = message.args?["bytes"],
        case .number(let peer) = message.args?["peer"]
      else {
        Issue.record("\(message)")
        continue
      }
      #expect(count == bytes && peer == 1 - message.pid)
    }
    let sends = messages.filter { $0.name.hasPrefix("send") }
    #expect(sends.count * 2 == messages.count && !sends.isEmpty)
    let tails = events.filter { $0.ph == "s" }.compactMap(\.id)
    let heads = events.filter { $0.ph == "f" }.compactMap(\.id)
    #expect(tails.count == sends.count)
    #expect(Set(tails).count == tails.count && Set(tails) == Set(heads))
  }

  /// The counters come from the programs, the peak from the simulation: they must agree.
  @Test(arguments: [("1f1b", 1), ("zb-h1", 1), ("zbv", 2), ("dualpipe", 1)])
  func countersReachThePeakAndReturn(_ schedule: String, _ stagesPerRank: Int) throws {
    let step = try Self.step(schedule, stagesPerRank: stagesPerRank)
    for rank in Self.result(step).ranks {
      let samples = TraceMemory.samples(of: rank, step.input)
      #expect(samples.map(\.total).max() == rank.memory.peak)
      #expect(samples.first?.live == samples.last?.live)
      #expect(zip(samples, samples.dropFirst()).allSatisfy { $0.time <= $1.time })
    }
  }

  /// `bytes` is what a rank puts in: a dispatch the rows that it sends, a combine those that came, and so
  /// their gradients the other way round.
  @Test func exchangesCarryWhatTheRankPutsIn() throws {
    let step = try Self.step("1f1b")
    var input = step.input
    // A rank sends as many rows as it receives; a few more tell the two apart.
    input.balancedRows[1].sent = input.balancedRows[1].sent.map { $0 + 8 }
    var simulation = StepSimulation(input, pricing: step.pricing)
    simulation.keepsSpans = true
    let result = simulation.run()
    let rows = input.balancedRows[1]
    var kinds: Set<String> = []
    for item in result.ranks[1].items {
      guard case .run(let action) = item.item else { continue }
      let program = step.input.stages[action.stage].program(for: action.pass)
      for span in item.spans {
        guard case .transfer(let index) = span.kind else { continue }
        let transfer = program.transfers[Int(index)]
        switch transfer.kind {
        case .dispatch(let exchange), .combineBackward(let exchange):
          #expect(span.bytes == rows.sent[exchange] * transfer.bytesPerRow)
        case .combine(let exchange), .dispatchBackward(let exchange):
          #expect(span.bytes == rows.received[exchange] * transfer.bytesPerRow)
        default: continue
        }
        kinds.insert("\(transfer.kind)")
      }
    }
    #expect(kinds.count >= 4)
  }

  /// A reader that multiplies by 1,000 and cuts has the nanoseconds back, however they fall.
  @Test func timesAreWholeNanosecondsToTheViewer() throws {
    let step = try Self.step("zbv", stagesPerRank: 2)
    let scratch = try Scratch()
    try StepTrace(Self.result(step), of: step, Inputs()).write(to: scratch.output("step.json"))
    let data = try Data(contentsOf: URL(fileURLWithPath: scratch.file("step.json")))
    let events = try JSONDecoder().decode(Trace.self, from: data).traceEvents
    let times: [Double] = events.filter { $0.ph == "X" }.flatMap { [$0.ts ?? -1, $0.dur ?? -1] }
    #expect(times.count > 1000)
    for time in times { #expect((time * 1000).rounded(.down) == (time * 1000).rounded()) }
  }

  @Test func oneRankCanBeChosen() throws {
    let step = try Self.step("1f1b")
    let scratch = try Scratch()
    var trace = try StepTrace(Self.result(step), of: step, Inputs())
    trace.positions = [1]
    try trace.write(to: scratch.output("step.json"))
    let data = try Data(contentsOf: URL(fileURLWithPath: scratch.file("step.json")))
    let events = try JSONDecoder().decode(Trace.self, from: data).traceEvents
    #expect(Set(events.filter { $0.ph == "X" }.map(\.pid)) == [1])
  }

  @Test func aTraceOverTheLimitLeavesWhatWasThere() throws {
    let step = try Self.step("1f1b")
    let scratch = try Scratch()
    let path = try scratch.write("kept", "step.json")
    var trace = try StepTrace(Self.result(step), of: step, Inputs())
    trace.limit = 10_000
    #expect(throws: ConfigurationError.self) { try trace.write(to: scratch.output("step.json")) }
    #expect(scratch.names == ["step.json"])
    #expect(try String(contentsOfFile: path, encoding: .utf8) == "kept")
  }
}
