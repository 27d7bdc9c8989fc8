import MessagePassing
import Plans
import TestSupport
import Testing
import Training

/// Completions of many prompts at once: a row depends on its own text alone.
@Suite struct RolloutGeneratorTests {
  typealias Made = RolloutGenerator.Made

  private static let count = 75

  /// Prompts of many lengths, each with chance of its own.
  private static let requests = (0..<count).map { number in
    RolloutGenerator.Request(
      prompt: (0..<(1 + number * 7 % 9)).map { Int32((number * 31 + $0 * $0 * 7) % 97) },
      counters: [5, number])
  }

  /// The completions of requests in an order, by their numbers.
  private func complete(
    _ name: String, _ order: [Int], blocks: Int, _ change: @escaping @Sendable (inout Plan) -> Void,
    rows: Int? = nil, spoil: Bool = false
  ) throws -> (made: [Int: Made], rows: Int) {
    let model = try ReferenceModel(name)
    var plan = Plan()
    plan.globalBatch = 8
    plan.sequenceLength = 16
    plan.precision = .float32
    change(&plan)
    return try withRanksAsThreads(plan.worldSize, timeout: Launch.hangLimit) {
      [plan] communicator in
      let generator = try RolloutGenerator(
        model.architecture, plan, communicator, layout: nil, positions: 17, wanted: Self.count,
        ends: [0], mostBlocks: blocks, rowsOfABlock: rows)
      for slice in generator.rank.slices {
        let values = try model.parameters.floats(slice.tensor.sharedWith ?? slice.tensor.name)
        _ = generator.rank.values(slice).update(fromContentsOf: values)
        if spoil { generator.rank.values(slice)[0] = .nan }
      }
      let all = try generator.complete(
        order.map { Self.requests[$0] }, maximum: 7, Sampling(temperature: 1, topShare: 1), seed: 3)
      return (Dictionary(uniqueKeysWithValues: zip(order, all)), generator.rows)
    }[0]
  }

  /// In another order, with fewer rows that are filled again, on other ranks: the same bits.
  @Test(arguments: ["gpt2-tiny", "llama-tiny", "deepseek-v3-tiny"])
  func aRowDependsOnItsTextAlone(name: String) throws {
    let order = Array(0..<Self.count)
    let (expected, rows) = try complete(name, order, blocks: 8) { _ in }
    #expect(rows == 96)
    let lengths = Set(expected.values.map(\.tokens.count))
    #expect(lengths.contains(7) && expected.values.allSatisfy { !$0.tokens.isEmpty })
    let turned = try complete(name, order.reversed(), blocks: 8) { _ in }.made
    #expect(turned == expected)
    let (refilled, fewer) = try complete(name, order, blocks: 1) { _ in }
    #expect(fewer == 32 && refilled == expected)
    let (narrow, fewest) = try complete(name, order, blocks: 1, { _ in }, rows: 8)
    #expect(fewest == 8 && narrow == expected)
    let mixed = order.map { $0 * 13 % Self.count }
    let shared = try complete(name, mixed, blocks: 1) { $0.dataParallel = 2 }.made
    #expect(shared == expected)
    let staged = try complete(name, mixed, blocks: 2) {
      $0.pipelineParallel = 2
      $0.schedule = .named("1f1b")
    }.made
    #expect(staged == expected)
  }

  /// Blocks have fewer rows where weights and caches then stay near the core.
  @Test func rowsFollowFromWeightsAndCaches() throws {
    let architecture = try ReferenceModel("llama-tiny").architecture
    var plan = Plan()
    func rows(_ positions: Int) -> Int {
      RolloutGenerator.rowsOfABlock(architecture, plan, positions: positions)
    }
    let row = architecture.cachedBytesPerPosition
    let free = RolloutGenerator.nearBytes - 4 * architecture.parameterCounts.total
    #expect(row > 0 && free > 16 * row)
    for most in [32, 16, 8] {
      // Half-full caches of the most positions that so many rows may have, and of one more.
      let positions = 2 * free / (most * row)
      #expect(rows(positions) == most)
      #expect(rows(positions + 1) == (most == 8 ? 32 : most / 2))
    }
    plan.pipelineParallel = 2
    #expect(rows(2 * free / (8 * row)) == 32)
  }

  /// A forward that repeats the places of the one before does, and counts, what a walked one does.
  @Test(arguments: ["gpt2-tiny", "llama-tiny", "deepseek-v3-tiny"])
  func aRepeatedForwardIsAForward(name: String) throws {
    let model = try ReferenceModel(name)
    var plan = Plan()
    (plan.globalBatch, plan.sequenceLength, plan.precision) = (1, 16, .float32)
    let runs = try withRanksAsThreads(1, timeout: Launch.hangLimit) { [plan] communicator in
      let generator = try RolloutGenerator(
        model.architecture, plan, communicator, layout: nil, positions: 17, wanted: Self.count,
        ends: [0], mostBlocks: 2)
      for slice in generator.rank.slices {
        let values = try model.parameters.floats(slice.tensor.sharedWith ?? slice.tensor.name)
        _ = generator.rank.values(slice).update(fromContentsOf: values)
      }
      // One whose order is written down is walked.
      return try [true, false, true].map { isWalked in
        generator.rank.recording = Recording(order: isWalked)
        let made = try generator.complete(
          Self.requests, maximum: 7, Sampling(temperature: 1, topShare: 1), seed: 3)
        let ledger = generator.rank.ledger
        return (made, ledger.matmulFLOPs, ledger.attentionFLOPs, ledger.peak, ledger.order.count)
      }
    }[0]
    #expect(runs[0].4 > 0 && runs[1].4 == 0 && runs[2].4 == runs[0].4)
    for run in runs.dropFirst() {
      #expect(run.0 == runs[0].0)
      #expect(run.1 == runs[0].1 && run.2 == runs[0].2 && run.3 == runs[0].3)
    }
  }

  @Test func scoresThatAreNoNumbersEndAllRanks() throws {
    #expect(throws: TrainingError.notFiniteScores) {
      _ = try complete("llama-tiny", [0, 1], blocks: 1, { $0.dataParallel = 2 }, spoil: true)
    }
  }
}
