import Documents

extension ConfigReader {
  /// GLM-4: biases on queries, keys and values, half of a head turned; the newer files have norms behind
  /// the blocks as well.
  mutating func readGLM(
    _ family: Architecture.Family
  ) throws(ConfigurationError) -> Architecture {
    let hidden = try size("hidden_size")
    let count = try layers()
    try noticeDropout(["attention_dropout"])
    let bias = try flag("attention_bias", default: true)
    let layer = Layer(
      .multiHead(try multiHead(hidden: hidden, keyValueHeads: 2, headSize: 128, bias: bias)),
      try gatedBlock(activation: try activation(default: .silu)),
      norms: family == .glm4 ? .around : .before)
    return try decoder(
      family, hidden: hidden, Array(repeating: layer, count: count),
      rotary: try rotary(
        layout: .interleaved, positions: try positions(default: 131_072), [layer], share: 0.5),
      positions: 131_072)
  }
}
