import Documents

extension ConfigReader {
  /// Nemotron-4: layer norms, plain blocks with the square of ReLU, half of a head turned.
  mutating func readNemotron() throws(ConfigurationError) -> Architecture {
    let hidden = try size("hidden_size")
    let count = try layers()
    let bias = try flag("attention_bias")
    try noticeDropout(["attention_dropout", "hidden_dropout"])
    let layer = Layer(
      .multiHead(try multiHead(hidden: hidden, bias: bias, outputBias: bias)),
      .dense(
        width: try size("intermediate_size"), gated: false, bias: try flag("mlp_bias"),
        activation: try activation(default: .reluSquared)))
    return try decoder(
      .nemotron, hidden: hidden, Array(repeating: layer, count: count),
      normalization: try layerNorm("norm_eps"),
      rotary: try rotary(
        layout: .halved, positions: try positions(default: 4096), [layer], share: 0.5,
        shareKey: table.contains("rope_percent") ? "rope_percent" : "partial_rotary_factor"),
      positions: 4096)
  }
}
