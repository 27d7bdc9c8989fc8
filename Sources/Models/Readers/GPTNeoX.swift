import Documents

extension ConfigReader {
  /// GPT-NeoX and Pythia: both blocks read the layer's input, each through its own norm.
  mutating func readGPTNeoX() throws(ConfigurationError) -> Architecture {
    let hidden = try size("hidden_size")
    let layers = try layers()
    let bias = try flag("attention_bias", default: true)
    try noticeDropout(["attention_dropout", "hidden_dropout"])
    let layer = Layer(
      .multiHead(try multiHead(hidden: hidden, bias: bias, outputBias: bias)),
      .dense(
        width: try size("intermediate_size"), gated: false, bias: true,
        activation: try activation(default: .gelu)),
      arrangement: try flag("use_parallel_residual", default: true) ? .parallel : .sequential)
    return try decoder(
      .gptNeoX, hidden: hidden, Array(repeating: layer, count: layers),
      normalization: try layerNorm("layer_norm_eps"),
      rotary: try rotary(
        layout: .halved, positions: try positions(default: 2048), [layer], share: 0.25,
        shareKey: "rotary_pct", thetaKey: "rotary_emb_base"))
  }
}
