import Documents

extension ConfigReader {
  /// The first DeepSeek mixtures: plain attention, experts chosen by softmax beside shared ones.
  mutating func readDeepSeekMoE() throws(ConfigurationError) -> Architecture {
    let hidden = try size("hidden_size")
    let bias = try flag("attention_bias")
    try noticeDropout(["attention_dropout"])
    let shape = try multiHead(hidden: hidden, bias: bias, outputBias: bias)
    let layers = try deepSeekBlocks(.deepseek).map { Layer(.multiHead(shape), $0) }
    return try decoder(.deepseek, hidden: hidden, layers)
  }
}
