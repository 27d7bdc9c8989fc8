import Documents

extension ConfigReader {
  /// Command R: both blocks read one norm without a bias.
  ///
  /// Its second generation has windows in three layers of four, and no rotation in the fourth.
  mutating func readCohere(
    _ family: Architecture.Family
  ) throws(ConfigurationError) -> Architecture {
    let hidden = try size("hidden_size")
    let count = try layers()
    // Files of the second generation say what every model of the family has, and how its makers divide it.
    for key in ["use_gated_activation", "use_parallel_block", "use_embedding_sharing"] {
      try refuse(key, if: false, default: true)
    }
    passOver(["use_parallel_embedding", "order_of_interleaved_layers", "layer_switch"])
    let bias = try flag("attention_bias")
    try noticeDropout(["attention_dropout"])
    try notePeculiar("logit_scale", neutral: 1, default: 0.0625)
    let block = try gatedBlock(activation: try activation(default: .silu))
    let isSecond = family == .cohere2
    let norm: MultiHead.QueryKeyNorm =
      !isSecond ? (try flag("use_qk_norm") ? .eachHeadItsOwn : .absent) : .absent
    let shape = try multiHead(hidden: hidden, bias: bias, outputBias: bias, queryKeyNorm: norm)
    let pattern = try table.value(
      "sliding_window_pattern", .integer(in: Self.layerCounts), default: 4)
    let reaches =
      isSecond
      ? try reaches(count, window: 4096) { ($0 + 1) % pattern != 0 }
      : Array(repeating: .all, count: count)
    let layers = reaches.map { reach in
      Layer(
        .multiHead(shape.reaching(reach)), block, arrangement: .parallelOneNorm,
        rotates: !isSecond || reach != .all)
    }
    return try decoder(
      family, hidden: hidden, layers,
      normalization: try layerNorm("layer_norm_eps", hasBias: false),
      rotary: try rotary(
        layout: .interleaved, positions: try positions(default: 8192), layers,
        theta: isSecond ? 10_000 : 500_000), positions: 8192, tied: true)
  }
}
