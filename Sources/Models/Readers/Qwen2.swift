import Documents

extension ConfigReader {
  /// Llama's parts, with biases on queries, keys and values.
  mutating func readQwen2() throws(ConfigurationError) -> Architecture {
    let hidden = try size("hidden_size")
    let count = try layers()
    try noticeDropout(["attention_dropout"])
    let block = try gatedBlock(activation: try activation(default: .silu))
    let shape = try multiHead(hidden: hidden, bias: true)
    let reaches = try qwenReaches(count)
    return try decoder(
      .qwen2, hidden: hidden, reaches.map { Layer(.multiHead(shape.reaching($0)), block) },
      positions: 32_768)
  }

  /// Windows from layer `max_window_layers` on, where `use_sliding_window` says so.
  func qwenReaches(_ count: Int) throws(ConfigurationError) -> [Reach] {
    let first = try table.value("max_window_layers", .integer(in: 0...1 << 20), default: 28)
    guard try flag("use_sliding_window") else {
      let types = try layerTypes(count, among: ["full_attention", "sliding_attention"])
      if let layer = types?.firstIndex(of: "sliding_attention") {
        throw table.error(
          "layer \(layer) has a window, and use_sliding_window is false", at: "layer_types")
      }
      return Array(repeating: .all, count: count)
    }
    return try reaches(count, window: 4096) { $0 >= first }
  }
}
