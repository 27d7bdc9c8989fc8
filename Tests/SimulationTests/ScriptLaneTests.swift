import Models
import Plans
import Programs
import Simulation
import Testing

/// Ranks that go along with the first one, part from it and go along with it again, against an engine that
/// walks every operation of every rank.
@Suite struct ScriptLaneTests {
  /// Kernels take a time of their own and one for each routed row, exchanges one for each received row.
  ///
  /// Kernels take longer beside collectives, whose times differ from one to the next, so that their stream
  /// is now idle and now behind.
  private struct LanePricing: Pricing {
    var kernel = 1e-6
    var perRow = 2e-7
    var perReceivedRow = 2e-7
    var collective = 0.0
    var taken = 0
    /// Beside collectives only kernels over routed rows take longer.
    var slowsRoutedOnly = false
    var load = LinkLoad.none
    var adapterShare = 0.0

    func seconds(of operation: Operation, rows: ExchangeRows, isOverlapped: Bool) -> Double {
      guard let known = operation.kernel.rows else { return kernel }
      if case .fixed = known { return kernel }
      return kernel + perRow * Double(rows(known))
    }

    func seconds(
      of operation: Operation, rows: ExchangeRows, isOverlapped: Bool, channels: Int
    ) -> Double {
      let alone = seconds(of: operation, rows: rows, isOverlapped: isOverlapped)
      var isRouted = false
      if let known = operation.kernel.rows {
        if case .fixed = known { isRouted = false } else { isRouted = true }
      }
      return isRouted || !slowsRoutedOnly ? alone * (1 + Double(channels) / 16) : alone
    }

    func channels(of transfer: Transfer) -> Int { taken }

    func price(ofExchange transfer: Transfer, rows: ExchangeRows, isOverlapped: Bool)
      -> ExchangePrice
    {
      let exchange =
        switch transfer.kind {
        case .dispatch(let exchange), .combine(let exchange), .combineBackward(let exchange),
          .dispatchBackward(let exchange):
          exchange
        default: 0
        }
      return ExchangePrice(
        preparation: 0, payload: perReceivedRow * Double(rows.received[exchange]),
        adapterShare: adapterShare)
    }

    func seconds(ofCollective transfer: Transfer, stage: Int) -> Double {
      let number = Int(transfer.operands.first?.index ?? 0)
      return collective * Double(1 + number * 5 % 7) / 4
    }

    func load(ofCollective transfer: Transfer) -> LinkLoad { load }
    func price(ofMessage bytes: Int, from: Int, to: Int, replica: Int) -> MessagePrice {
      MessagePrice(latency: 1e-6, moving: 0, usesAdapter: false)
    }
    func secondsOfAgreement() -> Double { 0 }
  }

  private static func load(_ deviation: Double, seed: UInt64) -> Plan.ExpertLoad {
    .deviation(deviation, seed: seed, correlation: .init(layers: 0, microbatches: 0))
  }

  /// Both ways of a step, which are the same to the picosecond; the one by script.
  @discardableResult
  private func same(_ input: StepInput, _ pricing: LanePricing) -> StepResult {
    var simulation = StepSimulation(input, pricing: pricing)
    let replayed = simulation.run()
    simulation.replays = false
    let walked = simulation.run()
    #expect(replayed.step == walked.step && replayed.ranks == walked.ranks)
    #expect(replayed.operations == walked.operations)
    #expect(replayed.walkedOperations < walked.walkedOperations)
    return replayed
  }

  /// Exchanges take so much longer than kernels that every rank stands still for each: clocks are the same
  /// again behind it, while the next exchange, of which one rank has more rows, is under way in a pair.
  @Test(arguments: ["dualpipe", "1f1b", "zb-h1"], 1...3 as ClosedRange<UInt64>)
  func exposedExchangesJoinLanes(schedule: String, seed: UInt64) throws {
    let plan = Inputs.plan(schedule, pipeline: 4, microbatches: 8, data: 4, expert: 4)
    var input = try Inputs.input(Inputs.deepSeek(layers: 12), plan)
    let pricing = LanePricing(kernel: 1e-7, perRow: 1e-8, perReceivedRow: 2e-6)
    input.load = Self.load(0.4, seed: seed)
    let result = same(input, pricing)
    // Too little to give a rank another row: nobody parts, and the first is walked alone.
    input.load = Self.load(1e-9, seed: seed)
    let even = same(input, pricing)
    #expect(result.step > even.step && result.walkedOperations > even.walkedOperations)
    for rank in result.ranks { #expect(rank.expert.exposed > rank.expert.hidden) }
  }

  /// Gathers of parameters, several of them at once, beside kernels of ranks with more rows: what a kernel
  /// takes there hangs on its rank's rows, and clocks that are the same do not make what is under way so.
  @Test(arguments: [1, 3], 1...3 as ClosedRange<UInt64>)
  func lanesComputeBesideCollectives(prefetch: Int, seed: UInt64) throws {
    var plan = Inputs.plan("1f1b", pipeline: 1, microbatches: 2, data: 8, expert: 4)
    plan.zeroStage = .parameters
    plan.overlap.prefetch = prefetch
    var input = try Inputs.input(Inputs.deepSeek(layers: 9), plan)
    input.load = Self.load(0.4, seed: seed)
    for collective in [3e-6, 12e-6, 20e-6, 60e-6] {
      var pricing = LanePricing(collective: collective, taken: 16)
      let beside = same(input, pricing)
      pricing.slowsRoutedOnly = true
      same(input, pricing)
      guard collective == 3e-6 else { continue }
      // Gathers so short are all beside kernels, which they slow.
      pricing.taken = 0
      #expect(beside.step > same(input, pricing).step)
    }
  }

  /// Buckets of gradients in closing pairs and backwards: they take multiprocessors from kernels and links
  /// from exchanges.
  @Test(arguments: ["dualpipe", "1f1b"], 1...3 as ClosedRange<UInt64>)
  func lanesComputeBesideReductions(schedule: String, seed: UInt64) throws {
    var plan = Inputs.plan(schedule, pipeline: 4, microbatches: 8, data: 8, expert: 4)
    plan.gradientBucket = 3000
    plan.zeroStage = .optimizer
    plan.overlap.parameterGather = true
    var input = try Inputs.input(Inputs.deepSeek(layers: 12), plan)
    input.load = Self.load(0.4, seed: seed)
    for perReceivedRow in [1e-7, 2e-6] {
      var pricing = LanePricing(perReceivedRow: perReceivedRow, collective: 15e-6, taken: 16)
      same(input, pricing)
      pricing.load = LinkLoad(adapter: 0.6)
      pricing.adapterShare = 0.7
      same(input, pricing)
    }
  }
}
