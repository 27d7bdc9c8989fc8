import Models
import Plans
import Programs
import Schedules
import Simulation
import Testing

/// What runs beside computation, and what is waited for, by times that can be counted on fingers.
@Suite struct OverlapTests {
  static let shapes: [(name: String, pipeline: Int, stagesPerRank: Int)] = [
    ("1f1b", 1, 1), ("1f1b", 4, 1), ("interleaved-1f1b", 1, 2), ("interleaved-1f1b", 4, 2),
    ("dualpipe", 4, 1), ("dualpipev", 4, 2),
  ]

  private func step(
    _ shape: (name: String, pipeline: Int, stagesPerRank: Int), merges: Bool,
    _ pricing: FlatPricing = FlatPricing(), change: (inout Plan) -> Void = { _ in }
  ) throws -> StepResult {
    var plan = Inputs.plan(
      shape.name, pipeline: shape.pipeline, stagesPerRank: shape.stagesPerRank, microbatches: 16,
      data: 2, expert: 2)
    plan.overlap.expertExchange = merges
    change(&plan)
    let layers = 2 * shape.pipeline * shape.stagesPerRank
    return try StepSimulation(
      Inputs.input(Inputs.deepSeek(layers: layers), plan), pricing: pricing
    ).run()
  }

  /// Merged pairs hide exchanges that are otherwise waited for in full, and hold activations of one
  /// microbatch more where their warm-up is longer.
  @Test(arguments: shapes)
  func exchangesAreHidden(shape: (name: String, pipeline: Int, stagesPerRank: Int)) throws {
    var pricing = FlatPricing()
    pricing.message = 0
    let merged = try step(shape, merges: true, pricing)
    let apart = try step(shape, merges: false, pricing)
    for (pair, alone) in zip(merged.ranks, apart.ranks) {
      #expect(pair.flops == alone.flops && pair.expert.total == alone.expert.total)
      // Weight products alone hide a part of the backward's.
      #expect(alone.expert.exposed > alone.expert.total * 4 / 5)
      #expect(pair.expert.exposed < alone.expert.exposed * 3 / 4)
      #expect(pair.split.overlapped > 0 && alone.split.overlapped == 0)
    }
    #expect(merged.step < apart.step)
    let isLonger = shape.name.hasSuffix("1f1b")
    for (pair, alone) in zip(merged.ranks, apart.ranks) where isLonger {
      #expect(pair.memory.peak > alone.memory.peak)
    }
  }

  /// Where exchanges take no time, merging gains and loses nothing.
  @Test(arguments: shapes.prefix(4))
  func withoutExchangesNothingIsGained(
    shape: (name: String, pipeline: Int, stagesPerRank: Int)
  ) throws {
    var pricing = FlatPricing()
    pricing.message = 0
    pricing.exchange = ExchangePrice(preparation: 0, payload: 0)
    let merged = try step(shape, merges: true, pricing)
    let apart = try step(shape, merges: false, pricing)
    #expect(merged.step <= apart.step)
    #expect(merged.ranks.map(\.busy) == apart.ranks.map(\.busy))
  }

  /// Every message that is waited for stands in the rank's way for as long as it takes; beside computation
  /// a part of them does.
  @Test(arguments: [("1f1b", 1), ("interleaved-1f1b", 2), ("zb-h1", 1), ("zbv", 2)])
  func waitedMessagesAreExposed(name: String, stagesPerRank: Int) throws {
    func step(_ beside: Bool?, _ mode: Plan.SendMode) throws -> StepResult {
      var plan = Inputs.plan(
        name, pipeline: 4, stagesPerRank: stagesPerRank, microbatches: 8, send: mode)
      plan.overlap.pipelineSends = beside
      return try StepSimulation(
        Inputs.input(Inputs.gpt(layers: 8), plan), pricing: FlatPricing()
      ).run()
    }
    for mode in Plan.SendMode.allCases {
      let beside = try step(true, mode)
      let waited = try step(false, mode)
      func exposed(_ result: StepResult) -> Int64 {
        result.ranks.reduce(0) { $0 + $1.pipeline.exposed }
      }
      #expect(exposed(waited) > exposed(beside), "\(mode)")
      #expect(waited.step >= beside.step)
      // Messages of one group go side by side; others one after the other.
      if mode == .eager {
        for rank in waited.ranks { #expect(rank.pipeline.exposed == rank.pipeline.total) }
        #expect(waited.step > beside.step)
      }
      // What is left out is eager beside computation, batched not.
      #expect(try step(nil, mode).step == (mode == .eager ? beside : waited).step)
      #expect(beside.ranks.map(\.flops) == waited.ranks.map(\.flops))
    }
  }
}
