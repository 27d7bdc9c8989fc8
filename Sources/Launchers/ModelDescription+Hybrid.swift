import Documents

extension ConfigFields {
  /// The hybrid layers of a model in Megatron-Core's words; nil where it has none.
  func megatronHybrid() throws(ConfigurationError) -> ModelDescription.Hybrid? {
    let key = "hybrid_layer_pattern"
    guard let text = try table.optional(key, .string) else { return nil }
    return .init(
      pattern: try pattern(text, key), heads: try size("mamba_num_heads"),
      headSize: try size("mamba_head_dim", 64), groups: try size("mamba_num_groups", 8),
      state: try size("mamba_state_dim", 128))
  }

  private func pattern(_ text: String, _ key: String) throws(ConfigurationError) -> HybridPattern {
    do { return try HybridPattern(text) } catch { throw table.error(error.rule, at: key) }
  }

  /// Nemotron-H, as Megatron-LM trains it: one block a layer, attention without positions.
  func nemotronH(_ name: String) throws(ConfigurationError) -> ModelDescription {
    let key = "hybrid_override_pattern"
    guard let text = try table.optional(key, .string) else {
      throw table.error("is not said, and a launcher is told the layers by it", at: key)
    }
    let layers = try pattern(text, key)
    let heads = try size("num_attention_heads")
    let older = try size("attention_head_dim", 128)
    var model = ModelDescription(
      name: name, layers: layers.layers.count, hidden: try size("hidden_size"), heads: heads,
      keyValueHeads: try size("num_key_value_heads", 8), headSize: try size("head_dim", older),
      width: try size("intermediate_size"), vocabulary: try size("vocab_size"),
      positions: try size("max_position_embeddings", 4096))
    (model.norm, model.position) = (.rms, .none)
    model.activation = try activation()
    model.epsilon = try number("layer_norm_epsilon", number("norm_eps", 1e-5))
    model.linearBias = try refused("mlp_bias", false)
    for bias in ["use_bias", "attention_bias"] { _ = try refused(bias, false) }
    _ = try refused("use_conv_bias", true)
    try expect("conv_kernel", 4)
    try expect("chunk_size", 128)
    model.tied = try flag("tie_word_embeddings")
    model.initializerRange = try number("initializer_range", 0.02)
    model.hybrid = .init(
      pattern: layers, heads: try size("mamba_num_heads"), headSize: try size("mamba_head_dim"),
      groups: try size("n_groups", 8), state: try size("ssm_state_size", 128))
    if layers.count("E") > 0 { model.mixture = try nemotronMixture(layers) }
    return model
  }

  private func activation() throws(ConfigurationError) -> ModelDescription.Activation {
    let name = try table.value("mlp_hidden_act", .string, default: "relu2")
    switch name {
    case "relu2": return .squaredReLU
    case "gelu", "gelu_pytorch_tanh", "gelu_new": return .gelu
    default:
      throw table.error("Megatron-LM has no such blocks without a gate", at: "mlp_hidden_act")
    }
  }

  /// A setting that Megatron-LM's layers do not have another way.
  private func refused(_ key: String, _ only: Bool) throws(ConfigurationError) -> Bool {
    let value = try flag(key, only)
    guard value == only else {
      throw table.error("Megatron-LM's hybrid layers have \(only) alone here", at: key)
    }
    return value
  }

  private func expect(_ key: String, _ only: Int) throws(ConfigurationError) {
    guard try size(key, only) == only else {
      throw table.error("Megatron-LM's state-space layers have \(only)", at: key)
    }
  }

  private func nemotronMixture(
    _ pattern: HybridPattern
  ) throws(ConfigurationError) -> ModelDescription.Mixture {
    let shared = try size("n_shared_experts", 1)
    return .init(
      experts: try size("n_routed_experts"), perToken: try size("num_experts_per_tok"),
      width: try size("moe_intermediate_size"),
      sharedWidth: shared > 0 ? try size("moe_shared_expert_intermediate_size", 7688) : 0,
      layers: pattern.layers.map { $0 == "E" }, isSigmoid: true,
      normalizes: try flag("norm_topk_prob", true), groups: try size("n_group", 1),
      groupsPerToken: try size("topk_group", 1), scale: try number("routed_scaling_factor", 1),
      correctionBias: true)
  }
}
