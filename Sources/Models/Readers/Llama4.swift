import Documents

extension ConfigReader {
  /// Experts in every `interleave_moe_layer_step`th layer beside a shared one; attention within chunks,
  /// and in every fourth layer over everything without a rotation.
  mutating func readLlama4() throws(ConfigurationError) -> Architecture {
    let hidden = try size("hidden_size")
    let count = try layers()
    let bias = try flag("attention_bias")
    try noticeDropout(["attention_dropout"])
    try notePeculiar("attn_scale", default: 0.1)
    _ = try table.optional("floor_scale", .number(in: 0...1e9))
    let norm: MultiHead.QueryKeyNorm =
      try flag("use_qk_norm", default: true) ? .withoutGain : .absent
    let shape = try multiHead(
      hidden: hidden, keyValueHeads: 8, headSize: 128, bias: bias, outputBias: bias,
      queryKeyNorm: norm)
    let (reaches, rotated) = try llama4Attention(count)
    let blocks = try llama4Blocks(count)
    let layers = (0..<count).map { index in
      var own = shape.reaching(reaches[index])
      // The norm follows the rotation, and there is none without it.
      if !rotated[index] { own.queryKeyNorm = .absent }
      return Layer(.multiHead(own), blocks[index], rotates: rotated[index])
    }
    return try decoder(
      .llama4, hidden: hidden, layers,
      normalization: .rmsNorm(
        epsilon: try table.value("rms_norm_eps", .number(in: 0...1), default: 1e-5)),
      rotary: try rotary(
        layout: .interleaved, positions: try positions(default: 131_072), layers, theta: 500_000),
      positions: 131_072)
  }

  private func llama4Blocks(_ count: Int) throws(ConfigurationError) -> [FeedForward] {
    let width = try size("intermediate_size")
    let experts = try table.value(
      "num_local_experts", .integer(in: Self.expertCounts), default: 16)
    let chosen = try table.value(
      "num_experts_per_tok", .integer(in: 1...experts), default: 1)
    let activation = try activation(default: .silu)
    var mixture = Mixture(
      routedExperts: experts, expertsPerToken: chosen, expertWidth: width, sharedExperts: 1,
      sharedWidth: width, scoring: .sigmoid, normalizesWeights: false)
    mixture.activation = activation
    let dense = try gatedBlock("intermediate_size_mlp", default: 16_384, activation: activation)
    let step = try table.value(
      "interleave_moe_layer_step", .integer(in: Self.layerCounts), default: 1)
    let listed = try table.optional("moe_layers", .list(of: .integer(in: 0...count - 1)))
    return (0..<count).map { layer in
      let isMixture = listed.map { $0.contains(layer) } ?? ((layer + 1) % step == 0)
      return isMixture ? .mixture(mixture) : dense
    }
  }

  private func llama4Attention(
    _ count: Int
  ) throws(ConfigurationError) -> (reaches: [Reach], rotated: [Bool]) {
    let rotated = try layersWithRotation(count)
    let chunk = try table.value(
      "attention_chunk_size", .integer(in: Self.positions), default: 8192)
    let types = try layerTypes(count, among: ["full_attention", "chunked_attention"])
    let reaches: [Reach] = (0..<count).map { layer in
      (types.map { $0[layer] == "chunked_attention" } ?? rotated[layer]) ? .chunk(chunk) : .all
    }
    return (reaches, rotated)
  }

  /// `no_rope_layers` has a 1 for each layer with a rotation, and a 0 for each without; where it is not
  /// written, every `no_rope_layer_interval`th layer has none.
  func layersWithRotation(_ count: Int) throws(ConfigurationError) -> [Bool] {
    let interval = try table.value(
      "no_rope_layer_interval", .integer(in: Self.layerCounts), default: 4)
    let listed = try table.optional("no_rope_layers", .list(of: .integer(in: 0...1))) ?? []
    guard !listed.isEmpty else { return (0..<count).map { ($0 + 1) % interval != 0 } }
    guard listed.count >= count else {
      throw table.error("has \(listed.count) marks for \(count) layers", at: "no_rope_layers")
    }
    return listed.prefix(count).map { $0 == 1 }
  }
}
