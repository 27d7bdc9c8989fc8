import Documents

extension ConfigReader {
  mutating func readGemma() throws(ConfigurationError) -> Architecture {
    let hidden = try size("hidden_size")
    let count = try layers()
    let bias = try flag("attention_bias")
    try noticeDropout(["attention_dropout"])
    noteGemma()
    // The first files say `gelu` and mean its tanh form; what is counted is the same.
    let activation = try activation("hidden_activation", default: .geluTanh)
    _ = try self.activation(default: .geluTanh)
    let layer = Layer(
      .multiHead(
        try multiHead(
          hidden: hidden, keyValueHeads: nil, headSize: 256, bias: bias, outputBias: bias)),
      try gatedBlock(activation: activation))
    return try decoder(
      .gemma, hidden: hidden, Array(repeating: layer, count: count), positions: 8192, tied: true)
  }

  /// Embeddings times the root of the hidden size, gains counted from one.
  mutating func noteGemma() {
    peculiarities.append("embeddings scaled by the root of the hidden size")
  }
}
