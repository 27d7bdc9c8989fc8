import Documents

extension ModelDescription {
  /// Families whose `config.json` can be told to a launcher.
  private enum Family: String, CaseIterable {
    case gpt2, llama, mistral, qwen2, qwen3, mixtral, nemotron, starcoder2, megatron
    case qwen3MoE = "qwen3_moe"
    case qwen2MoE = "qwen2_moe"
    case glm4MoE = "glm4_moe"
    case deepseekV2 = "deepseek_v2"
    case deepseekV3 = "deepseek_v3"
    case nemotronH = "nemotron_h"
    case gptOSS = "gpt_oss"
  }

  /// The model that a `config.json` describes.
  ///
  /// - Throws: `ConfigurationError` where its family is none that launchers are told of here.
  init(_ document: Document, name: String) throws(ConfigurationError) {
    let table = try document.table(toleratesUnknownKeys: true)
    let family = try table.required("model_type", .choice(Family.self))
    let reader = ConfigFields(table: table)
    switch family {
    case .gpt2: self = try reader.gpt2(name)
    case .megatron: self = try reader.megatron(name)
    case .nemotronH: self = try reader.nemotronH(name)
    case .gptOSS: self = try reader.gptOSS(name)
    case .llama, .mistral, .qwen2, .qwen3:
      self = try reader.decoder(name)
      if family == .llama { linearBias = try reader.flag("attention_bias") }
      queryKeyValueBias = family == .qwen2
      queryKeyNorm = family == .qwen3
      if family == .mistral {
        window = try table.optional("sliding_window", .integer(in: 1...(1 << 24)))
      }
    case .nemotron:
      self = try reader.decoder(name)
      (norm, activation, epsilon) = (.layer, .squaredReLU, try reader.number("norm_eps", 1e-5))
      if case .rotary(var rotary) = position {
        rotary.share = try reader.number("partial_rotary_factor", 0.5)
        position = .rotary(rotary)
      }
    case .starcoder2:
      self = try reader.decoder(name)
      (norm, activation) = (.layer, .gelu)
      epsilon = try reader.number("norm_epsilon", 1e-5)
      linearBias = try reader.flag("use_bias", true)
      tied = try reader.flag("tie_word_embeddings", true)
    case .mixtral:
      self = try reader.decoder(name)
      mixture = Mixture(
        experts: try reader.size("num_local_experts"),
        perToken: try reader.size("num_experts_per_tok"), width: width,
        layers: .init(repeating: true, count: layers))
    case .qwen3MoE, .qwen2MoE:
      self = try reader.decoder(name)
      queryKeyNorm = family == .qwen3MoE
      queryKeyValueBias = family == .qwen2MoE
      mixture = try reader.qwenMixture(layers)
    case .glm4MoE, .deepseekV2, .deepseekV3:
      self = try reader.decoder(name)
      mixture = try reader.deepSeekMixture(
        layers, isSigmoid: family != .deepseekV2, isGLM: family == .glm4MoE)
      if family != .glm4MoE { latent = try reader.latent() }
      if family == .glm4MoE {
        queryKeyValueBias = try reader.flag("attention_bias")
        queryKeyNorm = try reader.flag("use_qk_norm")
      }
      predictionModules = try table.value(
        "num_nextn_predict_layers", .integer(in: 0...64), default: 0)
    }
  }
}

/// Keys of a `config.json`, as far as launchers are told them.
struct ConfigFields {
  let table: Table

  func size(_ key: String) throws(ConfigurationError) -> Int {
    try table.required(key, .integer(in: 1...(1 << 24)))
  }

  func size(_ key: String, _ fallback: Int) throws(ConfigurationError) -> Int {
    try table.value(key, .integer(in: 0...(1 << 24)), default: fallback)
  }

  func flag(_ key: String, _ fallback: Bool = false) throws(ConfigurationError) -> Bool {
    try table.value(key, .boolean, default: fallback)
  }

  func number(_ key: String, _ fallback: Double) throws(ConfigurationError) -> Double {
    try table.value(key, .number(in: 0...1e12), default: fallback)
  }

  func gpt2(_ name: String) throws(ConfigurationError) -> ModelDescription {
    let hidden = try size("n_embd")
    let heads = try size("n_head")
    var model = ModelDescription(
      name: name, layers: try size("n_layer"), hidden: hidden, heads: heads, keyValueHeads: heads,
      headSize: hidden / heads, width: try size("n_inner", 4 * hidden),
      vocabulary: try size("vocab_size"), positions: try size("n_positions"))
    model.epsilon = try number("layer_norm_epsilon", 1e-5)
    model.tied = try flag("tie_word_embeddings", true)
    model.initializerRange = try number("initializer_range", 0.02)
    return model
  }

  /// What Llama's relatives have in common.
  func decoder(_ name: String) throws(ConfigurationError) -> ModelDescription {
    let hidden = try size("hidden_size")
    let heads = try size("num_attention_heads")
    var model = ModelDescription(
      name: name, layers: try size("num_hidden_layers"), hidden: hidden, heads: heads,
      keyValueHeads: try size("num_key_value_heads", heads),
      headSize: try size("head_dim", hidden / heads), width: try size("intermediate_size"),
      vocabulary: try size("vocab_size"), positions: try size("max_position_embeddings", 2048))
    (model.activation, model.norm, model.linearBias) = (.swiglu, .rms, false)
    model.epsilon = try number("rms_norm_eps", 1e-6)
    model.tied = try flag("tie_word_embeddings")
    model.initializerRange = try number("initializer_range", 0.02)
    model.position = .rotary(
      .init(theta: try number("rope_theta", 10_000), scaling: try scaling(model.positions)))
    return model
  }

  private func scaling(_ positions: Int) throws(ConfigurationError) -> ModelDescription.Scaling {
    guard let own = try table.optionalTable("rope_scaling", toleratesUnknownKeys: true) else {
      return .none
    }
    let older = try own.optional("type", .string)
    let kind = try own.optional("rope_type", .string) ?? older ?? "default"
    let any = Expected<Double>.number(in: 0...1e9)
    let factor = try own.value("factor", any, default: 1)
    let original = try own.value(
      "original_max_position_embeddings", .integer(in: 1...(1 << 24)), default: positions)
    switch kind {
    case "default": return .none
    case "linear": return .linear(factor)
    case "llama3":
      return .llama3(
        factor: factor, low: try own.value("low_freq_factor", any, default: 1),
        high: try own.value("high_freq_factor", any, default: 4), original: original)
    case "yarn":
      return .yarn(
        factor: factor, original: original, fast: try own.value("beta_fast", any, default: 32),
        slow: try own.value("beta_slow", any, default: 1),
        magnitude: try own.optional("mscale", any), all: try own.optional("mscale_all_dim", any))
    default: throw own.error("no launcher is told such a stretching here", at: "rope_type")
    }
  }

  func qwenMixture(_ layers: Int) throws(ConfigurationError) -> ModelDescription.Mixture {
    let step = try table.value("decoder_sparse_step", .integer(in: 1...1024), default: 1)
    let dense = try table.value(
      "mlp_only_layers", .list(of: .integer(in: 0...layers)), default: [])
    return ModelDescription.Mixture(
      experts: try size("num_experts"), perToken: try size("num_experts_per_tok"),
      width: try size("moe_intermediate_size"),
      sharedWidth: try size("shared_expert_intermediate_size", 0),
      sharedGate: try size("shared_expert_intermediate_size", 0) > 0,
      layers: (0..<layers).map { !dense.contains($0) && ($0 + 1) % step == 0 },
      normalizes: try flag("norm_topk_prob"))
  }

  func deepSeekMixture(
    _ layers: Int, isSigmoid: Bool, isGLM: Bool
  ) throws(ConfigurationError) -> ModelDescription.Mixture? {
    guard
      let experts = try table.optional("n_routed_experts", .integer(in: 1...4096))
    else { return nil }
    let width = try size("moe_intermediate_size")
    let dense = try size("first_k_dense_replace", isSigmoid ? 3 : 0)
    let step = try table.value("moe_layer_freq", .integer(in: 1...1024), default: 1)
    let isGreedy = try table.optional("topk_method", .string) == "greedy"
    return ModelDescription.Mixture(
      experts: experts, perToken: try size("num_experts_per_tok"), width: width,
      sharedWidth: try size("n_shared_experts", isSigmoid ? 1 : 2) * width,
      layers: (0..<layers).map { $0 >= dense && $0 % step == 0 }, isSigmoid: isSigmoid,
      normalizes: try flag("norm_topk_prob", isSigmoid),
      groups: isGreedy ? 1 : try size("n_group", 1),
      groupsPerToken: isGreedy ? 1 : try size("topk_group", 1),
      scale: try number("routed_scaling_factor", isSigmoid ? 2.5 : 1), correctionBias: isSigmoid)
  }

  func latent() throws(ConfigurationError) -> ModelDescription.Latent {
    ModelDescription.Latent(
      queryRank: try table.optional("q_lora_rank", .integer(in: 1...(1 << 16))),
      keyValueRank: try size("kv_lora_rank"), nopeHeadSize: try size("qk_nope_head_dim"),
      ropeHeadSize: try size("qk_rope_head_dim"), valueHeadSize: try size("v_head_dim"))
  }

  // MARK: - Megatron-Core's words

  func megatron(_ name: String) throws(ConfigurationError) -> ModelDescription {
    let hidden = try size("hidden_size")
    let heads = try size("num_attention_heads")
    let layers = try size("num_layers")
    var model = ModelDescription(
      name: name, layers: layers, hidden: hidden, heads: heads,
      keyValueHeads: try size("num_query_groups", heads),
      headSize: try size("kv_channels", hidden / heads),
      width: try size("ffn_hidden_size", 4 * hidden), vocabulary: try size("vocab_size"),
      positions: try size("max_position_embeddings"))
    let activation = try table.value("activation_func", .string, default: "gelu")
    let isGated = try flag("gated_linear_unit")
    model.activation =
      activation == "squared_relu"
      ? .squaredReLU : isGated ? (activation == "silu" ? .swiglu : .geglu) : .gelu
    model.norm =
      try table.value("normalization", .string, default: "LayerNorm") == "RMSNorm" ? .rms : .layer
    model.epsilon = try number("layernorm_epsilon", 1e-5)
    model.linearBias = try flag("add_bias_linear", true)
    model.queryKeyValueBias = try flag("add_qkv_bias") && !model.linearBias
    model.tied = try flag("tie_word_embeddings", true)
    switch try table.value("position_embedding_type", .string, default: "learned_absolute") {
    case "none": model.position = .none
    case "rope":
      model.position = .rotary(
        .init(
          theta: try number("rope_theta", 10_000), share: try number("rotary_percent", 1),
          scaling: try scaling(model.positions)))
    default: model.position = .learned
    }
    model.window = try table.optional("window_size", .integer(in: 1...(1 << 24)))
    let windows = try table.optional(
      "window_attn_skip_freq", .list(of: .integer(in: 0...1), count: layers...layers))
    model.windowLayers = windows.map { $0.map { $0 == 1 } }
    model.sinks = try table.optional("softmax_type", .string) == "learnable"
    let hasNorms = try flag("qk_layernorm")
    if try flag("multi_latent_attention") {
      model.latent = ModelDescription.Latent(
        queryRank: try table.optional("q_lora_rank", .integer(in: 1...(1 << 16))),
        keyValueRank: try size("kv_lora_rank"), nopeHeadSize: try size("qk_head_dim"),
        ropeHeadSize: try size("qk_pos_emb_head_dim"), valueHeadSize: try size("v_head_dim"),
        hasNorms: hasNorms)
    } else {
      model.queryKeyNorm = hasNorms
    }
    model.mixture = try megatronMixture(layers)
    model.hybrid = try megatronHybrid()
    if let pattern = model.hybrid?.pattern {
      model.mixture?.layers = pattern.layers.map { $0 == "E" }
    }
    model.predictionModules = try size("mtp_num_layers", 0)
    model.initializerRange = try number("init_method_std", 0.02)
    return model
  }

  func megatronMixture(
    _ layers: Int
  ) throws(ConfigurationError) -> ModelDescription.Mixture? {
    guard let experts = try table.optional("num_moe_experts", .integer(in: 1...4096)) else {
      return nil
    }
    let pattern = try table.value(
      "moe_layer_freq", .list(of: .integer(in: 0...1), count: layers...layers),
      default: .init(repeating: 1, count: layers))
    return ModelDescription.Mixture(
      experts: experts, perToken: try size("moe_router_topk", 2),
      width: try size("moe_ffn_hidden_size"),
      sharedWidth: try size("moe_shared_expert_intermediate_size", 0),
      sharedGate: try flag("moe_shared_expert_gate"), layers: pattern.map { $0 == 1 },
      isSigmoid: try table.value("moe_router_score_function", .string, default: "softmax")
        == "sigmoid",
      normalizes: try flag("norm_topk_prob", true), groups: try size("moe_router_num_groups", 1),
      groupsPerToken: try size("moe_router_group_topk", 1),
      scale: try number("moe_router_topk_scaling_factor", 1),
      correctionBias: try flag("moe_router_enable_expert_bias"))
  }
}
