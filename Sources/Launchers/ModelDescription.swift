/// A language model by its sizes, as launchers state them.
struct ModelDescription: Hashable, Sendable {
  enum Activation: String, Hashable, Sendable {
    case gelu, swiglu
    case squaredReLU = "relu2"
    case geglu
  }

  enum Norm: Hashable, Sendable { case layer, rms }

  enum Position: Hashable, Sendable {
    case learned
    case rotary(Rotary)
    case none
  }

  struct Rotary: Hashable, Sendable {
    var theta = 10_000.0
    /// The share of each head that is turned.
    var share = 1.0
    var scaling = Scaling.none
  }

  enum Scaling: Hashable, Sendable {
    case none
    case linear(Double)
    /// Llama 3.1's: factor, and the context that was trained on.
    case llama3(factor: Double, low: Double, high: Double, original: Int)
    case yarn(
      factor: Double, original: Int, fast: Double, slow: Double, magnitude: Double?, all: Double?)
  }

  struct Mixture: Hashable, Sendable {
    var experts: Int
    var perToken: Int
    var width: Int
    /// Of all shared experts together; 0 for none.
    var sharedWidth = 0
    var sharedGate = false
    /// Which layers have experts.
    var layers: [Bool]
    var isSigmoid = false
    var normalizes = true
    var groups = 1
    var groupsPerToken = 1
    var scale = 1.0
    var correctionBias = false
  }

  struct Latent: Hashable, Sendable {
    var queryRank: Int?
    var keyValueRank: Int
    var nopeHeadSize: Int
    var ropeHeadSize: Int
    var valueHeadSize: Int
    /// Whether the latents are normalised.
    var hasNorms = true
  }

  /// Layers of one block each, and the sizes of those with a state.
  struct Hybrid: Hashable, Sendable {
    var pattern: HybridPattern
    var heads: Int
    var headSize: Int
    var groups: Int
    var state: Int
  }

  var name: String
  var layers: Int
  var hidden: Int
  var heads: Int
  var keyValueHeads: Int
  var headSize: Int
  /// Of dense blocks.
  var width: Int
  var vocabulary: Int
  var positions: Int
  var activation = Activation.gelu
  var norm = Norm.layer
  var epsilon = 1e-5
  /// Biases of all linear maps.
  var linearBias = true
  /// Biases of the maps of queries, keys and values, where others have none.
  var queryKeyValueBias = false
  var queryKeyNorm = false
  var tied = true
  var position = Position.learned
  var mixture: Mixture?
  var latent: Latent?
  var hybrid: Hybrid?
  var predictionModules = 0
  /// Tokens that attention sees, the own among them; nil for all.
  var window: Int?
  /// Which layers have the window; nil for all of them.
  var windowLayers: [Bool]?
  /// Whether each head has a learned offset of its softmax.
  var sinks = false
  var initializerRange = 0.02
}

extension ModelDescription {
  /// Whether the first so many layers are dense and all others have experts; nil for another pattern.
  var firstDense: Int? {
    guard let mixture else { return nil }
    let dense = mixture.layers.prefix { !$0 }.count
    return mixture.layers.dropFirst(dense).allSatisfy(\.self) ? dense : nil
  }

  /// The `config.json` of the Hugging Face family that has these parts; Megatron-Core's own words where no
  /// family has.
  var config: ConfigEntries {
    if hybrid != nil { return megatronConfig }
    if windowLayers != nil || sinks { return gptOSSConfig ?? megatronConfig }
    if latent != nil { return latentConfig ?? megatronConfig }
    guard mixture == nil else { return mixtureConfig ?? megatronConfig }
    return denseConfig ?? megatronConfig
  }

  private var hasPlainHeads: Bool { headSize * heads == hidden }
  private var isLlamaLike: Bool { norm == .rms && activation == .swiglu }

  private var rotary: Rotary? { if case .rotary(let rotary) = position { rotary } else { nil } }

  // MARK: - Dense families

  private var denseConfig: ConfigEntries? {
    guard predictionModules == 0 else { return nil }
    if position == .learned { return gpt2Config }
    guard let rotary else { return nil }
    if isLlamaLike, rotary.share == 1 { return llamaConfig(rotary) }
    if norm == .layer, hasPlainHeads, !queryKeyNorm, window == nil {
      if activation == .gelu, rotary.share == 1, linearBias || !queryKeyValueBias {
        return starcoderConfig(rotary)
      }
      if activation == .squaredReLU, !linearBias, !queryKeyValueBias {
        return nemotronConfig(rotary)
      }
    }
    return nil
  }

  private var gpt2Config: ConfigEntries? {
    guard norm == .layer, activation == .gelu, linearBias, keyValueHeads == heads, hasPlainHeads,
      !queryKeyNorm, window == nil
    else { return nil }
    var config = ConfigEntries()
    config.add("model_type", "gpt2")
    config.add("architectures", .list([.text("GPT2LMHeadModel")]))
    config.add("activation_function", "gelu_new")
    config.add("n_embd", hidden)
    config.add("n_head", heads)
    config.add("n_inner", width)
    config.add("n_layer", layers)
    config.add("n_positions", positions)
    config.add("vocab_size", vocabulary)
    config.add("layer_norm_epsilon", epsilon)
    // The plan says whether there is dropout.
    for key in ["attn_pdrop", "embd_pdrop", "resid_pdrop"] { config.add(key, 0.0) }
    config.add("initializer_range", initializerRange)
    config.add("tie_word_embeddings", tied)
    return config
  }

  private func llamaConfig(_ rotary: Rotary) -> ConfigEntries? {
    let family: String
    switch (queryKeyNorm, linearBias, queryKeyValueBias) {
    case (true, false, false) where window == nil: family = "qwen3"
    case (false, false, true) where window == nil: family = "qwen2"
    case (false, false, false): family = window == nil ? "llama" : "mistral"
    case (false, true, _) where window == nil: family = "llama"
    default: return nil
    }
    var config = common(family, rotary)
    config.add("hidden_act", "silu")
    config.add("rms_norm_eps", epsilon)
    if family == "llama" {
      config.add("attention_bias", linearBias)
      config.add("mlp_bias", linearBias)
    }
    if family == "qwen3" { config.add("attention_bias", false) }
    if let window { config.add("sliding_window", window) }
    return config
  }

  private func starcoderConfig(_ rotary: Rotary) -> ConfigEntries {
    var config = common("starcoder2", rotary)
    config.add("hidden_act", "gelu_pytorch_tanh")
    config.add("norm_epsilon", epsilon)
    config.add("use_bias", linearBias)
    for key in ["attention_dropout", "embedding_dropout", "residual_dropout"] {
      config.add(key, 0.0)
    }
    return config
  }

  private func nemotronConfig(_ rotary: Rotary) -> ConfigEntries {
    var config = common("nemotron", rotary)
    config.add("hidden_act", "relu2")
    config.add("norm_eps", epsilon)
    config.add("attention_bias", false)
    config.add("mlp_bias", false)
    config.add("partial_rotary_factor", rotary.share)
    return config
  }

  /// What decoders of Hugging Face have in common.
  func common(_ family: String, _ rotary: Rotary?) -> ConfigEntries {
    var config = ConfigEntries()
    config.add("model_type", family)
    config.add("hidden_size", hidden)
    config.add("intermediate_size", width)
    config.add("num_hidden_layers", layers)
    config.add("num_attention_heads", heads)
    if latent == nil {
      config.add("num_key_value_heads", keyValueHeads)
      config.add("head_dim", headSize)
    }
    config.add("vocab_size", vocabulary)
    config.add("max_position_embeddings", positions)
    if let rotary {
      config.add("rope_theta", rotary.theta)
      if let scaling = rotary.scaling.config { config.add("rope_scaling", .table(scaling)) }
    }
    config.add("initializer_range", initializerRange)
    config.add("tie_word_embeddings", tied)
    return config
  }

  // MARK: - Experts

  private var mixtureConfig: ConfigEntries? {
    guard let mixture, let rotary, isLlamaLike, !linearBias, window == nil, rotary.share == 1
    else { return nil }
    let shared = mixture.sharedWidth > 0
    if !shared, predictionModules == 0, mixture.groups == 1, !mixture.isSigmoid,
      !mixture.correctionBias, !queryKeyValueBias
    {
      if queryKeyNorm { return qwen3Config(mixture, rotary) }
      if firstDense == 0, mixture.normalizes { return mixtralConfig(mixture, rotary) }
    }
    if shared, mixture.sharedGate, queryKeyValueBias, !queryKeyNorm, firstDense == 0,
      predictionModules == 0, !mixture.isSigmoid
    {
      return qwen2Config(mixture, rotary)
    }
    if shared, !mixture.sharedGate, mixture.isSigmoid, mixture.correctionBias,
      mixture.sharedWidth % mixture.width == 0, let firstDense
    {
      return glmConfig(mixture, rotary, firstDense)
    }
    return nil
  }

  private func mixtralConfig(_ mixture: Mixture, _ rotary: Rotary) -> ConfigEntries {
    var description = self
    description.width = mixture.width
    var config = description.common("mixtral", rotary)
    config.add("hidden_act", "silu")
    config.add("rms_norm_eps", epsilon)
    config.add("num_local_experts", mixture.experts)
    config.add("num_experts_per_tok", mixture.perToken)
    return config
  }

  private func qwen3Config(_ mixture: Mixture, _ rotary: Rotary) -> ConfigEntries {
    var config = common("qwen3_moe", rotary)
    config.add("hidden_act", "silu")
    config.add("rms_norm_eps", epsilon)
    config.add("attention_bias", false)
    config.add("num_experts", mixture.experts)
    config.add("num_experts_per_tok", mixture.perToken)
    config.add("moe_intermediate_size", mixture.width)
    config.add("norm_topk_prob", mixture.normalizes)
    config.add("decoder_sparse_step", 1)
    let dense = mixture.layers.indices.filter { !mixture.layers[$0] }
    config.add("mlp_only_layers", .list(dense.map { .integer($0) }))
    config.add("use_sliding_window", false)
    return config
  }

  private func qwen2Config(_ mixture: Mixture, _ rotary: Rotary) -> ConfigEntries {
    var config = common("qwen2_moe", rotary)
    config.add("hidden_act", "silu")
    config.add("rms_norm_eps", epsilon)
    config.add("num_experts", mixture.experts)
    config.add("num_experts_per_tok", mixture.perToken)
    config.add("moe_intermediate_size", mixture.width)
    config.add("shared_expert_intermediate_size", mixture.sharedWidth)
    config.add("norm_topk_prob", mixture.normalizes)
    config.add("decoder_sparse_step", 1)
    config.add("mlp_only_layers", .list([]))
    config.add("use_sliding_window", false)
    return config
  }

  private func glmConfig(_ mixture: Mixture, _ rotary: Rotary, _ dense: Int) -> ConfigEntries {
    var config = common("glm4_moe", rotary)
    config.add("hidden_act", "silu")
    config.add("rms_norm_eps", epsilon)
    config.add("attention_bias", queryKeyValueBias)
    config.add("use_qk_norm", queryKeyNorm)
    config.add("partial_rotary_factor", rotary.share)
    addDeepSeekMixture(mixture, dense, to: &config)
    config.add("num_nextn_predict_layers", predictionModules)
    return config
  }

  // MARK: - Latent attention

  private var latentConfig: ConfigEntries? {
    guard let latent, latent.hasNorms, isLlamaLike, !linearBias, !queryKeyValueBias,
      let rotary, window == nil
    else { return nil }
    let isThird = mixture.map { $0.isSigmoid && $0.correctionBias } ?? false
    let dense = mixture == nil ? layers : firstDense
    guard let dense, isThird || predictionModules == 0 else { return nil }
    if let mixture, mixture.sharedGate { return nil }
    if let mixture, mixture.sharedWidth % mixture.width != 0 { return nil }
    if let mixture, !isThird, mixture.isSigmoid || mixture.correctionBias { return nil }
    var config = common(isThird ? "deepseek_v3" : "deepseek_v2", rotary)
    config.add("hidden_act", "silu")
    config.add("rms_norm_eps", epsilon)
    config.add("attention_bias", false)
    config.add("q_lora_rank", latent.queryRank.map { .integer($0) } ?? .nothing)
    config.add("kv_lora_rank", latent.keyValueRank)
    config.add("qk_nope_head_dim", latent.nopeHeadSize)
    config.add("qk_rope_head_dim", latent.ropeHeadSize)
    config.add("v_head_dim", latent.valueHeadSize)
    if let mixture {
      addDeepSeekMixture(mixture, dense, to: &config)
      config.add("moe_layer_freq", 1)
      config.add("scoring_func", isThird ? "sigmoid" : "softmax")
      let limited = mixture.groups > 1 ? "group_limited_greedy" : "greedy"
      config.add("topk_method", isThird ? "noaux_tc" : limited)
    } else {
      config.add("n_routed_experts", .nothing)
    }
    if isThird { config.add("num_nextn_predict_layers", predictionModules) }
    return config
  }

  private func addDeepSeekMixture(
    _ mixture: Mixture, _ dense: Int, to config: inout ConfigEntries
  ) {
    config.add("n_routed_experts", mixture.experts)
    config.add("n_shared_experts", mixture.sharedWidth / mixture.width)
    config.add("num_experts_per_tok", mixture.perToken)
    config.add("moe_intermediate_size", mixture.width)
    config.add("first_k_dense_replace", dense)
    config.add("n_group", mixture.groups)
    config.add("topk_group", mixture.groupsPerToken)
    config.add("norm_topk_prob", mixture.normalizes)
    config.add("routed_scaling_factor", mixture.scale)
  }
}
