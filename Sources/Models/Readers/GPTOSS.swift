import Documents

extension ConfigReader {
  /// Biases everywhere, a sink for each head, windows in every second layer.
  mutating func readGPTOSS() throws(ConfigurationError) -> Architecture {
    let hidden = try size("hidden_size")
    let count = try layers()
    let bias = try flag("attention_bias", default: true)
    try noticeDropout(["attention_dropout"])
    peculiarities.append("experts whose gates are clamped")
    let experts = try table.value(
      table.contains("num_experts") ? "num_experts" : "num_local_experts",
      .integer(in: Self.expertCounts), default: 128)
    let chosen = table.contains("num_experts_per_tok") ? "num_experts_per_tok" : "experts_per_token"
    var mixture = Mixture(
      routedExperts: experts, expertsPerToken: try expertsPerToken(among: experts, chosen),
      expertWidth: try size("intermediate_size"), scoring: .softmax, normalizesWeights: true)
    mixture.activation = try activation(default: .silu)
    (mixture.routerBias, mixture.expertBias) = (true, true)
    var shape = try multiHead(
      hidden: hidden, keyValueHeads: 8, headSize: 64, bias: bias, outputBias: bias)
    shape.sinks = true
    let layers = try reaches(count, window: 128) { $0 % 2 == 0 }
      .map { Layer(.multiHead(shape.reaching($0)), .mixture(mixture)) }
    return try decoder(
      .gptOSS, hidden: hidden, layers,
      normalization: .rmsNorm(
        epsilon: try table.value("rms_norm_eps", .number(in: 0...1), default: 1e-5)),
      rotary: try rotary(
        layout: .halved, positions: try positions(default: 131_072), layers, theta: 150_000),
      positions: 131_072)
  }
}
