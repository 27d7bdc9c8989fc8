import Documents

extension ConfigReader {
  /// OLMo 2: norms behind the blocks, and over all heads of queries and of keys.
  ///
  /// OLMo 3 has windows in three layers of four.
  mutating func readOLMo(
    _ family: Architecture.Family
  ) throws(ConfigurationError) -> Architecture {
    let hidden = try size("hidden_size")
    let count = try layers()
    let bias = try flag("attention_bias")
    try noticeDropout(["attention_dropout"])
    let block = try gatedBlock(activation: try activation(default: .silu))
    let shape = try multiHead(hidden: hidden, bias: bias, outputBias: bias, queryKeyNorm: .whole)
    let reaches =
      family == .olmo3
      ? try reaches(count, window: 4096) { ($0 + 1) % 4 != 0 }
      : Array(repeating: .all, count: count)
    return try decoder(
      family, hidden: hidden,
      reaches.map { Layer(.multiHead(shape.reaching($0)), block, norms: .after) },
      normalization: .rmsNorm(
        epsilon: try table.value("rms_norm_eps", .number(in: 0...1), default: 1e-5)))
  }
}
