import Documents

extension ConfigReader {
  /// Llama's parts, without a rotation in every fourth layer.
  mutating func readSmolLM3() throws(ConfigurationError) -> Architecture {
    let hidden = try size("hidden_size")
    let count = try layers()
    let bias = try flag("attention_bias")
    try noticeDropout(["attention_dropout"])
    let block = try gatedBlock(
      bias: try flag("mlp_bias"), activation: try activation(default: .silu))
    let shape = try multiHead(hidden: hidden, keyValueHeads: 4, bias: bias, outputBias: bias)
    let rotated = try layersWithRotation(count)
    let reaches =
      try flag("use_sliding_window")
      ? try reaches(count) { rotated[$0] } : Array(repeating: .all, count: count)
    return try decoder(
      .smolLM3, hidden: hidden,
      zip(reaches, rotated).map { Layer(.multiHead(shape.reaching($0)), block, rotates: $1) },
      positions: 32_768, tied: true)
  }
}
