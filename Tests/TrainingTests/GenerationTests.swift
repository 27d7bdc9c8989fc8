import MessagePassing
import Models
import Plans
import Programs
import TestSupport
import Testing
import Training

/// Texts that are made with caches are those that are made without.
@Suite struct GenerationTests {
  /// Degrees of data, expert and pipeline parallelism.
  struct Split: Sendable, CustomTestStringConvertible {
    var data = 1
    var expert = 1
    var pipeline = 1

    var testDescription: String { "dp\(data) ep\(expert) pp\(pipeline)" }

    var plan: Plan {
      var plan = Plan()
      plan.dataParallel = data
      plan.expertParallel = expert
      plan.pipelineParallel = pipeline
      return plan
    }
  }

  static let prompt: [Int32] = [5, 71, 3, 3, 90, 12, 44]
  static let made = 12

  /// What one rank saw of a generation.
  struct Report: Sendable {
    var tokens: [Int32] = []
    var scores: [[Float]] = []
    var ledgers: [Ledger] = []
  }

  /// The next token: the best one, and every other time a given one, so that a random model's text does
  /// not repeat itself.
  private func next(after scores: [Float], _ index: Int) -> Int32 {
    if index % 2 == 1 { return Int32((37 * index + 11) % scores.count) }
    return Int32(scores.indices.max { (scores[$0], $1) < (scores[$1], $0) } ?? -1)
  }

  /// Text through the caches, on every rank.
  private func generate(_ model: ReferenceModel, _ split: Split) throws -> [Report] {
    try withRanksAsThreads(split.plan.worldSize, timeout: Launch.hangLimit) { communicator in
      let generator = try TextGenerator(
        model.architecture, split.plan, communicator, prompt: Self.prompt.count,
        positions: Self.prompt.count + Self.made - 1)
      for slice in generator.slices {
        let values = try model.parameters.floats(slice.tensor.sharedWith ?? slice.tensor.name)
        _ = generator.values(slice).update(fromContentsOf: values)
      }
      var report = Report()
      var fed = Self.prompt
      for index in 0..<Self.made {
        let scores = try generator.feed(fed)
        fed = [scores.map { next(after: $0, index) } ?? -1]
        try communicator.broadcast(&fed, from: generator.root)
        report.tokens += fed
        report.scores += scores.map { [$0] } ?? []
        report.ledgers.append(generator.ledger)
      }
      #expect(generator.fed == Self.prompt.count + Self.made - 1)
      return report
    }
  }

  /// The same text and scores by a forward of the training programs over the whole text for every token.
  private func recompute(_ model: ReferenceModel) throws -> Report {
    try withRanksAsThreads(1) { communicator in
      var report = Report()
      var text = Self.prompt
      for index in 0..<Self.made {
        var plan = Plan()
        plan.globalBatch = 1
        plan.sequenceLength = text.count
        plan.precision = .float32
        let trainer = try RankTrainer(
          model.architecture, plan, communicator, RepeatedRows([text + [-1]]))
        try model.load(trainer)
        let size = model.architecture.vocabularySize
        var scores: [Float] = []
        _ = try trainer.logits { _, _, values in scores = Array(values.suffix(size)) }
        report.scores.append(scores)
        report.tokens.append(next(after: scores, index))
        text.append(next(after: scores, index))
      }
      return report
    }[0]
  }

  @Test(arguments: OneRankTests.names)
  func cachedEqualsRecomputed(name: String) throws {
    let model = try ReferenceModel(name)
    let expected = try recompute(model)
    #expect(Set(expected.tokens).count > Self.made / 2, "a text that varies")
    let isMixture = model.architecture.feedForwards.contains { $0.mixture != nil }
    let splits = [
      Split(), Split(pipeline: 2), Split(pipeline: 4), Split(data: 2),
      Split(data: 2, expert: 2), Split(data: 2, expert: 2, pipeline: 2),
    ]
    for split in splits where isMixture || split.expert == 1 {
      let what = "\(name) \(split.testDescription)"
      let reports = try generate(model, split)
      for report in reports { #expect(report.tokens == expected.tokens, "\(what)") }
      let speaking = reports.filter { !$0.scores.isEmpty }
      #expect(speaking.count == split.data, "\(what)")
      for report in speaking {
        for (found, expected) in zip(report.scores, expected.scores) {
          let largest = expected.map(abs).max() ?? 0
          let difference = zip(found, expected).map { abs($0 - $1) }.max() ?? .infinity
          #expect(difference <= 1e-5 * largest, "\(what)")
        }
      }
    }
  }

  /// Behind the prompt a token costs its own products, and in attention one pair more than the last.
  @Test(arguments: OneRankTests.names)
  func aTokenDoesNotReadThePromptAgain(name: String) throws {
    let model = try ReferenceModel(name)
    let ledgers = try generate(model, Split())[0].ledgers.dropFirst()
    let architecture = model.architecture
    let flops = ledgers.map(\.matmulFLOPs)
    #expect(flops.allSatisfy { $0 == flops[0] } && flops[0] > 0)
    var width = architecture.attention.queryKeyHeadSize + architecture.attention.valueHeadSize
    if case .latent(let shape) = architecture.attention {
      width = 2 * shape.keyValueRank + shape.ropeHeadSize
    }
    let pair = 2 * architecture.attention.heads * width * architecture.layerCount
    for (index, ledger) in ledgers.enumerated() {
      #expect(ledger.attentionFLOPs == pair * (Self.prompt.count + index + 1))
    }
  }

  /// A rank that generates or evaluates holds parameters, caches and what a forward needs, no more.
  @Test(arguments: OneRankTests.names)
  func thereAreNeitherGradientsNorOptimizerState(name: String) throws {
    let model = try ReferenceModel(name)
    let parameters = model.architecture.parameters.filter { $0.sharedWith == nil }
      .reduce(0) { $0 + 4 * $1.count }
    let generation = try generate(model, Split())[0].ledgers
    let evaluation = try withRanksAsThreads(1) { communicator in
      let rank = try ForwardRank(
        model.architecture, model.plan(), communicator, RepeatedRows(model.rows), .evaluation)
      for slice in rank.slices {
        let values = try model.parameters.floats(slice.tensor.sharedWith ?? slice.tensor.name)
        _ = rank.values(slice).update(fromContentsOf: values)
      }
      let result = try rank.evaluate()
      #expect(abs(result.loss - (try model.losses()[0])) <= 1e-5)
      return result.ledger
    }
    for ledger in generation + evaluation {
      #expect(ledger.peak[.gradient] == 0 && ledger.peak[.optimizer] == 0)
      let rounding = ledger.peak[.parameter] - parameters
      #expect(rounding >= 0 && rounding < 256 * model.architecture.parameters.count)
    }
    let cached =
      model.architecture.cachedBytesPerToken(bytesPerNumber: 4)
      * (Self.prompt.count + Self.made - 1)
    let peak = generation.map { $0.peak[.activation] }.min() ?? 0
    #expect(peak >= cached)
    // Activations of a forward are freed as it goes on: a few rows of a layer, not of all layers.
    let evaluated = evaluation[0].peak[.activation]
    let trained = try model.train(model.plan(), steps: 1)[0].ledgers[0].peak[.activation]
    #expect(4 * evaluated < trained)
  }

  /// What is cached per token is what `sluice model` says: of latent attention latent and rotated key.
  @Test(arguments: ["gpt2-tiny", "llama-tiny", "deepseek-v3-tiny"])
  func cachesHoldWhatTheModelSays(name: String) throws {
    let architecture = try ReferenceModel(name).architecture
    var setting = LoweringSetting(sequences: 1, sequenceLength: 1)
    setting.purpose = .generation(positions: 64)
    let stage = StageProgram(units: architecture.units, of: architecture, setting)
    let caches = stage.buffers.filter { $0.scope == .stage && $0.use == .activation }
    #expect(caches.allSatisfy { $0.rows == .fixed(64) })
    #expect(
      caches.reduce(0) { $0 + $1.columns }
        == architecture.layerCount * architecture.attention.cachedWidth)
    #expect(stage.buffers.allSatisfy { $0.use != .gradient && $0.use != .optimizer })
  }
}
