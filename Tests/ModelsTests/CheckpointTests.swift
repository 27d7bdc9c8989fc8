import Models
import Testing

@Suite("Tensors against checkpoints written by transformers 5.23")
struct CheckpointTests {
  @Test(arguments: checkpoints)
  func namesAndShapesAreThoseOfTheCheckpoint(checkpoint: String) throws {
    let architecture = try Architecture.named(fixture(checkpoint))
    #expect(architecture.name == checkpoint)
    let expected = architecture.withoutMultiTokenPrediction.parameters
      .filter { $0.sharedWith == nil }
      .map { SavedTensor(name: $0.name, shape: $0.shape, hasGradient: $0.isTrained) }
      .sorted { $0.name < $1.name }
    let saved = try savedTensors(of: checkpoint).sorted { $0.name < $1.name }
    #expect(expected.map(\.name) == saved.map(\.name))
    for (tensor, other) in zip(expected, saved) { #expect(tensor == other) }
  }

  @Test func groupedQueriesAreRead() throws {
    let llama = try Architecture.named(fixture("llama-tiny/config.json"))
    guard case .multiHead(let shape) = llama.attention else {
      Issue.record("not multi-head")
      return
    }
    #expect(shape.heads == 4 && shape.keyValueHeads == 2 && shape.headSize == 12)
    #expect(llama.position == .rotary(Rotary(theta: 10_000, layout: .halved)))
    #expect(llama.cachedBytesPerToken() == 2 * 2 * 12 * 3 * 2)
  }

  @Test func routingIsRead() throws {
    let model = try Architecture.named(fixture("deepseek-v3-tiny"))
    #expect(model.multiTokenPrediction == 1)
    #expect(model.feedForwards[0] == .dense(width: 96, gated: true, bias: false))
    #expect(
      model.feedForwards[2]
        == .mixture(
          Mixture(
            routedExperts: 8, expertsPerToken: 2, expertWidth: 24, sharedExperts: 1,
            sharedWidth: 24, groups: 2, groupsPerToken: 1, groupScore: .sumOfTopTwo,
            scoring: .sigmoid, normalizesWeights: true, routedScaling: 2.5, correctionBias: true)))
    #expect(model.position == .rotary(Rotary(theta: 10_000, layout: .interleaved)))
  }

  @Test func tiedHeadIsACopyOfTheEmbedding() throws {
    let model = try Architecture.named(fixture("gpt2-tiny"))
    let head = try #require(model.parameters(of: .head).last)
    #expect(head.name == "lm_head.weight" && head.sharedWith == "transformer.wte.weight")
    #expect(head.shape == [97, 48])
  }
}
