import Engines
import Models
import Plans
import Programs
import Schedules
import Simulation
import Testing

/// What passes an adapter at once shares it.
@Suite struct SharedAdapterTests {
  static func result(
    _ architecture: Architecture, _ plan: Plan, _ pricing: FlatPricing, explicit: Bool = false
  ) throws -> StepResult {
    var simulation = StepSimulation(try Inputs.input(architecture, plan), pricing: pricing)
    simulation.keepsSpans = true
    simulation.isExplicit = explicit
    return simulation.run()
  }

  /// Start and end of what a rank sends or receives.
  static func messages(_ rank: RankResult, sent: Bool) -> [(start: Int64, end: Int64)] {
    rank.transfers.compactMap { span in
      guard case .message(let transfer) = span.kind, transfer.isSend == sent else { return nil }
      return (span.start, span.end)
    }.sorted { $0 < $1 }
  }

  /// Payloads of a rank's exchanges, 10 microseconds each, at the end of their spans.
  static func windows(_ rank: RankResult, payload: Int64) -> [(start: Int64, end: Int64)] {
    exchanges(rank).map { (start: $0.end - payload, end: $0.end) }.filter { $0.start < $0.end }
  }

  /// A rank's exchanges, in the time of its step.
  static func exchanges(_ rank: RankResult) -> [(start: Int64, end: Int64)] {
    var found: [(start: Int64, end: Int64)] = []
    for item in rank.items {
      for span in item.spans where span.stream == .expert && span.end > span.start {
        found.append((item.start + span.start, item.start + span.end))
      }
    }
    return found
  }

  static func overlap(_ first: (start: Int64, end: Int64), _ second: (start: Int64, end: Int64))
    -> Int64
  { max(0, min(first.end, second.end) - max(first.start, second.start)) }

  /// Two messages that leave a rank at once take twice as long as one, and no more passes a way than it
  /// carries.
  @Test(
    arguments: ["dualpipe", "dualpipev", "interleaved-1f1b", "zbv"],
    [Plan.SendMode.batched, .eager])
  func messagesOfARankShareItsAdapter(schedule: String, send: Plan.SendMode) throws {
    let plan = Inputs.plan(
      schedule, pipeline: 4, stagesPerRank: schedule == "dualpipe" ? 1 : 2, microbatches: 8,
      send: send)
    var pricing = FlatPricing()
    pricing.message = 50e-6
    let result = try Self.result(Inputs.gpt(layers: 8), plan, pricing)
    var twice = 0
    for rank in result.ranks {
      for sent in [true, false] {
        let messages = Self.messages(rank, sent: sent)
        for (index, message) in messages.enumerated() {
          // What began in this time has to fit into the time until the last of it ends.
          let last = messages[index...].prefix { $0.start < message.end }
          let end = last.map(\.end).max() ?? message.end
          #expect(end - message.start >= Int64(last.count) * 50_000_000)
          if last.count == 2, last.map(\.start) == [message.start, message.start],
            last.map(\.end) == [message.start + 100_000_000, message.start + 100_000_000]
          {
            twice += 1
          }
        }
      }
    }
    if schedule == "dualpipe", send == .batched { #expect(twice > 0) }
  }

  /// A message beside exchanges ends when its adapters have carried both: its own time, and the time in
  /// which an exchange had either adapter.
  @Test func anEagerSendYieldsToExchanges() throws {
    let plan = Inputs.plan("gpipe", pipeline: 2, microbatches: 4, data: 2, expert: 2)
    var pricing = FlatPricing()
    pricing.message = 30e-6
    pricing.exchange.adapterShare = 1
    let result = try Self.result(Inputs.deepSeek(layers: 4), plan, pricing)
    let windows = result.ranks.map { Self.windows($0, payload: 10_000_000) }
    #expect(windows.allSatisfy { !$0.isEmpty })
    let sent = Self.messages(result.ranks[0], sent: true)
    #expect(sent.count == 4)
    var delayed = 0
    for message in sent {
      // Windows of both ends, times in which both have one counted once.
      var covered: Int64 = 0
      var reached = message.start
      for window in (windows[0] + windows[1]).sorted(by: { $0 < $1 }) where window.end > reached {
        covered += Self.overlap((max(reached, window.start), window.end), message)
        reached = max(reached, min(window.end, message.end))
      }
      #expect(message.end - message.start == 30_000_000 + covered)
      if covered > 0 { delayed += 1 }
    }
    #expect(delayed > 0)
  }

  /// An exchange that takes half of the adapter leaves a message the other half.
  @Test func halfAnAdapterIsLeft() throws {
    let plan = Inputs.plan("gpipe", pipeline: 2, microbatches: 4, data: 2, expert: 2)
    var pricing = FlatPricing()
    pricing.message = 30e-6
    var steps: [Int64] = []
    for share in [0, 0.5, 1] {
      pricing.exchange.adapterShare = share
      let result = try Self.result(Inputs.deepSeek(layers: 4), plan, pricing)
      steps.append(Self.messages(result.ranks[0], sent: true).reduce(0) { $0 + $1.end - $1.start })
    }
    #expect(steps[0] == 4 * 30_000_000)
    #expect(steps[0] < steps[1] && steps[1] < steps[2])
  }

  /// Nothing changes where exchanges stay inside the node, or messages do.
  @Test(arguments: [Plan.SendMode.batched, .eager])
  func differentLinksAreNotShared(send: Plan.SendMode) throws {
    let plan = Inputs.plan(
      "1f1b", pipeline: 4, microbatches: 8, data: 4, expert: 4, send: send)
    var pricing = FlatPricing()
    pricing.message = 30e-6
    let inside = try Self.result(Inputs.deepSeek(layers: 8), plan, pricing)
    for rank in inside.ranks {
      for message in Self.messages(rank, sent: true) {
        #expect(message.end - message.start >= 30_000_000)
      }
    }
    pricing.exchange.adapterShare = 1
    let shared = try Self.result(Inputs.deepSeek(layers: 8), plan, pricing)
    #expect(send == .batched ? shared.step == inside.step : shared.step > inside.step)
    pricing.messagesUseAdapter = false
    let apart = try Self.result(Inputs.deepSeek(layers: 8), plan, pricing)
    #expect(apart.step == inside.step)
  }

  /// With shared adapters too, every rank by itself comes to the folded step, and a replay to the walk.
  @Test(arguments: ["dualpipe", "1f1b", "zb-h1"])
  func foldedEqualsExplicitEqualsWalked(schedule: String) throws {
    let plan = Inputs.plan(schedule, pipeline: 4, microbatches: 8, data: 4, expert: 2)
    var pricing = FlatPricing()
    pricing.message = 33.3e-6
    pricing.exchange.adapterShare = 0.7
    let folded = try Self.result(Inputs.deepSeek(layers: 8), plan, pricing)
    let explicit = try Self.result(Inputs.deepSeek(layers: 8), plan, pricing, explicit: true)
    #expect(explicit.step == folded.step)
    for rank in explicit.ranks {
      #expect(rank.split == folded.ranks[rank.position].split)
      #expect(rank.transfers == folded.ranks[rank.position].transfers)
    }
    var simulation = StepSimulation(
      try Inputs.input(Inputs.deepSeek(layers: 8), plan), pricing: pricing)
    simulation.keepsSpans = true
    simulation.replays = false
    #expect(simulation.run().ranks == folded.ranks)
  }

  /// Longer messages and busier adapters make a step longer.
  ///
  /// Where several share, a delay may part two that
  /// met before, so that a step becomes shorter by less than what a message takes, but never shorter than
  /// without sharing.
  @Test(arguments: ["dualpipe", "1f1b", "gpipe", "zb-h1"])
  func moreIsNeverFaster(schedule: String) throws {
    let plan = Inputs.plan(schedule, pipeline: 4, microbatches: 8, data: 4, expert: 4)
    func step(_ message: Double, _ share: Double) throws -> Int64 {
      var pricing = FlatPricing()
      pricing.message = message
      pricing.exchange.adapterShare = share
      return try Self.result(Inputs.deepSeek(layers: 8), plan, pricing).step
    }
    let alone = try step(20e-6, 0)
    var last = alone
    for share in [0.25, 0.5, 0.75, 1] {
      let step = try step(20e-6, share)
      #expect(step >= alone && step > last - 20_000_000, "\(share)")
      last = step
    }
    for message in [25e-6, 40e-6, 80e-6] {
      let step = try step(message, 1)
      #expect(step >= last, "\(message)")
      last = step
    }
  }
}
