import Documents

extension ConfigReader {
  mutating func readLlama() throws(ConfigurationError) -> Architecture {
    let hidden = try size("hidden_size")
    let layers = try layers()
    let bias = try flag("attention_bias")
    try noticeDropout(["attention_dropout"])
    let block = try gatedBlock(
      bias: try flag("mlp_bias"), activation: try activation(default: .silu))
    let layer = Layer(
      .multiHead(try multiHead(hidden: hidden, bias: bias, outputBias: bias)), block)
    return try decoder(.llama, hidden: hidden, Array(repeating: layer, count: layers))
  }
}
