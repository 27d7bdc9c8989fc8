import Documents

extension ConfigReader {
  /// Llama's parts, with factors on embeddings, scores, residuals and logits.
  mutating func readGranite() throws(ConfigurationError) -> Architecture {
    let hidden = try size("hidden_size")
    let count = try layers()
    let bias = try flag("attention_bias")
    try noticeDropout(["attention_dropout"])
    for key in [
      "embedding_multiplier", "logits_scaling", "residual_multiplier", "attention_multiplier",
    ] { try notePeculiar(key, neutral: 1) }
    let block = try gatedBlock(
      bias: try flag("mlp_bias"), activation: try activation(default: .silu))
    let layer = Layer(
      .multiHead(try multiHead(hidden: hidden, bias: bias, outputBias: bias)), block)
    return try decoder(.granite, hidden: hidden, Array(repeating: layer, count: count))
  }
}
