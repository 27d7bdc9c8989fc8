import Documents

extension ConfigReader {
  /// Gated delta rule in three layers of four, attention with a gate on its result in the fourth.
  mutating func readQwen3Next() throws(ConfigurationError) -> Architecture {
    let hidden = try size("hidden_size")
    let count = try layers()
    try noticeDropout(["attention_dropout"])
    let blocks = try qwenBlocks(count, try qwenMixture(shared: true))
    // Its gate would have one, too; no published file asks for it.
    try refuse("attention_bias", if: true, default: false)
    var shape = try multiHead(
      hidden: hidden, keyValueHeads: 2, headSize: 256, queryKeyNorm: .eachHead)
    shape.outputGate = true
    let state = try deltaRule()
    let interval = try table.value(
      "full_attention_interval", .integer(in: Self.layerCounts), default: 4)
    let types = try layerTypes(count, among: ["full_attention", "linear_attention"])
    let layers = blocks.enumerated().map { index, block in
      let isWhole = types.map { $0[index] == "full_attention" } ?? ((index + 1) % interval == 0)
      return Layer(isWhole ? .multiHead(shape) : .recurrent(state), block)
    }
    return try decoder(
      .qwen3Next, hidden: hidden, layers,
      rotary: try rotary(
        layout: .halved, positions: try positions(default: 32_768), layers, share: 0.25),
      positions: 32_768)
  }

  private func deltaRule() throws(ConfigurationError) -> Recurrence {
    let keys = try heads("linear_num_key_heads", default: 16)
    let values = try heads("linear_num_value_heads", default: 32)
    guard values % keys == 0 else {
      throw table.error(
        "must divide linear_num_value_heads, \(values)", at: "linear_num_key_heads")
    }
    return Recurrence(
      kind: .gatedDelta, heads: values, headSize: try heads("linear_value_head_dim", default: 128),
      keyHeads: keys, stateSize: try heads("linear_key_head_dim", default: 128),
      convolution: try table.value("linear_conv_kernel_dim", .integer(in: 1...64), default: 4),
      // What flash-linear-attention's kernels of the rule take together.
      chunk: 64)
  }
}
