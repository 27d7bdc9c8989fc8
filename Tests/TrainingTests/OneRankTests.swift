import MessagePassing
import Testing
import Training

@Suite struct OneRankTests {
  static let names = [
    "gpt2-tiny", "llama-tiny", "deepseek-v3-tiny", "gpt2-8-layers", "llama-8-layers",
    "deepseek-v3-8-layers",
  ]

  @Test(arguments: names)
  func logitsEqualTheReference(name: String) throws {
    let model = try ReferenceModel(name)
    let expected = try model.outputs.floats("logits")
    let plan = model.plan()
    let found = try withRanksAsThreads(1) { communicator in
      let trainer = try RankTrainer(
        model.architecture, plan, communicator, RepeatedRows(model.rows))
      try model.load(trainer)
      var logits: [[Float]] = Array(repeating: [], count: plan.microbatchCount)
      let result = try trainer.logits { _, microbatch, values in
        logits[microbatch] = Array(values)
      }
      return (result.loss, logits)
    }[0]
    #expect(abs(found.0 - (try model.losses()[0])) <= 1e-5)
    let (length, vocabulary) = (plan.sequenceLength, model.architecture.vocabularySize)
    for (row, logits) in found.1.enumerated() {
      let first = row * (length + 1) * vocabulary
      let difference =
        zip(logits, expected[first..<first + length * vocabulary])
        .map { abs($0 - $1) }.max() ?? .infinity
      #expect(difference <= 1e-4 && logits.count == length * vocabulary)
    }
  }

  @Test(arguments: names)
  func gradientsAndStepsEqualTheReference(name: String) throws {
    let model = try ReferenceModel(name)
    try model.expectTraining(under: model.plan())
    try model.expectTraining(under: model.plan { $0.microbatchSize = 2 })
  }
}
