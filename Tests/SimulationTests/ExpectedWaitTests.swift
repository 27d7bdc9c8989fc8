import Clusters
import Costs
import Documents
import Foundation
import Models
import Plans
import Quantities
import Simulation
import Testing

/// Groups of equal devices wait for the expected slowest of their ranks, in closed form.
@Suite struct ExpectedWaitTests {
  private static func jitter(
    lasting: Double? = nil, operation: Double? = nil,
    pause: (interval: Double, length: Double)? = nil
  ) -> Jitter {
    Jitter(
      lasting: lasting.map { Sourced($0) }, operation: operation.map { Sourced($0) },
      pause: pause.map {
        Jitter.Pause(interval: Sourced(Seconds($0.interval)), length: Sourced(Seconds($0.length)))
      })
  }

  /// Kernels alone take time.
  private static let kernels = FlatPricing(
    exchange: .init(preparation: 0, payload: 0), collective: 0, message: 0)

  /// The steps without and with jitter.
  private func steps(
    _ plan: Plan, _ jitter: Jitter, layers: Int = 4
  ) throws -> (even: StepSimulation<FlatPricing>, other: StepSimulation<FlatPricing>) {
    let input = try Inputs.input(Inputs.gpt(layers: layers), plan)
    let even = StepSimulation(input, pricing: Self.kernels)
    var other = even
    other.waits = ExpectedWaits(jitter, plan, positions: plan.pipelineParallel)
    return (even, other)
  }

  /// What lasts makes every kernel of a position as slow as that of its slowest device.
  @Test func lastingDifferences() throws {
    let plan = Inputs.plan("1f1b", pipeline: 2, microbatches: 4, data: 8)
    let (even, other) = try steps(plan, Self.jitter(lasting: 0.01))
    let slowness = 1 + 0.01 * LargestOfNormals(of: 8).mean
    let agreement = 3e6
    let expected = (Double(even.run().step) - agreement) * slowness + agreement
    // Half a picosecond for every kernel.
    #expect(abs(Double(other.run().step) - expected) < 2000)
    let alone = Inputs.plan("1f1b", pipeline: 2, microbatches: 4)
    let single = try steps(alone, Self.jitter(lasting: 0.01))
    #expect(single.even.run().step == single.other.run().step)
  }

  /// Copies of a pipeline wait at the end of a step for the one whose passes together took longest.
  @Test func passesOfCopies() throws {
    let plan = Inputs.plan("1f1b", pipeline: 1, microbatches: 6, data: 4)
    let (even, other) = try steps(plan, Self.jitter(operation: 0.02))
    let before = even.run()
    let passes = before.ranks[0].items.filter { if case .run = $0.item { true } else { false } }
    #expect(passes.count == 12)
    let variance = passes.reduce(0.0) { sum, span in
      let deviation = 0.02 * Double(span.end - span.start)
      return sum + deviation * deviation
    }
    let wait = (variance.squareRoot() * LargestOfNormals(of: 4).mean).rounded()
    #expect(other.run().step == before.step + Int64(wait))
    #expect(other.run().ranks[0].data.waiting == before.ranks[0].data.waiting + Int64(wait))
  }

  /// Ranks that meet in a pass wait in every one of them.
  @Test func passesOfTensorGroups() throws {
    var plan = Inputs.plan("1f1b", pipeline: 1, microbatches: 6)
    plan.tensorParallel = 2
    let (even, other) = try steps(plan, Self.jitter(operation: 0.02))
    let before = even.run()
    let passes = before.ranks[0].items.filter { if case .run = $0.item { true } else { false } }
    let waits = passes.map {
      Int64((Double($0.end - $0.start) * (0.02 / Double.pi.squareRoot())).rounded())
    }
    #expect(abs(other.run().step - before.step - waits.reduce(0, +)) <= Int64(passes.count))
    #expect(other.run().ranks[0].tensor.waiting > before.ranks[0].tensor.waiting)
  }

  /// A pause stops all that meet; where none meets, the copy with most pauses is waited for.
  @Test func pauses() throws {
    var plan = Inputs.plan("1f1b", pipeline: 1, microbatches: 2, data: 4)
    let pause = Self.jitter(pause: (interval: 1e-3, length: 1e-4))
    let apart = ExpectedWaits(pause, plan, positions: 1)
    #expect(apart.wait(busy: 1_000_000_000, meets: false) == 100_000_000)
    let most = LargestOfCounts(of: 4, mean: 3).mean - 3
    let end = apart.waitForGroups(busy: 3_000_000_000, variance: 0)
    #expect(end == Int64((most * 1e8).rounded()))
    plan.dataParallel = 1
    plan.tensorParallel = 4
    let together = ExpectedWaits(pause, plan, positions: 1)
    #expect(together.wait(busy: 1_000_000_000, meets: true) == 400_000_000)
    #expect(together.waitForGroups(busy: 3_000_000_000, variance: 1e20) == 0)
  }

  /// With ZeRO 3 all that share parameters meet in every pass, with ZeRO 1 at the end of a step alone.
  @Test func sharedParameters() throws {
    var plan = Inputs.plan("1f1b", pipeline: 1, microbatches: 2, data: 8)
    let scatter = Self.jitter(operation: 0.02)
    plan.zeroStage = .optimizer
    #expect(ExpectedWaits(scatter, plan, positions: 1).wait(busy: 1_000_000, meets: true) == 0)
    plan.zeroStage = .parameters
    let waits = ExpectedWaits(scatter, plan, positions: 1)
    let expected = (1e6 * 0.02 * LargestOfNormals(of: 8).mean).rounded()
    #expect(waits.wait(busy: 1_000_000, meets: true) == Int64(expected))
    #expect(waits.waitForGroups(busy: 1_000_000, variance: 1e12) == 0)
  }

  /// Where a pass ends with the agreement of all on scales, all meet in it; with scales of the tensors' own nobody does.
  @Test func agreementOnScales() {
    var plan = Inputs.plan("1f1b", pipeline: 2, microbatches: 2, data: 4)
    plan.tensorParallel = 2
    plan.precision = .tensorFP8
    let scatter = Self.jitter(operation: 0.02)
    func wait(of ranks: Int) -> Int64 {
      Int64((1e6 * 0.02 * LargestOfNormals(of: ranks).mean).rounded())
    }
    let agreeing = ExpectedWaits(scatter, plan, positions: 2)
    #expect(agreeing.copiesMeet && agreeing.wait(busy: 1_000_000, meets: true) == wait(of: 8))
    #expect(agreeing.waitForGroups(busy: 1_000_000, variance: 1e12) == 0)
    plan.precision.scaling = .current
    let own = ExpectedWaits(scatter, plan, positions: 2)
    #expect(!own.copiesMeet && own.wait(busy: 1_000_000, meets: true) == wait(of: 2))
    #expect(own.waitForGroups(busy: 1_000_000, variance: 1e12) > 0)
  }

  /// Where every forward ends with an average of the loss, copies wait there for what lies behind the one before: the last
  /// backward and this forward; and behind the last backward for it alone.
  @Test func averagesOfTheLoss() throws {
    var plan = Inputs.plan("1f1b", pipeline: 1, microbatches: 6, data: 4)
    plan.lossAverage = .microbatch
    let (even, other) = try steps(plan, Self.jitter(operation: 0.02))
    let before = even.run()
    // Squares of what was done since all last met, and the waits up to there.
    var (since, waits, averages) = (0.0, Int64(0), 0)
    func wait() -> Int64 {
      Int64((0.02 * since.squareRoot() * LargestOfNormals(of: 4).mean).rounded())
    }
    for span in before.ranks[0].items {
      guard case .run(let action) = span.item else { continue }
      since += Double(span.end - span.start) * Double(span.end - span.start)
      guard action.pass == .forward else { continue }
      waits += wait()
      (since, averages) = (0, averages + 1)
    }
    waits += wait()
    #expect(averages == 6)
    #expect(abs(other.run().step - before.step - waits) <= 1)
  }

  /// The mean of the largest count, by summing over all pairs and in closed form for one.
  @Test(arguments: [0.01, 0.3, 4, 60]) func largestCounts(mean: Double) {
    func probability(_ count: Int) -> Double {
      exp(Double(count) * log(mean) - mean - lgamma(Double(count) + 1))
    }
    let counts = 0..<200
    let pairs = counts.reduce(0.0) { sum, first in
      counts.reduce(sum) { $0 + Double(max(first, $1)) * probability(first) * probability($1) }
    }
    #expect(abs(LargestOfCounts(of: 2, mean: mean).mean - pairs) < 1e-9)
    #expect(abs(LargestOfCounts(of: 1, mean: mean).mean - mean) < 1e-9)
    #expect(LargestOfCounts(of: 3, mean: 0).mean == 0)
  }

  /// One rank for all or every rank by itself: the same step.
  @Test(arguments: ["dualpipe", "1f1b", "zb-h1"]) func foldedEqualsExplicit(schedule: String) throws
  {
    let plan = Inputs.plan(schedule, pipeline: 4, microbatches: 8, data: 4, expert: 2)
    var input = try Inputs.input(Inputs.deepSeek(layers: 8), plan)
    input.load = .deviation(0.2, seed: 3)
    var simulation = StepSimulation(input, pricing: FlatPricing())
    simulation.waits = ExpectedWaits(
      Self.jitter(lasting: 0.01, operation: 0.03, pause: (1e-3, 1e-6)), plan, positions: 4)
    let folded = simulation.run()
    simulation.isExplicit = true
    let explicit = simulation.run()
    #expect(folded.step == explicit.step)
    for rank in explicit.ranks { #expect(rank.split == folded.ranks[rank.position].split) }
    simulation.replays = false
    #expect(simulation.run().step == explicit.step)
  }

  /// A pause has both an interval and a length, and nothing scatters beyond measure.
  @Test(arguments: [
    ("{pause-length: 1 ms}", "needs pause-interval"),
    ("{pause-interval: 1 s}", "needs pause-length"), ("{lasting: 0.3}", "0.2"),
    ("{operation: -0.1}", "must be from"), ("{operations: 0.1}", "did you mean operation"),
  ])
  func whatIsNoJitterIsRefused(text: String, rule: String) throws {
    let error = try #require(throws: ConfigurationError.self) {
      try Cluster.shipped("h800-2048", overrides: ["device.jitter=\(text)"])
    }
    #expect(error.description.contains(rule), "\(error)")
  }

  // MARK: Slow hosts

  private static func step(_ cluster: [String]) throws -> PlannedStep {
    let text = """
      data-parallel: 32
      pipeline-parallel: 2
      global-batch: 128
      sequence-length: 1024
      schedule: 1f1b
      """
    return try PlannedStep(
      architecture: .named("llama-3.1-8b", overrides: ["num_hidden_layers=4"]),
      cluster: .shipped("h800-2048", overrides: ["nodes=8"] + cluster),
      plan: .read(Document(text: text, name: "plan"), name: "plan"))
  }

  private static func slow(_ share: Double, _ seed: Int = 0, speed: Double = 0.5) -> [String] {
    ["slow-hosts={share: \(share), speed: \(speed), seed: \(seed)}"]
  }

  /// No slow node is the cluster as described; a slow one is what its devices are when they are named.
  @Test func slowHostsAreDegradedDevices() throws {
    let even = try Self.step([]).simulation.run().step
    #expect(try Self.step(Self.slow(0)).simulation.run().step == even)
    let cluster = try Self.step(Self.slow(0.3, 2)).cluster
    let hosts = SlowHostDraws(cluster, seedOffset: 0)
    let ranks = (0..<64).filter { hosts.slowness(of: $0) > 1 }
    #expect(!ranks.isEmpty && ranks.count < 64 && ranks.count % 8 == 0)
    let named = ranks.map { "{what: device, rank: \($0), share: 0.5}" }.joined(separator: ", ")
    let degraded = try Self.step(["degraded=[\(named)]"]).simulation.run().step
    let drawn = try Self.step(Self.slow(0.3, 2)).simulation.run().step
    #expect(abs(Double(drawn) / Double(degraded) - 1) < 1e-3)
    #expect(drawn > even)
  }

  /// One replica for all of its class, or every rank by itself.
  @Test func slowHostsFold() throws {
    var simulation = try Self.step(Self.slow(0.3, 2)).simulation
    let folded = simulation.run()
    simulation.isExplicit = true
    #expect(folded.step == simulation.run().step)
    #expect(folded.ranks.count < 64)
  }

  /// Seeds give other nodes, and a share of all none.
  @Test func slowHostsAreDrawn() throws {
    let step = try Self.step(Self.slow(0.2))
    #expect(step.isDrawn)
    let counts = step.run(seeds: 12).map(\.ranks.count)
    #expect(Set(counts).count > 1)
    #expect(try !Self.step(Self.slow(1)).isDrawn)
    let few = (0..<4000).count { seed in
      SlowHostDraws(step.cluster, seedOffset: UInt64(seed)).slowness(of: 9) > 1
    }
    // Five standard errors of 4,000 draws with probability 0.2.
    #expect(abs(few - 800) < 127)
  }
}
