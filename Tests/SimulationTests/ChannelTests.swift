import Clusters
import Costs
import Engines
import Models
import Plans
import Programs
import Simulation
import Testing

/// Collectives take multiprocessors from the kernels that run beside them.
@Suite struct ChannelTests {
  /// Flat prices of kernels that need twice as long beside a collective.
  private struct Sharing: Pricing {
    /// Ends in the midst of a kernel.
    var flat = FlatPricing(collective: 19e-6)
    var taken = 16

    func seconds(of operation: Operation, rows: ExchangeRows, isOverlapped: Bool) -> Double {
      flat.seconds(of: operation, rows: rows, isOverlapped: isOverlapped)
    }
    func seconds(
      of operation: Operation, rows: ExchangeRows, isOverlapped: Bool, channels: Int
    ) -> Double {
      let alone = flat.seconds(of: operation, rows: rows, isOverlapped: isOverlapped)
      return channels == taken ? 2 * alone : alone
    }
    func channels(of transfer: Transfer) -> Int { taken }
    func price(ofExchange transfer: Transfer, rows: ExchangeRows, isOverlapped: Bool)
      -> ExchangePrice
    { flat.price(ofExchange: transfer, rows: rows, isOverlapped: isOverlapped) }
    func seconds(ofCollective transfer: Transfer, stage: Int) -> Double { flat.collective }
    func price(ofMessage bytes: Int, from: Int, to: Int, replica: Int) -> MessagePrice {
      flat.price(ofMessage: bytes, from: from, to: to, replica: replica)
    }
    func secondsOfAgreement() -> Double { flat.secondsOfAgreement() }
  }

  private static func input(zero: Int) throws -> StepInput {
    var plan = Inputs.plan("1f1b", pipeline: 1, microbatches: 2, data: 2)
    plan.zeroStage = zero == 2 ? .gradients : .parameters
    return try Inputs.input(Inputs.gpt(layers: 4), plan)
  }

  /// The part of a span that lies inside of others, which do not lie on one another.
  private static func covered(_ span: Timeline.Span, by others: [Timeline.Span]) -> Int64 {
    others.reduce(0) { $0 + max(0, min(span.end, $1.end) - max(span.start, $1.start)) }
  }

  /// Every kernel does a microsecond's work: at half speed while a collective runs, at full speed else.
  @Test(arguments: [2, 3], [false, true]) func workIsDoneAtTwoRates(zero: Int, isExplicit: Bool)
    throws
  {
    var simulation = StepSimulation(try Self.input(zero: zero), pricing: Sharing())
    simulation.keepsSpans = true
    simulation.isExplicit = isExplicit
    let result = simulation.run()
    var (slowed, partly) = (0, 0)
    for rank in result.ranks {
      // The last reduction of an action runs on beside the next one.
      let spans = rank.items.flatMap { item in
        item.spans.map { span in
          var absolute = span
          (absolute.start, absolute.end) = (span.start + item.start, span.end + item.start)
          return absolute
        }
      }
      let transfers = spans.filter { $0.stream == .data }
      for span in spans {
        guard case .operation = span.kind else { continue }
        let beside = Self.covered(span, by: transfers)
        let work = span.end - span.start - beside / 2
        #expect(abs(work - 1_000_000) <= 2, "\(span)")
        if beside > 0 { slowed += 1 }
        if beside > 0, beside < span.end - span.start { partly += 1 }
      }
    }
    #expect(slowed > 0 && partly > 0)
  }

  /// A replayed action is the one that was walked, and a rank by itself the one that stands for all.
  @Test(arguments: [2, 3]) func foldedReplayedAndExplicitAgree(zero: Int) throws {
    let input = try Self.input(zero: zero)
    let steps = [(true, false), (false, false), (true, true)].map { replays, isExplicit in
      var simulation = StepSimulation(input, pricing: Sharing())
      simulation.replays = replays
      simulation.isExplicit = isExplicit
      return simulation.run().step
    }
    #expect(steps[0] == steps[1] && steps[0] == steps[2])
    var none = StepSimulation(input, pricing: Sharing())
    none.replays = false
    let alone = StepSimulation(input, pricing: FlatPricing(collective: 19e-6)).run().step
    #expect(none.run().step > alone)
  }

  /// Beside a collective a product has the multiprocessors that 16 channels leave.
  ///
  /// Where the plan leaves 20 free anyway, the channels take those. Copy engines take none.
  @Test func productsGetWhatChannelsLeave() throws {
    let step = try TensorOverlapTests.step("chunked", cluster: ["device.power-cap=null"])
    let device = try DeviceModel(step.cluster.device)
    let program = step.input.stages[1].backward
    let product = try #require(
      program.operations.first {
        if case .matmul(let matmul) = $0.kernel { matmul.pass == .backwardInput } else { false }
      })
    guard case .matmul(let matmul) = product.kernel, case .fixed(let rows) = matmul.m else {
      Issue.record("no product")
      return
    }
    let cost = try #require(MatmulCost(device, library: .bf16))
    let shape = MatmulShape(m: rows, n: matmul.k, k: matmul.n, pass: .backwardInput)
    func seconds(_ step: PlannedStep, channels: Int) -> Double {
      step.pricing.seconds(
        of: product, rows: ExchangeRows(), isOverlapped: false, channels: channels)
    }
    func expected(_ count: Int) -> Double {
      device.launchGap + cost.cost(shape, multiprocessors: count).seconds
    }
    #expect(abs(seconds(step, channels: 16) - expected(116)) < 1e-12)
    #expect(abs(seconds(step, channels: 0) - expected(132)) < 1e-12)
    let reserved = try TensorOverlapTests.step(
      "chunked", cluster: ["device.power-cap=null"], more: ["computation-sms=112"])
    #expect(abs(seconds(reserved, channels: 16) - expected(112)) < 1e-12)
    let channels = Set(
      program.transfers.map { [$0.kind == .shift(.tensor) ? 1 : 0, step.pricing.channels(of: $0)] })
    #expect(channels == [[1, 0], [0, 16]])
  }

  /// More channels slow the kernels beside them, on dense plans: gathers of parameters, gradients' scatters
  /// and tensor exchanges in bulk.
  @Test func channelsSlowDensePlans() throws {
    let more = ["node.collectives.ring.multiprocessors=64"]
    for zero in [2, 3] {
      let base = try ShardingTests.step(zero: zero).simulation.run().step
      #expect(try ShardingTests.step(zero: zero, cluster: more).simulation.run().step > base)
    }
    let bulk = try TensorOverlapTests.step("bulk").simulation.run().step
    #expect(try TensorOverlapTests.step("bulk", cluster: more).simulation.run().step > bulk)
    let waits = try TensorOverlapTests.step("false").simulation.run().step
    #expect(try TensorOverlapTests.step("false", cluster: more).simulation.run().step == waits)
  }
}
