extension ModelDescription {
  /// The model in Megatron-Core's words, for parts that no family of Hugging Face has together: `model_type`
  /// `megatron` with the fields of its `TransformerConfig`.
  var megatronConfig: ConfigEntries {
    var config = ConfigEntries()
    config.add("model_type", "megatron")
    config.add("num_layers", layers)
    config.add("hidden_size", hidden)
    config.add("num_attention_heads", heads)
    config.add("num_query_groups", keyValueHeads)
    config.add("kv_channels", headSize)
    config.add("ffn_hidden_size", width)
    config.add("vocab_size", vocabulary)
    config.add("max_position_embeddings", positions)
    config.add("normalization", norm == .rms ? "RMSNorm" : "LayerNorm")
    config.add("layernorm_epsilon", epsilon)
    config.add("activation_func", activation == .squaredReLU ? "squared_relu" : activationBase)
    config.add("gated_linear_unit", activation == .swiglu || activation == .geglu)
    config.add("add_bias_linear", linearBias)
    config.add("add_qkv_bias", linearBias || queryKeyValueBias)
    config.add("qk_layernorm", latent?.hasNorms ?? queryKeyNorm)
    config.add("tie_word_embeddings", tied)
    addPositions(to: &config)
    if let window { config.add("window_size", window) }
    if let windowLayers {
      config.add("window_attn_skip_freq", .list(windowLayers.map { .integer($0 ? 1 : 0) }))
    }
    if sinks { config.add("softmax_type", "learnable") }
    if let latent {
      config.add("multi_latent_attention", true)
      config.add("q_lora_rank", latent.queryRank.map { .integer($0) } ?? .nothing)
      config.add("kv_lora_rank", latent.keyValueRank)
      config.add("qk_head_dim", latent.nopeHeadSize)
      config.add("qk_pos_emb_head_dim", latent.ropeHeadSize)
      config.add("v_head_dim", latent.valueHeadSize)
    }
    if let mixture { addMixture(mixture, to: &config) }
    if let hybrid {
      config.add("hybrid_layer_pattern", hybrid.pattern.text)
      config.add("mamba_num_heads", hybrid.heads)
      config.add("mamba_head_dim", hybrid.headSize)
      config.add("mamba_num_groups", hybrid.groups)
      config.add("mamba_state_dim", hybrid.state)
    }
    if predictionModules > 0 { config.add("mtp_num_layers", predictionModules) }
    config.add("init_method_std", initializerRange)
    return config
  }

  private var activationBase: String { activation == .swiglu ? "silu" : "gelu" }

  private func addPositions(to config: inout ConfigEntries) {
    switch position {
    case .learned: config.add("position_embedding_type", "learned_absolute")
    case .none: config.add("position_embedding_type", "none")
    case .rotary(let rotary):
      config.add("position_embedding_type", "rope")
      config.add("rope_theta", rotary.theta)
      config.add("rotary_percent", rotary.share)
      if let scaling = rotary.scaling.config { config.add("rope_scaling", .table(scaling)) }
    }
  }

  private func addMixture(_ mixture: Mixture, to config: inout ConfigEntries) {
    config.add("num_moe_experts", mixture.experts)
    config.add("moe_router_topk", mixture.perToken)
    config.add("moe_ffn_hidden_size", mixture.width)
    if hybrid == nil {
      config.add("moe_layer_freq", .list(mixture.layers.map { .integer($0 ? 1 : 0) }))
    }
    config.add("moe_router_score_function", mixture.isSigmoid ? "sigmoid" : "softmax")
    config.add("moe_router_enable_expert_bias", mixture.correctionBias)
    config.add("norm_topk_prob", mixture.normalizes)
    config.add("moe_router_topk_scaling_factor", mixture.scale)
    if mixture.groups > 1 {
      config.add("moe_router_num_groups", mixture.groups)
      config.add("moe_router_group_topk", mixture.groupsPerToken)
    }
    if mixture.sharedWidth > 0 {
      config.add("moe_shared_expert_intermediate_size", mixture.sharedWidth)
      config.add("moe_shared_expert_gate", mixture.sharedGate)
    }
  }
}

extension ModelDescription.Scaling {
  /// As `rope_scaling` has it; nil for none.
  var config: ConfigEntries? {
    var config = ConfigEntries()
    switch self {
    case .none: return nil
    case .linear(let factor):
      config.add("rope_type", "linear")
      config.add("factor", factor)
    case .llama3(let factor, let low, let high, let original):
      config.add("rope_type", "llama3")
      config.add("factor", factor)
      config.add("low_freq_factor", low)
      config.add("high_freq_factor", high)
      config.add("original_max_position_embeddings", original)
    case .yarn(let factor, let original, let fast, let slow, let magnitude, let all):
      config.add("rope_type", "yarn")
      config.add("factor", factor)
      config.add("original_max_position_embeddings", original)
      config.add("beta_fast", fast)
      config.add("beta_slow", slow)
      if let magnitude { config.add("mscale", magnitude) }
      if let all { config.add("mscale_all_dim", all) }
    }
    return config
  }
}
