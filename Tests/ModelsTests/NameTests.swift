import Models
import Testing

@Suite("Tensor names of each family")
struct NameTests {
  @Test func mixtralExperts() throws {
    let model = try Architecture.named("mixtral-8x7b")
    let tensors = model.parameters(of: .layer(31))
    let block = "model.layers.31.block_sparse_moe."
    #expect(shape(block + "gate.weight", in: tensors) == [8, 4096])
    #expect(shape(block + "experts.7.w1.weight", in: tensors) == [14336, 4096])
    #expect(shape(block + "experts.7.w2.weight", in: tensors) == [4096, 14336])
    #expect(shape(block + "experts.7.w3.weight", in: tensors) == [14336, 4096])
    #expect(tensors.first { $0.name == block + "experts.7.w2.weight" }?.role == .expertDown)
  }

  @Test func qwenNormsOfQueriesAndKeys() throws {
    let tensors = try Architecture.named("qwen3-235b-a22b").parameters(of: .layer(93))
    #expect(shape("model.layers.93.self_attn.q_norm.weight", in: tensors) == [128])
    #expect(shape("model.layers.93.self_attn.k_norm.weight", in: tensors) == [128])
    #expect(shape("model.layers.93.self_attn.q_proj.weight", in: tensors) == [8192, 4096])
    #expect(shape("model.layers.93.mlp.experts.127.down_proj.weight", in: tensors) == [4096, 1536])
  }

  /// The last entries of the index of DeepSeek's own checkpoint: layer 61 is the module.
  @Test func predictionModule() throws {
    let model = try Architecture.named("deepseek-v3")
    let tensors = model.parameters(of: .multiTokenPrediction(0))
    #expect(shape("model.layers.61.eh_proj.weight", in: tensors) == [7168, 14336])
    for name in ["enorm.weight", "hnorm.weight", "shared_head.norm.weight"] {
      #expect(shape("model.layers.61." + name, in: tensors) == [7168])
    }
    let copies = tensors.filter { $0.sharedWith != nil }
    #expect(
      copies.map(\.name) == [
        "model.layers.61.embed_tokens.weight", "model.layers.61.shared_head.head.weight",
      ])
    #expect(copies.map(\.sharedWith) == ["model.embed_tokens.weight", "lm_head.weight"])
    #expect(
      shape("model.layers.61.mlp.gate.e_score_correction_bias", in: tensors) == [256])
  }

  @Test(arguments: Architecture.shippedNames)
  func namesAreUnique(name: String) throws {
    let names = try Architecture.named(name).parameters.map(\.name)
    #expect(Set(names).count == names.count)
  }

  @Test func projectionsListTheWeightsOfAttention() throws {
    for name in Architecture.shippedNames {
      let model = try Architecture.named(name)
      // The first layer with attention: before it may be recurrent ones.
      let first = try #require(
        model.layers.firstIndex { $0.attention.hasScores }, "\(name)")
      let tensors = model.parameters(of: .layer(first))
      let projections = model.layers[first].attention.projectionSizes(hidden: model.hiddenSize)
      #expect(projections.count >= 2, "\(name)")
      for projection in projections {
        let tensor = try #require(
          tensors.first { $0.role == projection.role }, "\(name): \(projection.role)")
        let expected = [projection.output, projection.input]
        #expect(tensor.shape == (tensor.isInputMajor ? expected.reversed() : expected))
      }
    }
  }

  @Test func unitsComeInTheOrderOfTheForwardPass() throws {
    let units = try Architecture.named(fixture("deepseek-v3-tiny")).units
    #expect(
      units == [.embedding, .layer(0), .layer(1), .layer(2), .head, .multiTokenPrediction(0)])
    #expect(units == units.sorted())
  }

  private func shape(_ name: String, in tensors: [ParameterTensor]) -> [Int]? {
    tensors.first { $0.name == name }?.shape
  }
}
