import Documents

extension ConfigReader {
  /// Llama's parts without biases, every layer with a window where there is one.
  mutating func readMistral() throws(ConfigurationError) -> Architecture {
    let hidden = try size("hidden_size")
    let count = try layers()
    try noticeDropout(["attention_dropout"])
    let block = try gatedBlock(activation: try activation(default: .silu))
    let shape = try multiHead(hidden: hidden, keyValueHeads: 8)
    let reaches = try reaches(count, window: table.contains("sliding_window") ? nil : 4096) { _ in
      true
    }
    return try decoder(
      .mistral, hidden: hidden, reaches.map { Layer(.multiHead(shape.reaching($0)), block) },
      positions: 131_072)
  }
}

extension MultiHead {
  /// The same block with other keys to meet.
  func reaching(_ reach: Reach) -> MultiHead {
    var copy = self
    copy.reach = reach
    return copy
  }
}
