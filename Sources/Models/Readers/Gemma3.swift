import Documents

extension ConfigReader {
  /// Norms around both blocks and over heads; five layers with windows and a rotation of their own to one
  /// without.
  ///
  /// Files of models with images leave out what has the family's default.
  mutating func readGemma3() throws(ConfigurationError) -> Architecture {
    let hidden = try size("hidden_size")
    let count = try layers()
    let bias = try flag("attention_bias")
    try noticeDropout(["attention_dropout"])
    noteGemma()
    try noteGemmaCaps(scores: nil, logits: nil)
    let activation = try activation("hidden_activation", default: .geluTanh)
    let block = try gatedBlock(activation: activation)
    let shape = try multiHead(
      hidden: hidden, heads: 8, keyValueHeads: 4, headSize: 256, bias: bias, outputBias: bias,
      queryKeyNorm: .eachHead)
    let pattern = try table.value(
      table.contains("sliding_window_pattern")
        ? "sliding_window_pattern" : "_sliding_window_pattern", .integer(in: Self.layerCounts),
      default: 6)
    let reaches = try reaches(count, window: 4096) { ($0 + 1) % pattern != 0 }
    let span = try positions(default: 131_072)
    let whole = try rotary(
      layout: .halved, positions: span, [], theta: 1_000_000, of: "full_attention")
    let local = Rotary(
      theta: try table.value("rope_local_base_freq", .number(in: 1.001...1e12), default: 10_000),
      layout: .halved)
    return try decoder(
      .gemma3, hidden: hidden,
      reaches.map { reach in
        Layer(
          .multiHead(shape.reaching(reach)), block, norms: .around,
          rotary: reach == .all ? nil : local)
      }, rotary: whole, positions: 131_072, tied: true, vocabulary: 262_208)
  }
}
