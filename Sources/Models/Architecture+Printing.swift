extension Architecture {
  /// The `config.json` that describes the model to Hugging Face transformers and to `named`.
  ///
  /// What it leaves out (dropout, token numbers) has the values of sluice: no dropout. Families whose
  /// `isWritten` is false have parts that are not written.
  ///
  /// - Parameter weights: the format of the weights beside it, as PyTorch names it.
  public func configJSON(weights: String = "float32") -> String {
    var config = ConfigText()
    config.add("architectures", .list([.text(family.className)]))
    config.add("model_type", .text(family.rawValue))
    config.add("torch_dtype", .text(weights))
    config.add("vocab_size", .integer(vocabularySize))
    config.add("initializer_range", .number(initializerRange))
    config.add("tie_word_embeddings", .flag(tiedEmbeddings))
    if family == .gpt2 {
      addGPT2(to: &config)
    } else {
      addDecoder(to: &config)
    }
    return config.text
  }

  private func addGPT2(to config: inout ConfigText) {
    config.add("n_embd", .integer(hiddenSize))
    config.add("n_layer", .integer(layerCount))
    config.add("n_head", .integer(attention.heads))
    config.add("n_positions", .integer(maximumPositions))
    if let block = feedForwards[0].dense { config.add("n_inner", .integer(block.width)) }
    if case .layerNorm(let epsilon, _) = normalization {
      config.add("layer_norm_epsilon", .number(epsilon))
    }
    config.add("activation_function", .text("gelu_new"))
    for key in ["attn_pdrop", "embd_pdrop", "resid_pdrop"] { config.add(key, .number(0)) }
  }

  private func addDecoder(to config: inout ConfigText) {
    config.add("hidden_size", .integer(hiddenSize))
    config.add("num_hidden_layers", .integer(layerCount))
    config.add("max_position_embeddings", .integer(maximumPositions))
    config.add("hidden_act", .text("silu"))
    if case .rmsNorm(let epsilon) = normalization { config.add("rms_norm_eps", .number(epsilon)) }
    config.add("attention_dropout", .number(0))
    config.add("pad_token_id", paddingToken.map { .integer($0) } ?? .nothing)
    switch attention {
    case .multiHead(let shape): add(shape, to: &config)
    case .latent(let shape): add(shape, to: &config)
    case .recurrent, .absent: break
    }
    if case .rotary(let rotary) = position {
      config.add("rope_theta", .number(rotary.theta))
      config.add("rope_scaling", rotary.scaling.settings)
      if family == .deepseekV3 {
        config.add("rope_interleave", .flag(rotary.layout == .interleaved))
      }
    }
    addFeedForward(to: &config)
    addWindows(to: &config)
    if family == .deepseekV3 {
      config.add("num_nextn_predict_layers", .integer(multiTokenPrediction))
    }
  }

  private func add(_ shape: MultiHead, to config: inout ConfigText) {
    config.add("num_attention_heads", .integer(shape.heads))
    config.add("num_key_value_heads", .integer(shape.keyValueHeads))
    config.add("head_dim", .integer(shape.headSize))
    // Mistral's families have no biases, Qwen 2 always has them.
    if ![.mistral, .mixtral, .qwen2].contains(family) {
      config.add("attention_bias", .flag(shape.bias))
    }
  }

  /// The windows of the families that have them, by layer where layers differ.
  private func addWindows(to config: inout ConfigText) {
    let isQwen = [.qwen2, .qwen3, .qwen3MoE].contains(family)
    guard isQwen || family == .mistral || family == .mixtral else { return }
    let widths = layers.map(\.attention.reach.width)
    let width = widths.lazy.compactMap { $0 }.first
    config.add("sliding_window", width.map { .integer($0) } ?? .nothing)
    if isQwen { config.add("use_sliding_window", .flag(width != nil)) }
    guard width != nil, widths.contains(nil) else {
      if isQwen { config.add("max_window_layers", .integer(width == nil ? layerCount : 0)) }
      return
    }
    config.add(
      "layer_types",
      .list(widths.map { .text($0 == nil ? "full_attention" : "sliding_attention") }))
  }

  private func add(_ shape: Latent, to config: inout ConfigText) {
    config.add("num_attention_heads", .integer(shape.heads))
    config.add("num_key_value_heads", .integer(shape.heads))
    config.add("q_lora_rank", shape.queryRank.map { .integer($0) } ?? .nothing)
    config.add("kv_lora_rank", .integer(shape.keyValueRank))
    config.add("qk_nope_head_dim", .integer(shape.nopeHeadSize))
    config.add("qk_rope_head_dim", .integer(shape.ropeHeadSize))
    config.add("v_head_dim", .integer(shape.valueHeadSize))
    config.add("attention_bias", .flag(shape.bias))
  }

  private func addFeedForward(to config: inout ConfigText) {
    let mixture = feedForwards.lazy.compactMap(\.mixture).first
    var width: Int?
    if let dense = feedForwards.lazy.compactMap(\.dense).first {
      width = dense.width
      if family == .llama || family == .deepseekV2 { config.add("mlp_bias", .flag(dense.bias)) }
    }
    if family == .mixtral { width = mixture?.expertWidth }
    // A model of experts only still has to name a width; nothing is computed with it.
    config.add("intermediate_size", .integer(width ?? mixture?.expertWidth ?? 0))
    guard let mixture else {
      if family == .deepseekV2 || family == .deepseekV3 {
        config.add("n_routed_experts", .nothing)
      }
      return
    }
    config.add("num_experts_per_tok", .integer(mixture.expertsPerToken))
    if joinedBalance > 0 {
      config.add("output_router_logits", .flag(true))
      config.add("router_aux_loss_coef", .number(joinedBalance))
    }
    switch family {
    case .mixtral:
      config.add("num_local_experts", .integer(mixture.routedExperts))
    case .qwen3MoE:
      config.add("num_experts", .integer(mixture.routedExperts))
      config.add("moe_intermediate_size", .integer(mixture.expertWidth))
      config.add("norm_topk_prob", .flag(mixture.normalizesWeights))
      config.add("decoder_sparse_step", .integer(1))
      let dense = feedForwards.indices.filter { feedForwards[$0].mixture == nil }
      config.add("mlp_only_layers", .list(dense.map { .integer($0) }))
    default: addDeepSeek(mixture, to: &config)
    }
  }

  private func addDeepSeek(_ mixture: Mixture, to config: inout ConfigText) {
    let dense = feedForwards.prefix { $0.mixture == nil }.count
    config.add("first_k_dense_replace", .integer(dense))
    config.add("n_routed_experts", .integer(mixture.routedExperts))
    config.add("n_shared_experts", .integer(mixture.sharedExperts))
    config.add("moe_intermediate_size", .integer(mixture.expertWidth))
    config.add("moe_layer_freq", .integer(expertFrequency(after: dense)))
    config.add("n_group", .integer(mixture.groups))
    config.add("topk_group", .integer(mixture.groupsPerToken))
    config.add("norm_topk_prob", .flag(mixture.normalizesWeights))
    config.add("routed_scaling_factor", .number(mixture.routedScaling))
    config.add("scoring_func", .text(mixture.scoring.rawValue))
    let method = mixture.groups > 1 ? "group_limited_greedy" : "greedy"
    config.add("topk_method", .text(family == .deepseekV3 ? "noaux_tc" : method))
  }

  /// Every how many layers experts lie, behind the dense layers at the front.
  private func expertFrequency(after dense: Int) -> Int {
    let layers = feedForwards.indices.filter { feedForwards[$0].mixture != nil }
    return layers.count > 1 ? layers[1] - layers[0] : 1
  }
}

extension Rotary.Scaling {
  /// The value of `rope_scaling`.
  fileprivate var settings: ConfigText.Value {
    switch self {
    case .none: return .nothing
    case .other(let kind): return .table([("rope_type", .text(kind))])
    case .linear(let factor):
      return .table([("rope_type", .text("linear")), ("factor", .number(factor))])
    case .yarn(let yarn):
      var entries: [(String, ConfigText.Value)] = [
        ("rope_type", .text("yarn")), ("factor", .number(yarn.factor)),
        ("beta_fast", .number(yarn.betaFast)), ("beta_slow", .number(yarn.betaSlow)),
        ("original_max_position_embeddings", .integer(yarn.originalPositions)),
      ]
      if let weight = yarn.magnitudeScale { entries.append(("mscale", .number(weight))) }
      if let weight = yarn.magnitudeScaleAllColumns {
        entries.append(("mscale_all_dim", .number(weight)))
      }
      if let factor = yarn.attentionFactor { entries.append(("attention_factor", .number(factor))) }
      if !yarn.truncates { entries.append(("truncate", .flag(false))) }
      return .table(entries)
    case .llama3(let llama):
      return .table([
        ("rope_type", .text("llama3")), ("factor", .number(llama.factor)),
        ("low_freq_factor", .number(llama.lowFrequencyFactor)),
        ("high_freq_factor", .number(llama.highFrequencyFactor)),
        ("original_max_position_embeddings", .integer(llama.originalPositions)),
      ])
    }
  }
}
