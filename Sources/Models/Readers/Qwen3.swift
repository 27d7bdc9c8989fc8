import Documents

extension ConfigReader {
  /// Llama's parts with norms over each head of queries and keys.
  mutating func readQwen3() throws(ConfigurationError) -> Architecture {
    let hidden = try size("hidden_size")
    let count = try layers()
    try noticeDropout(["attention_dropout"])
    try refuse("use_qk_norm", if: false, default: true)
    let block = try gatedBlock(activation: try activation(default: .silu))
    let bias = try flag("attention_bias")
    let shape = try multiHead(
      hidden: hidden, headSize: 128, bias: bias, outputBias: bias, queryKeyNorm: .eachHead)
    let reaches = try qwenReaches(count)
    return try decoder(
      .qwen3, hidden: hidden, reaches.map { Layer(.multiHead(shape.reaching($0)), block) },
      positions: 32_768)
  }
}
