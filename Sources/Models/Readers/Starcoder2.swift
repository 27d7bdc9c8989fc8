import Documents

extension ConfigReader {
  mutating func readStarcoder2() throws(ConfigurationError) -> Architecture {
    let hidden = try size("hidden_size")
    let count = try layers()
    let bias = try flag("use_bias", default: true)
    try noticeDropout(["attention_dropout", "residual_dropout", "embedding_dropout"])
    let block = FeedForward.dense(
      width: try size("intermediate_size"), gated: false, bias: bias,
      activation: try activation(default: .geluTanh))
    let shape = try multiHead(hidden: hidden, keyValueHeads: 2, bias: bias, outputBias: bias)
    let reaches = try reaches(count) { _ in true }
    return try decoder(
      .starcoder2, hidden: hidden, reaches.map { Layer(.multiHead(shape.reaching($0)), block) },
      normalization: try layerNorm("norm_epsilon"), positions: 4096, tied: true)
  }
}
