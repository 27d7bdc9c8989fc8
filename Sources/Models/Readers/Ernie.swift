import Documents

extension ConfigReader {
  /// ERNIE 4.5: Llama's parts, biases by one flag.
  mutating func readErnie() throws(ConfigurationError) -> Architecture {
    let hidden = try size("hidden_size")
    let count = try layers()
    let bias = try flag("use_bias")
    try noticeDropout(["hidden_dropout_prob", "attention_probs_dropout_prob"])
    let layer = Layer(
      .multiHead(try multiHead(hidden: hidden, headSize: 128, bias: bias, outputBias: bias)),
      try gatedBlock(bias: bias, activation: try activation(default: .silu)))
    return try decoder(
      .ernie, hidden: hidden, Array(repeating: layer, count: count),
      rotary: try ernieRotary([layer]),
      positions: 131_072, tied: true)
  }

  func ernieRotary(_ layers: [Layer]) throws(ConfigurationError) -> Rotary {
    try rotary(
      layout: .interleaved, positions: try positions(default: 131_072), layers, theta: 500_000)
  }
}
