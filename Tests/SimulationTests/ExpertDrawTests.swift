import Clusters
import Costs
import Documents
import Models
import Plans
import Programs
import Simulation
import Testing

/// Kernels over rows that exchanges bring take a time for each row, and nothing else takes any unless a
/// test says so: what a drawn load does can be counted.
private struct RowPricing: Pricing {
  var perRow = 1e-9
  var fixed = 0.0
  var perReceivedRow = 0.0
  var hostKernel = 0.0

  func seconds(of operation: Operation, rows: ExchangeRows, isOverlapped: Bool) -> Double {
    guard let known = operation.kernel.rows else { return fixed }
    if case .fixed = known { return fixed }
    return perRow * Double(rows(known)) * (isOverlapped ? 1.25 : 1)
  }

  func hostSeconds(of operation: Operation) -> Double { hostKernel }

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
      preparation: perReceivedRow, payload: perReceivedRow * Double(rows.received[exchange]))
  }

  func seconds(ofCollective transfer: Transfer, stage: Int) -> Double { fixed }
  func price(ofMessage bytes: Int, from: Int, to: Int, replica: Int) -> MessagePrice {
    MessagePrice(latency: fixed, moving: 0, usesAdapter: false)
  }
  func secondsOfAgreement() -> Double { 0 }
}

@Suite struct ExpertDrawTests {
  private static func load(
    _ deviation: Double, seed: UInt64 = 7, _ layers: Double = 0, _ microbatches: Double = 0
  ) -> Plan.ExpertLoad {
    .deviation(
      deviation, seed: seed, correlation: .init(layers: layers, microbatches: microbatches))
  }

  private static func draws(_ layers: Double, _ microbatches: Double, seed: UInt64 = 3)
    -> ExpertDraws
  {
    ExpertDraws(
      0.05, seed: seed, .init(layers: layers, microbatches: microbatches), ranks: 64)
  }

  /// Whatever the correlation, a draw has the distribution of the largest of 64.
  @Test(arguments: [(0, 0), (0.5, 0.5), (1, 0), (0, 1), (0.2, 0.9)] as [(Double, Double)])
  func meansAreThoseOfTheLargest(correlation: (Double, Double)) {
    var (sum, squares, places) = (0.0, 0.0, 0.0)
    let count = 4000
    for seed in 0..<count {
      let load = Self.draws(correlation.0, correlation.1, seed: UInt64(seed))
        .load(layer: 5, microbatch: 9, isForward: true)
      #expect(load.factor >= 1 && (0..<64).contains(load.place))
      sum += load.factor - 1
      squares += (load.factor - 1) * (load.factor - 1)
      places += Double(load.place)
    }
    let mean = sum / Double(count)
    let deviation = (squares / Double(count) - mean * mean).squareRoot()
    // Five standard errors.
    #expect(
      abs(mean - 0.05 * LargestOfNormals(of: 64).mean)
        < 5 * deviation / Double(count).squareRoot())
    #expect(abs(places / Double(count) - 31.5) < 5 * 18.5 / Double(count).squareRoot())
  }

  /// At the ends of a correlation, what it joins draws once and what it does not draws anew.
  @Test func theEndsOfCorrelations() {
    let places = (1...6).flatMap { layer in (0..<5).map { (layer, $0) } }
    func distinct(_ layers: Double, _ microbatches: Double) -> Int {
      let draws = Self.draws(layers, microbatches)
      return Set(
        places.map { draws.load(layer: $0.0, microbatch: $0.1, isForward: true).factor }
      ).count
    }
    #expect(distinct(0, 0) == 30)
    #expect(distinct(1, 0) == 5)
    #expect(distinct(0, 1) == 6)
    #expect(distinct(1, 1) == 1)
    #expect(distinct(0.5, 0.5) == 30)
  }

  /// Between the ends, largest loads of two layers hang together the more the higher the correlation.
  @Test func correlationsGrow() {
    func correlation(_ layers: Double) -> Double {
      let pairs = (0..<4000).map { seed in
        let draws = Self.draws(layers, 0, seed: UInt64(seed))
        return (
          draws.load(layer: 1, microbatch: 0, isForward: true).factor,
          draws.load(layer: 2, microbatch: 0, isForward: true).factor
        )
      }
      func mean(_ value: ((Double, Double)) -> Double) -> Double {
        pairs.reduce(0) { $0 + value($1) } / Double(pairs.count)
      }
      let (first, second) = (mean { $0.0 }, mean { $0.1 })
      let covariance = mean { ($0.0 - first) * ($0.1 - second) }
      return covariance
        / (mean { ($0.0 - first) * ($0.0 - first) } * mean { ($0.1 - second) * ($0.1 - second) })
        .squareRoot()
    }
    let found = [0, 0.3, 0.7, 1].map(correlation)
    #expect(abs(found[0]) < 0.08 && abs(found[3] - 1) < 1e-9)
    #expect(abs(found[1] - 0.3) < 0.1 && abs(found[2] - 0.7) < 0.1, "\(found)")
  }

  /// By pieces or operation by operation, every picosecond of every rank is the same.
  @Test(arguments: ["dualpipe", "1f1b", "zb-h1"]) func piecesEqualTheWalk(schedule: String) throws {
    let plan = Inputs.plan(schedule, pipeline: 4, microbatches: 8, data: 4, expert: 4)
    var input = try Inputs.input(Inputs.deepSeek(layers: 12), plan)
    let pricings = [
      RowPricing(fixed: 1e-6, perReceivedRow: 3e-7),
      // The host is late for some kernels and early for others.
      RowPricing(perRow: 3e-8, fixed: 1e-6, perReceivedRow: 1e-7, hostKernel: 1.3e-6),
    ]
    for pricing in pricings {
      for (layers, microbatches) in [(0.0, 0.0), (1, 1), (0.5, 0.25)] {
        input.load = Self.load(0.4, layers, microbatches)
        var simulation = StepSimulation(input, pricing: pricing)
        let replayed = simulation.run()
        simulation.replays = false
        let walked = simulation.run()
        #expect(replayed.step == walked.step)
        #expect(replayed.ranks == walked.ranks)
        #expect(replayed.operations == walked.operations)
        #expect(replayed.walkedOperations < walked.walkedOperations)
      }
    }
  }

  /// The same beside buckets that outlive their actions, copies to the host and graphs, and with a host that
  /// waits for counts.
  @Test(arguments: ["1f1b", "gpipe"])
  func piecesEqualTheWalkBesideOtherStreams(schedule: String) throws {
    let lines = [
      "schedule: \(schedule)", "pipeline-parallel: 2", "data-parallel: 16", "expert-parallel: 8",
      "global-batch: 64", "sequence-length: 1024", "gradient-bucket: 400000000",
      "expert-load: {deviation: 0.3, seed: 5}", "offload: {activations: 0.5}",
      "cuda-graphs: true", "token-counts: host",
    ]
    let planned = try PlannedStep(
      architecture: .named("qwen3-235b-a22b", overrides: ["num_hidden_layers=4"]),
      cluster: .named("h800-2048", overrides: ["device.launch.host=5 us"]),
      plan: .read(Document(text: lines.joined(separator: "\n"), name: "plan"), name: "plan"))
    var simulation = planned.simulation
    let replayed = simulation.run()
    simulation.replays = false
    let walked = simulation.run()
    #expect(replayed.step == walked.step)
    #expect(replayed.ranks == walked.ranks)
    #expect(replayed.walkedOperations < walked.walkedOperations)
    #expect(replayed.ranks.allSatisfy { $0.host.total > 0 && $0.data.total > 0 })
  }

  /// One rank for all or every rank by itself: the same step, and the same split.
  @Test(arguments: ["dualpipe", "1f1b", "zb-h1"]) func foldedEqualsExplicit(schedule: String) throws
  {
    let plan = Inputs.plan(schedule, pipeline: 4, microbatches: 8, data: 4, expert: 2)
    var input = try Inputs.input(Inputs.deepSeek(layers: 8), plan)
    input.load = Self.load(0.4)
    var simulation = StepSimulation(
      input, pricing: RowPricing(fixed: 1e-6, perReceivedRow: 3e-7))
    let folded = simulation.run()
    simulation.isExplicit = true
    let explicit = simulation.run()
    #expect(folded.step == explicit.step)
    for rank in explicit.ranks {
      #expect(rank.split == folded.ranks[rank.position].split)
    }
  }

  /// Where rows alone take time, forward and backward take as much longer as their largest loads are larger
  /// than the mean; what ranks compute in the mean stays what it is.
  @Test func stepsGrowByTheLargestLoad() throws {
    let plan = Inputs.plan("1f1b", pipeline: 1, microbatches: 1, data: 4, expert: 4)
    let placed = try plan.validated(for: Inputs.deepSeek(layers: 2))
    let million = 1_000_000
    var input = try StepInput(
      placed, rows: (received: million, routed: 2 * million, sent: million), target: .cpuRank)
    let even = StepSimulation(input, pricing: RowPricing()).run()
    let (forward, backward) = (even.ranks[0].split.forward, even.ranks[0].split.backward)
    #expect(even.step == forward + backward && forward > 0 && backward > 0)
    input.load = Self.load(0.3, seed: 11)
    let loaded = StepSimulation(input, pricing: RowPricing()).run()
    let draws = ExpertDraws(0.3, seed: 11, .init(), ranks: 4)
    for (pass, isForward, time) in [
      (loaded.ranks[0].split.forward, true, forward),
      (loaded.ranks[0].split.backward, false, backward),
    ] {
      let factor = draws.load(layer: 1, microbatch: 0, isForward: isForward).factor
      #expect(factor > 1)
      #expect(abs(Double(pass) / Double(time) / factor - 1) < 1e-5)
    }
    #expect(loaded.ranks[0].flops == even.ranks[0].flops)
    #expect(loaded.ranks[0].busy == even.ranks[0].busy)
    #expect(loaded.ranks[0].expert.waiting == loaded.step - even.step)
  }

  /// The mean over seeds does not depend on the correlation where nothing but exchanges joins ranks; how far
  /// seeds lie apart does.
  @Test func correlationMovesTheDeviationAlone() throws {
    let plan = Inputs.plan("1f1b", pipeline: 1, microbatches: 8, data: 8, expert: 8)
    let placed = try plan.validated(for: Inputs.deepSeek(layers: 9))
    var input = try StepInput(
      placed, rows: (received: 10_000, routed: 20_000, sent: 10_000), target: .cpuRank)
    let even = Double(StepSimulation(input, pricing: RowPricing()).run().step)
    func steps(_ correlation: Double) -> (mean: Double, deviation: Double) {
      let factors = (0..<60).map { seed in
        input.load = Self.load(0.1, seed: UInt64(seed), correlation, correlation)
        return Double(StepSimulation(input, pricing: RowPricing()).run().step) / even
      }
      let mean = factors.reduce(0, +) / 60
      let squares = factors.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
      return (mean, (squares / 59).squareRoot())
    }
    let (apart, together) = (steps(0), steps(1))
    #expect(apart.deviation < together.deviation / 4)
    let expected = 1 + 0.1 * LargestOfNormals(of: 8).mean
    #expect(abs(together.mean - expected) < 5 * together.deviation / 60.0.squareRoot())
    #expect(abs(apart.mean - expected) < 0.01)
  }
}
