import Models
import Testing

/// DeepSeek-V3.2, whose indexer chooses 2,048 keys: 64 heads of 128 beside 128 heads of 192 and 128.
@Suite struct SparseAttentionTests {
  private func model() throws -> Architecture {
    try Architecture.named(fixture("families/deepseek-v3.2-exp.json"))
  }

  /// What a model of the same sizes without an indexer has.
  private func dense(_ model: Architecture) -> Architecture {
    var dense = model
    for index in dense.layers.indices {
      guard case .latent(var shape) = dense.layers[index].attention else { continue }
      shape.indexer = nil
      dense.layers[index].attention = .latent(shape)
    }
    return dense
  }

  /// Six FLOPs a pair and column of attention over the chosen keys, two a pair and column of the indexer
  /// over all, and four over the chosen.
  @Test func attentionByHand() throws {
    let model = try model()
    let long = model.trainingFlops(sequence: 131_072, causal: true)
    // Of 131,072 keys a query meets 2048 - 2048² / (2 · 131,072) = 2,032 in the mean.
    let core = 6 * 128 * (192 + 128) * 2032
    let scores = 2 * 64 * 128 * 65_536
    let learning = 4 * 64 * 128 * 2032
    #expect(long.attention == 61 * (core + scores + learning))
    #expect(long.attention == 100_022_353_920)
    #expect(
      model.trainingFlops(sequence: 131_072, causal: false).attention == 2 * long.attention)
    // Where there are fewer keys than it would choose, it scores them all the same.
    let short = model.trainingFlops(sequence: 1024, causal: true)
    let whole = dense(model).trainingFlops(sequence: 1024, causal: true)
    #expect(short.attention - whole.attention == 61 * 6 * 64 * 128 * 512)
  }

  /// Inputs of the indexer take no gradient: two products a weight in place of three.
  @Test func projectionsByHand() throws {
    let model = try model()
    let own = model.trainingFlops(sequence: 4096, causal: true).linear
    let without = dense(model).trainingFlops(sequence: 4096, causal: true).linear
    #expect(own - without == 4 * 61 * (1536 * 64 * 128 + 7168 * 128 + 7168 * 64))
  }
}
