import Documents

extension ModelDescription {
  /// gpt-oss: biases of all maps, sinks, gated experts in every layer, windows by layer; nil for other parts.
  var gptOSSConfig: ConfigEntries? {
    guard let mixture, case .rotary(let rotary) = position, sinks, window != nil, linearBias,
      norm == .rms, activation == .swiglu || activation == .geglu, !queryKeyNorm, latent == nil,
      predictionModules == 0, rotary.share == 1, !mixture.isSigmoid, !mixture.correctionBias,
      mixture.sharedWidth == 0, mixture.groups == 1, firstDense == 0, mixture.normalizes
    else { return nil }
    var description = self
    description.width = mixture.width
    var config = description.common("gpt_oss", rotary)
    config.add("hidden_act", "silu")
    config.add("rms_norm_eps", epsilon)
    config.add("attention_bias", true)
    config.add("num_local_experts", mixture.experts)
    config.add("num_experts_per_tok", mixture.perToken)
    config.add("sliding_window", window ?? positions)
    let kinds = (windowLayers ?? .init(repeating: true, count: layers)).map {
      ConfigEntries.Value.text($0 ? "sliding_attention" : "full_attention")
    }
    config.add("layer_types", .list(kinds))
    return config
  }
}

extension ConfigFields {
  /// A gpt-oss as launchers state it.
  func gptOSS(_ name: String) throws(ConfigurationError) -> ModelDescription {
    var model = try decoder(name)
    (model.linearBias, model.sinks, model.activation) = (true, true, .geglu)
    model.window = try table.value("sliding_window", .integer(in: 1...(1 << 24)), default: 128)
    let kinds = try table.optional("layer_types", .list(of: .string))
    model.windowLayers =
      try kinds.map { (kinds) throws(ConfigurationError) in
        guard kinds.count == model.layers else {
          throw table.error("has not one kind a layer", at: "layer_types")
        }
        return kinds.map { $0 == "sliding_attention" }
      } ?? (0..<model.layers).map { $0 % 2 == 0 }
    model.mixture = ModelDescription.Mixture(
      experts: try size(table.contains("num_experts") ? "num_experts" : "num_local_experts"),
      perToken: try size(
        table.contains("num_experts_per_tok") ? "num_experts_per_tok" : "experts_per_token"),
      width: model.width, layers: .init(repeating: true, count: model.layers))
    return model
  }
}
