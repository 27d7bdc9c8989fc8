import Clusters
import Costs
import Engines
import Models
import Plans
import Programs
import Simulation
import Testing

/// What ZeRO stages 2 and 3 send, when, and what it costs: Llama-3.1-8B on data ranks alone.
@Suite struct ShardingTests {
  static func step(
    zero: Int, data: Int = 8, microbatches: Int = 2, cluster: [String] = []
  ) throws -> PlannedStep {
    let text = """
      data-parallel: \(data)
      global-batch: \(data * microbatches)
      sequence-length: 2048
      zero-stage: \(zero)
      """
    return try PlannedStep(
      architecture: .named("llama-3.1-8b"),
      cluster: .named("h800-2048", overrides: cluster),
      plan: .read(.init(text: text, name: "plan"), name: "plan"))
  }

  /// Parameters of every unit: what is gathered and reduced at a time.
  static func units() throws -> [Int] {
    let architecture = try Architecture.named("llama-3.1-8b")
    return architecture.units.map { architecture.parameterCounts(of: $0).total }
  }

  /// Seconds of one pass of a ring inside a node, for the bytes of the whole, by the fastest protocol:
  /// n − 1 steps and what filling a pipeline costs, then n − 1 of n parts over the link.
  static func pass(_ bytes: Int, ranks: Int, _ constants: CollectiveConstants) -> Double {
    let (count, size) = (Double(ranks), Double(bytes))
    let times = [constants.lowLatency, constants.lowLatency128, constants.simple].map { wire in
      let rate = min(
        constants.linkReached,
        constants.linkBandwidth * wire.linkShare * (1 - constants.pairLoss / count))
      return wire.start + (count - 1) * wire.step
        + wire.fill.seconds * min(1, size / wire.fill.bytes) + size * (count - 1) / count / rate
    }
    return times.min() ?? 0
  }

  private func bytes(_ program: Program, _ isMatch: (TransferKind) -> Bool) -> [Int] {
    program.transfers.filter { isMatch($0.kind) }.map {
      ExchangeRows()($0.rows) * $0.bytesPerRow
    }
  }

  /// Every unit's parameters are gathered once in a forward and once in a backward, in 16 bits, and its
  /// gradients are reduced once in a backward, in 32; no stage gathers or reduces again at the end.
  @Test func everyParameterIsGatheredTwiceAndReducedOnce() throws {
    let units = try Self.units()
    let step = try Self.step(zero: 3)
    let stage = step.input.stages[0]
    func gathers(_ kind: TransferKind) -> Bool { kind == .allGather(.gradient) }
    func reduces(_ kind: TransferKind) -> Bool { kind == .reduceScatter(.gradient) }
    for program in [stage.forward, stage.backward] {
      let gathered: [Int] = bytes(program, gathers).map { 8 * $0 }.sorted()
      let wholes: [Int] = units.map { 2 * $0 }.sorted()
      #expect(gathered == wholes)
    }
    let all: Int = units.reduce(0, +)
    func total(_ program: Program, _ isMatch: (TransferKind) -> Bool) -> Int {
      bytes(program, isMatch).reduce(0, +)
    }
    #expect(total(stage.forward, reduces) == 0)
    #expect(total(stage.backward, reduces) == 4 * all)
    #expect(stage.reduce.transfers.isEmpty && stage.update.transfers.isEmpty)
    let second = try Self.step(zero: 2).input.stages[0]
    #expect(total(second.forward, gathers) == 0 && total(second.backward, gathers) == 0)
    #expect(total(second.backward, reduces) == 4 * all)
    #expect(second.reduce.transfers.isEmpty)
    // Shards are cut at blocks of parameters; the largest decides what is gathered.
    let last = 8 * total(second.update, gathers) - 2 * all
    #expect(0..<8 * 2 * GradientSegment.blockElements ~= last)
  }

  /// The communication of a step is its gathers and reductions, each with its latency and its bytes.
  @Test(arguments: [2, 4, 8], [1, 3]) func timesAreThoseOfTheBytes(
    ranks: Int, microbatches: Int
  ) throws {
    let units = try Self.units()
    for zero in [2, 3] {
      let step = try Self.step(zero: zero, data: ranks, microbatches: microbatches)
      let constants = try CollectiveConstants(step.cluster)
      func pass(_ bytes: Int) -> Double { Self.pass(bytes, ranks: ranks, constants) }
      let gathers = units.reduce(0.0) { $0 + pass(2 * $1) }
      let reductions = bytes(step.input.stages[0].backward) { $0 == .reduceScatter(.gradient) }
      // Neighbouring units without a layer of their own may be reduced together.
      #expect((units.count - 2...units.count).contains(reductions.count))
      let (reducedBytes, elements) = (reductions.reduce(0, +), units.reduce(0, +))
      #expect(reducedBytes == 4 * elements)
      let reduced = reductions.reduce(0.0) { $0 + pass($1) }
      let perMicrobatch = zero == 3 ? 2 * gathers + reduced : reduced
      let shards = step.input.stages[0].segments.reduce(0) { $0 + ranks * $1.shardElements }
      let expected = Double(microbatches) * perMicrobatch + (zero == 2 ? pass(2 * shards) : 0)
      let found = Double(step.simulation.run().ranks[0].data.total) / 1e12
      #expect(abs(found / expected - 1) < 1e-9, "ZeRO \(zero): \(found) s, expected \(expected) s")
    }
  }

  /// Between nodes bytes go through the adapters, which are slower than the links inside.
  @Test func adaptersBoundTheTimeBetweenNodes() throws {
    let step = try Self.step(zero: 3, data: 32, microbatches: 1)
    let constants = try CollectiveConstants(step.cluster)
    let all = try Double(Self.units().reduce(0, +))
    // A ring has as many adapters in use as a node has; or a rail of its own for every rank.
    let network = constants.networkBandwidth * constants.rings.networkShare * 8
    let bytes = 8 * all
    let found = Double(step.simulation.run().ranks[0].data.total) / 1e12
    #expect(found > bytes * 3 / 4 / network)
    let inside = 7.0 / 8 / (constants.linkBandwidth * constants.simple.linkShare * 0.8)
    #expect(found < bytes * (1 / network + inside) * 1.2)
  }

  /// Less memory for each stage, and more bandwidth is never slower.
  @Test func stagesTradeMemoryForMessages() throws {
    let results = try (0...3).map { try Self.step(zero: $0).simulation.run() }
    let peaks = results.map { $0.ranks[0].memory.peak }
    #expect(peaks[0] > peaks[1] && peaks[1] > peaks[2] && peaks[2] > peaks[3])
    let times = results.map { $0.ranks[0].data.total }
    #expect(times[2] > times[1] && times[3] > times[2])
    for zero in [2, 3] {
      let link = ["node.link.bandwidth=450 GB/s", "node.link.reached=360 GB/s"]
      let faster = try Self.step(zero: zero, cluster: link).simulation.run()
      #expect(faster.step < results[zero].step)
      #expect(faster.ranks[0].data.total < results[zero].ranks[0].data.total)
      #expect(faster.ranks[0].data.exposed < results[zero].ranks[0].data.exposed)
    }
  }

  /// The longer the kernels, the more of the same communication runs beside them; what is left when they
  /// take for ever is what nothing can hide.
  @Test(arguments: [2, 3]) func computationHidesCommunication(zero: Int) throws {
    let step = try Self.step(zero: zero, microbatches: 3)
    var last: Exposure?
    for kernel in [1e-7, 1e-6, 1e-5, 1e-4, 1e-2] {
      let rank = StepSimulation(step.input, pricing: FlatPricing(kernel: kernel)).run().ranks[0]
      if let last {
        #expect(rank.data.total == last.total)
        #expect(rank.data.exposed <= last.exposed)
      }
      last = rank.data
    }
    let collective: Int64 = 20_000_000
    // ZeRO 3: the last reduction, as the first gather runs beside the load of tokens; ZeRO 2: the last
    // reduction, and the gather of all parameters.
    #expect(last?.exposed == (zero == 3 ? 1 : 2) * collective)
    var plan = step.input.plan
    plan.overlap.parameterGather = zero == 3 ? false : nil
    plan.overlap.gradientReduction = false
    let waiting = try PlannedStep(
      architecture: step.input.architecture, cluster: step.cluster, plan: plan)
    let all = StepSimulation(waiting.input, pricing: FlatPricing(kernel: 1e-2)).run().ranks[0].data
    #expect(all.exposed == all.total)
  }

  /// A trace shows every transfer of the data stream once: its spans add up to what the step says, though
  /// gathers start in one action and end in another.
  @Test(arguments: [0, 1, 3], [2e-6, 1e-4]) func tracesShowEveryGather(
    prefetch: Int, collective: Double
  ) throws {
    let input = try Self.input(3) { $0.overlap.prefetch = prefetch }
    var simulation = StepSimulation(
      input, pricing: FlatPricing(kernel: 5e-6, collective: collective))
    simulation.keepsSpans = true
    for rank in simulation.run().ranks {
      let spans = rank.items.flatMap(\.spans).filter { span in
        if case .transfer = span.kind { span.stream == .data } else { false }
      }
      #expect(!spans.isEmpty)
      #expect(spans.reduce(0) { $0 + $1.end - $1.start } == rank.data.total)
    }
  }

  private static func input(_ zero: Int, _ change: (inout Plan) -> Void) throws -> StepInput {
    let plain = try step(zero: zero, data: 4, microbatches: 8)
    var plan = plain.input.plan
    change(&plan)
    return try PlannedStep(
      architecture: plain.input.architecture, cluster: plain.cluster, plan: plan
    ).input
  }

  /// Stages of one layer hide as much as stages of many: the look-ahead goes from action to action.
  @Test(arguments: [2, 3]) func shortStagesHideAsMuchAsLongOnes(zero: Int) throws {
    let exposed = try [1, 2, 8].map { stagesPerRank in
      let input = try Self.input(zero) {
        $0.pipelineParallel = 4
        $0.stagesPerRank = stagesPerRank
        if stagesPerRank > 1 { $0.schedule = .named("interleaved-1f1b") }
        $0.overlap.parameterGather = nil
      }
      let ranks = StepSimulation(input, pricing: FlatPricing(kernel: 1e-2)).run().ranks
      return ranks.map { Double($0.data.exposed) / Double($0.data.total) }.max() ?? 1
    }
    // The first gather and the last reduction, and with ZeRO 2 a gather for each stage at the end.
    #expect(exposed.allSatisfy { $0 < 0.06 }, "\(exposed)")
  }

  /// What the data stream carries from action to action is part of what a replay stands for.
  @Test(arguments: [2, 3], ["1f1b", "interleaved-1f1b", "zb-h1", "gpipe"])
  func replayedEqualsWalked(zero: Int, schedule: String) throws {
    for collective in [1e-6, 300e-6, 5e-3] {
      let input = try Self.input(zero) {
        $0.pipelineParallel = schedule == "gpipe" ? 1 : 4
        $0.stagesPerRank = schedule.hasPrefix("inter") ? 2 : 1
        $0.schedule = .named(schedule)
      }
      var simulation = StepSimulation(input, pricing: FlatPricing(collective: collective))
      let replayed = simulation.run()
      simulation.replays = false
      let walked = simulation.run()
      #expect(replayed.step == walked.step && replayed.ranks == walked.ranks)
      #expect(replayed.walkedOperations < walked.walkedOperations)
      simulation.replays = true
      simulation.isExplicit = true
      let explicit = simulation.run()
      #expect(explicit.step == replayed.step)
      for rank in explicit.ranks { #expect(rank.data == replayed.ranks[rank.position].data) }
    }
  }

  /// The farther ahead units are gathered the less is exposed, and the more memory they take.
  @Test func prefetchTradesMemoryForTime() throws {
    let results = try [0, 1, 3].map { units in
      let input = try Self.input(3) { $0.overlap.prefetch = units }
      return StepSimulation(input, pricing: FlatPricing(kernel: 5e-6, collective: 90e-6)).run()
    }
    let exposed = results.map { $0.ranks[0].data.exposed }
    #expect(exposed[0] > exposed[1] && exposed[1] >= exposed[2])
    // What is gathered ahead in a backward is the embedding too, which nothing there reads.
    #expect(results[1].ranks[0].data.total == results[2].ranks[0].data.total)
    let peaks = results.map { $0.ranks[0].memory.peak }
    #expect(peaks[0] < peaks[1] && peaks[1] < peaks[2])
  }

  /// Gathers for the next microbatch's forward do not go in front of what this backward reduces; and where all
  /// ranks are alike nobody waits for another one.
  @Test(arguments: [20e-6, 60e-6]) func farPrefetchHoldsNoReductionUp(collective: Double) throws {
    func run(_ prefetch: Int, reshards: Bool) throws -> StepResult {
      let input = try Self.input(3) {
        $0.overlap.prefetch = prefetch
        $0.reshardAfterForward = reshards
      }
      return StepSimulation(input, pricing: FlatPricing(kernel: 5e-6, collective: collective)).run()
    }
    let near = try run(1, reshards: false)
    for prefetch in [4, 64] {
      let far = try run(prefetch, reshards: false)
      #expect(far.step <= near.step)
      #expect(far.ranks[0].data.waiting == 0)
      #expect(try run(prefetch, reshards: true).ranks[0].data.waiting == 0)
    }
  }

  /// Parameters that stay gathered are not gathered again, and are held meanwhile.
  @Test func parametersMayStayGathered() throws {
    let inputs = try [true, false].map { reshards in
      try Self.input(3) { $0.reshardAfterForward = reshards }
    }
    let (freed, kept) = (inputs[0].stages[0], inputs[1].stages[0])
    func gathers(_ program: Program) -> Int {
      program.transfers.count { $0.kind == .allGather(.gradient) }
    }
    #expect(gathers(kept.forward) == gathers(freed.forward))
    #expect(gathers(freed.backward) > 0 && gathers(kept.backward) == 0)
    let results = inputs.map { StepSimulation($0, pricing: FlatPricing()).run().ranks[0] }
    #expect(results[1].data.total < results[0].data.total)
    #expect(results[1].memory.peak > results[0].memory.peak)
    // Nothing is left behind.
    #expect(results[1].memory.live == results[0].memory.live)
  }
}
