import Clusters
import Costs
import Documents
import Foundation
import Models
import Plans
import Programs
import Simulation
import TestSupport
import Testing

/// Attention takes a time for each pair of a query and a key, and nothing else takes any.
private struct PairPricing: Pricing {
  func seconds(of operation: Programs.Operation, rows: ExchangeRows, isOverlapped: Bool) -> Double {
    guard case .attention(let shape, _, let pass) = operation.kernel else { return 0 }
    let pairs = Double(shape.sequences) * Double(shape.queries) * Double(shape.keys)
    return pairs * (pass == .forward ? 1e-7 : 2.5e-7)
  }

  func price(ofExchange transfer: Transfer, rows: ExchangeRows, isOverlapped: Bool)
    -> ExchangePrice
  { ExchangePrice(preparation: 0, payload: 0) }
  func seconds(ofCollective transfer: Transfer, stage: Int) -> Double { 0 }
  func price(ofMessage bytes: Int, from: Int, to: Int, replica: Int) -> MessagePrice {
    MessagePrice(latency: 0, moving: 0, usesAdapter: false)
  }
  func secondsOfAgreement() -> Double { 0 }
}

@Suite struct DocumentLoadTests {
  private static func plan(
    data: Int = 1, context: Int = 1, microbatches: Int = 1, size: Int = 1, length: Int = 64
  ) -> Plan {
    var plan = Inputs.plan("1f1b", pipeline: 1, microbatches: microbatches * size, data: data)
    plan.contextParallel = context
    plan.microbatchSize = size
    plan.sequenceLength = length
    return plan
  }

  private static func loads(
    _ lengths: [Int], _ plan: Plan = plan(), _ packing: PackedDocuments.Packing = .cut
  ) -> DocumentLoads {
    DocumentLoads(
      PackedDocuments(.file("lengths"), packing: packing), lengths: lengths, plan, seedOffset: 0)
  }

  /// Documents take their shares of the sequence, divided between the lengths around theirs.
  @Test func sharesOfLengths() {
    let loads = Self.loads([16, 48])
    #expect(loads.lengths.points == [16, 32, 64])
    #expect(loads.shares == [[0.25, 0.375, 0.375]])
    #expect(loads.work == 2560.0 / 4096 && loads.padding == 0)
  }

  /// What is cut goes on in the next sequence; what is kept whole leaves padding.
  @Test func packing() {
    let plan = Self.plan(microbatches: 2)
    let cut = Self.loads([100], plan)
    // 64; 36 and 28: squares of 4,096, 1,296 and 784.
    #expect(cut.work == 6176.0 / 8192 && cut.padding == 0)
    let whole = Self.loads([40], plan, .whole)
    #expect(whole.work == 1600.0 / 4096 && whole.padding == 0.375)
    let long = Self.loads([100, 20], plan, .whole)
    #expect(long.work == 4496.0 / 8192 && long.padding == 44.0 / 128)
  }

  /// Of whole documents those that are longer than a sequence lose their ends; cut ones go on.
  @Test func longDocumentsAreCounted() {
    let plan = Self.plan(microbatches: 2)
    #expect(Self.loads([100, 20], plan, .whole).shortened == 0.5)
    #expect(Self.loads([40], plan, .whole).shortened == 0)
    #expect(Self.loads([100], plan).shortened == 0)
  }

  /// A step of whole documents trains what is no padding, whatever attention does with it: half of all tokens where
  /// documents are one longer than half a sequence; per token attention is that of a document.
  @Test(arguments: ["document", "none"]) func paddingTrainsNothing(mask: String) throws {
    func report(_ documents: String) throws -> StepReport {
      let text = """
        data-parallel: 8
        global-batch: 16
        sequence-length: 4096
        zero-stage: 3
        \(documents)
        """
      return try PlannedStep(
        architecture: .named("llama-3.1-8b", overrides: ["num_hidden_layers=2"]),
        cluster: .named("h800-2048"),
        plan: .read(Document(text: text, name: "plan"), name: "plan")
      ).report()
    }
    func packed(_ mean: Int, _ packing: String) throws -> StepReport {
      try report(
        "documents: {lengths: {mean: \(mean), deviation: 0}, packing: \(packing), mask: \(mask)}")
    }
    let all = 16 * 4096
    let (plain, cut, whole) = (try report(""), try packed(2049, "cut"), try packed(2049, "whole"))
    #expect(plain.tokensPerStep == all && cut.tokensPerStep == all && cut.paddingPerStep == 0)
    #expect(whole.tokensPerStep == 16 * 2049 && whole.paddingPerStep == all - 16 * 2049)
    #expect(whole.tokensPerSecond * whole.stepSeconds == Double(16 * 2049))
    #expect(whole.mfuCausal < 0.6 * cut.mfuCausal)
    let full = try packed(4096, "whole")
    #expect(full.tokensPerStep == all && full.paddingPerStep == 0)
    #expect(abs(full.flopsPerTokenCausal / plain.flopsPerTokenCausal - 1) < 1e-9)
    // Pairs of a document of n tokens are n squared: for each of its tokens as many as in a sequence of n.
    guard mask == "document" else { return }
    let half = try packed(2048, "whole")
    let short = try packed(2049, "whole")
    #expect(abs(short.flopsPerTokenCausal / half.flopsPerTokenCausal - 1) < 1e-3)
  }

  /// Data ranks that meet at the end of a step wait for the one with the heaviest sum; ranks that meet in
  /// every pass for the heaviest of each.
  @Test func theHeaviestRank() {
    // By microbatch, then rank: whole, halves, quarters, whole.
    let lengths = [64, 32, 32, 16, 16, 16, 16, 64]
    var plan = Self.plan(data: 2, microbatches: 2)
    let apart = Self.loads(lengths, plan)
    #expect(apart.shares == [[0, 1, 0], [0, 0, 1]])
    #expect(apart.work == (1 + 0.5 + 0.25 + 1) / 4)
    plan.expertParallel = 2
    let together = Self.loads(lengths, plan)
    #expect(together.shares == [[0, 0, 1], [0, 0, 1]])
    #expect(together.work == apart.work)
  }

  /// Each of two context ranks holds an outer or an inner pair of four chunks, and the heavier one is waited for.
  ///
  /// Rows of a document cost what those of one do that meet as many keys.
  @Test func contextRanks() {
    let plan = Self.plan(context: 2)
    #expect(Self.loads([64], plan).lengths.points == [16, 32, 64, 128])
    #expect(Self.loads([64], plan).shares == [[0, 0, 1, 0]])
    // Of each half the outer rank has the first 16 rows, or those from 16 to 32.
    #expect(Self.loads([32], plan).shares == [[0.5, 0.25, 0.25, 0]])
    #expect(Self.loads([8], plan).shares == [[1, 0, 0, 0]])
    let uneven = Self.loads([16, 48], plan)
    // The outer rank: a document of 16, and the rows from 32 to 48 of the other, as of one of 80.
    #expect(uneven.shares == [[0.5, 0, 0.375, 0.125]])
    #expect(uneven.work == 0.625)
  }

  /// Around a ring a rank's own block has what lies of a document there, other blocks the rest of its pairs.
  @Test func ranksOfARing() {
    var plan = Self.plan(context: 2)
    plan.contextExchange = .ring
    #expect(Self.loads([64], plan).lengths.points == [16, 32])
    #expect(Self.loads([64], plan).shares == [[0, 1, 1]])
    #expect(Self.loads([16], plan).shares == [[1, 0, 0]])
    // The rows from 16 to 32 meet 16 keys of the other rank, half of what those of a whole sequence do twice.
    #expect(Self.loads([32], plan).shares == [[1, 0, 0.5]])
  }

  /// Short documents cost ranks of a context group what they cost a rank by itself, its kernels' ramp included.
  @Test(arguments: [200, 500, 3_000], ["gather", "ring"])
  func contextRanksKeepTheRamp(mean: Int, exchange: String) throws {
    func attention(_ words: String) throws -> Double {
      let text = """
        global-batch: 8
        sequence-length: 32768
        zero-stage: 1
        documents: {lengths: {mean: \(mean), deviation: 0}}
        \(words)
        """
      let step = try PlannedStep(
        architecture: .named("llama-3.1-8b", overrides: ["num_hidden_layers=2"]),
        cluster: .shipped("h100-2048", overrides: ["nodes=1"]),
        plan: .read(Document(text: text, name: "plan"), name: "plan"))
      let kernels = step.simulation.run().ranks[0].kernels
      return Double(
        kernels[.attention, .forward] + kernels[.attention, .backwardInput])
    }
    let alone = try attention("data-parallel: 8")
    let parted = try attention(
      "data-parallel: 4\ncontext-parallel: 2\ncontext-exchange: \(exchange)")
    #expect(abs(parted / alone - 1) < 0.05, "\(parted / alone)")
  }

  /// Over many documents the drawn lengths have the mean and the deviation that were asked for.
  @Test func drawnLengths() {
    let plan = Self.plan(microbatches: 2000, length: 4096)
    func work(_ deviation: Double) -> Double {
      DocumentLoads(
        PackedDocuments(.distribution(mean: 64, deviation: deviation, seed: 3)), lengths: nil, plan,
        seedOffset: 0
      ).work
    }
    #expect(abs(work(0) - 64.0 / 4096) < 1e-9)
    // Pairs go with the mean square over the mean, 64 (1 + c²); few documents are cut.
    #expect(abs(work(0.5) * 4096 / 80 - 1) < 0.03)
  }

  /// Where pairs alone take time, the step takes the documents' share of them, by pieces or walked.
  @Test(arguments: ["1f1b", "zb-h1", "dualpipe"]) func stepsTakeTheirPairs(schedule: String) throws
  {
    var plan = Inputs.plan(schedule, pipeline: 2, microbatches: 4)
    plan.sequenceLength = 64
    let architecture = Inputs.deepSeek(layers: 4)
    let even = StepSimulation(try Inputs.input(architecture, plan), pricing: PairPricing()).run()
    plan.documents = PackedDocuments(.file("lengths"))
    var simulation = StepSimulation(
      try Inputs.input(architecture, plan), pricing: PairPricing())
    simulation.documents = Self.loads([16, 48], plan)
    let packed = simulation.run()
    #expect(abs(Double(packed.step) / Double(even.step) - 0.625) < 1e-6)
    simulation.replays = false
    let walked = simulation.run()
    #expect(walked.ranks == packed.ranks && walked.step == packed.step)
    for (rank, other) in zip(packed.ranks, even.ranks) {
      #expect(rank.flops < other.flops && rank.causalFLOPs < other.causalFLOPs)
    }
  }

  // MARK: Files

  private static func step(_ documents: String) throws -> PlannedStep {
    let text = """
      data-parallel: 8
      global-batch: 16
      sequence-length: 4096
      \(documents)
      """
    return try PlannedStep(
      architecture: .named("llama-3.1-8b", overrides: ["num_hidden_layers=2"]),
      cluster: .shipped("h800-2048", overrides: ["nodes=1"]),
      plan: .read(Document(text: text, name: "plan"), name: "plan"))
  }

  /// Short documents make a step shorter, by less than their pairs; without a mask nothing changes, which is
  /// said.
  @Test func documentsAct() throws {
    let even = try Self.step("").report()
    let short = try Self.step("documents: {lengths: {mean: 256}}")
    let report = short.report()
    #expect(report.stepSeconds < even.stepSeconds)
    #expect(report.flopsPerTokenCausal < even.flopsPerTokenCausal)
    #expect(short.isDrawn && Set(short.run(seeds: 3).map(\.step)).count == 3)
    let unmasked = try Self.step("documents: {lengths: {mean: 256}, mask: none}")
    #expect(unmasked.report() == even && !unmasked.isDrawn)
    #expect(
      unmasked.assumptions.contains(
        "documents never acts: mask none attends over whole sequences, whatever they are made of"))
    let unfused = try Self.step("documents: {lengths: {mean: 256}}\nfused-attention: false")
    #expect(
      unfused.assumptions.contains(
        "documents never acts: unfused attention computes the whole square"))
  }

  @Test func files() throws {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("documents-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    func file(_ text: String) throws -> String {
      let path = folder.appendingPathComponent("lengths.txt").path
      try text.write(toFile: path, atomically: true, encoding: .utf8)
      return path
    }
    let whole = try Self.step("documents: {lengths: \"\(file("4096\n"))\"}")
    let even = try Self.step("")
    #expect(whole.simulation.run().step == even.simulation.run().step && !whole.isDrawn)
    let halves = try Self.step("documents: {lengths: \"\(file("2048\n\n2048\n"))\"}")
    #expect(halves.simulation.run().step < even.simulation.run().step)
    for (text, rule) in [
      ("12\nfour\n", "expected the tokens of a document"), ("0\n", "a whole number above 0"),
      ("\n", "is empty"),
    ] {
      let path = try file(text)
      let error = try #require(throws: ConfigurationError.self) {
        try PackedDocuments.lengths(file: path)
      }
      #expect(error.description.contains(rule), "\(error)")
    }
  }
}
