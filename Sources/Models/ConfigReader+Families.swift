import Documents

extension ConfigReader {
  mutating func readGPT2() throws(ConfigurationError) -> Architecture {
    let hidden = try size("n_embd")
    let count = try heads("n_head")
    guard hidden % count == 0 else {
      throw table.error("must divide n_embd, \(hidden)", at: "n_head")
    }
    let layers = try layers("n_layer")
    let width = try table.optional("n_inner", .integer(in: Self.sizes)) ?? 4 * hidden
    try requireActivation(
      "activation_function", among: ["gelu_new", "gelu_pytorch_tanh"], default: "gelu_new")
    try refuse("scale_attn_weights", if: false, default: true)
    try refuse("scale_attn_by_inverse_layer_idx", if: true, default: false)
    try refuse("add_cross_attention", if: true, default: false)
    try noticeDropout(["attn_pdrop", "embd_pdrop", "resid_pdrop"])
    return Architecture(
      name: name, family: .gpt2, hiddenSize: hidden, layerCount: layers,
      vocabularySize: try size("vocab_size"),
      maximumPositions: try table.required("n_positions", .integer(in: Self.positions)),
      attention: .multiHead(
        MultiHead(
          heads: count, keyValueHeads: count, headSize: hidden / count, bias: true,
          outputBias: true, fused: true)),
      feedForwards: Array(repeating: .dense(width: width, gated: false, bias: true), count: layers),
      normalization: .layerNorm(
        epsilon: try table.value("layer_norm_epsilon", .number(in: 0...1), default: 1e-5)),
      position: .learned,
      tiedEmbeddings: try flag("tie_word_embeddings", default: true),
      initializerRange: try initializerRange())
  }

  mutating func readLlama() throws(ConfigurationError) -> Architecture {
    let hidden = try size("hidden_size")
    let layers = try layers()
    let bias = try flag("attention_bias")
    try requireActivation("hidden_act", among: ["silu"], default: "silu")
    try noticeDropout(["attention_dropout"])
    let block = FeedForward.dense(
      width: try size("intermediate_size"), gated: true, bias: try flag("mlp_bias"))
    return try decoder(
      .llama, hidden: hidden,
      attention: .multiHead(try multiHead(hidden: hidden, bias: bias, outputBias: bias)),
      blocks: Array(repeating: block, count: layers), layout: .halved)
  }

  mutating func readMixtral() throws(ConfigurationError) -> Architecture {
    let hidden = try size("hidden_size")
    let layers = try layers()
    try requireActivation("hidden_act", among: ["silu"], default: "silu")
    try noticeDropout(["attention_dropout", "router_jitter_noise"])
    let experts = try table.required("num_local_experts", .integer(in: Self.expertCounts))
    let mixture = Mixture(
      routedExperts: experts, expertsPerToken: try expertsPerToken(among: experts),
      expertWidth: try size("intermediate_size"), scoring: .softmax, normalizesWeights: true)
    let architecture = try decoder(
      .mixtral, hidden: hidden,
      attention: .multiHead(try multiHead(hidden: hidden, bias: false, outputBias: false)),
      blocks: Array(repeating: .mixture(mixture), count: layers), layout: .halved)
    try refuseSlidingWindow(positions: architecture.maximumPositions)
    return architecture
  }

  mutating func readQwen3MoE() throws(ConfigurationError) -> Architecture {
    let hidden = try size("hidden_size")
    let layers = try layers()
    try requireActivation("hidden_act", among: ["silu"], default: "silu")
    try noticeDropout(["attention_dropout"])
    let experts = try table.required("num_experts", .integer(in: Self.expertCounts))
    let mixture = Mixture(
      routedExperts: experts, expertsPerToken: try expertsPerToken(among: experts),
      expertWidth: try size("moe_intermediate_size"), scoring: .softmax,
      normalizesWeights: try flag("norm_topk_prob"))
    let dense = FeedForward.dense(
      width: try size("intermediate_size"), gated: true, bias: false)
    let step = try table.value(
      "decoder_sparse_step", .integer(in: Self.layerCounts), default: 1)
    let denseLayers = try table.value(
      "mlp_only_layers", .list(of: .integer(in: 0...layers - 1)), default: [])
    let blocks = (0..<layers).map { layer in
      denseLayers.contains(layer) || (layer + 1) % step != 0 ? dense : .mixture(mixture)
    }
    let bias = try flag("attention_bias")
    let architecture = try decoder(
      .qwen3MoE, hidden: hidden,
      attention: .multiHead(
        try multiHead(hidden: hidden, bias: bias, outputBias: bias, queryKeyNorm: true)),
      blocks: blocks, layout: .halved)
    if try flag("use_sliding_window") {
      try refuseSlidingWindow(positions: architecture.maximumPositions)
    }
    return architecture
  }

  mutating func readDeepSeek(
    _ family: Architecture.Family
  ) throws(ConfigurationError) -> Architecture {
    let hidden = try size("hidden_size")
    try requireActivation("hidden_act", among: ["silu"], default: "silu")
    try noticeDropout(["attention_dropout"])
    let latent = Latent(
      heads: try heads("num_attention_heads"),
      queryRank: try table.optional("q_lora_rank", .integer(in: Self.sizes)),
      keyValueRank: try size("kv_lora_rank"), nopeHeadSize: try heads("qk_nope_head_dim"),
      ropeHeadSize: try heads("qk_rope_head_dim"), valueHeadSize: try heads("v_head_dim"),
      bias: try flag("attention_bias"))
    guard latent.ropeHeadSize % 2 == 0 else {
      throw table.error("must be even: columns are rotated in pairs", at: "qk_rope_head_dim")
    }
    let interleaved = family == .deepseekV2 ? true : try flag("rope_interleave", default: true)
    var architecture = try decoder(
      family, hidden: hidden, attention: .latent(latent), blocks: try deepSeekBlocks(family),
      layout: interleaved ? .interleaved : .halved)
    if family == .deepseekV3 {
      architecture.multiTokenPrediction = try table.value(
        "num_nextn_predict_layers", .integer(in: 0...64), default: 0)
    }
    return architecture
  }

  private mutating func deepSeekBlocks(
    _ family: Architecture.Family
  ) throws(ConfigurationError) -> [FeedForward] {
    let layers = try layers()
    let denseLayers = try table.value(
      "first_k_dense_replace", .integer(in: 0...layers),
      default: family == .deepseekV3 ? min(3, layers) : 0)
    let frequency = try table.value(
      "moe_layer_freq", .integer(in: Self.layerCounts), default: 1)
    if frequency > 1 {
      notices.append(
        "moe_layer_freq \(frequency) is as in DeepSeek's own code; transformers passes it over")
    }
    let mixture = try deepSeekMixture(family)
    // The third has no such key: its blocks never have a bias.
    let bias = family == .deepseekV2 ? try flag("mlp_bias") : false
    guard let mixture else {
      return Array(repeating: try gatedBlock(bias: bias), count: layers)
    }
    let dense = denseLayers > 0 || frequency > 1 ? try gatedBlock(bias: bias) : .mixture(mixture)
    return (0..<layers).map { layer in
      layer < denseLayers || layer % frequency != 0 ? dense : .mixture(mixture)
    }
  }

  private func gatedBlock(bias: Bool) throws(ConfigurationError) -> FeedForward {
    .dense(width: try size("intermediate_size"), gated: true, bias: bias)
  }

  /// The mixture, or nil for a model without experts.
  private func deepSeekMixture(
    _ family: Architecture.Family
  ) throws(ConfigurationError) -> Mixture? {
    let count = try table.optional("n_routed_experts", .integer(in: Self.expertCounts))
    guard let experts = count else { return nil }
    let isThird = family == .deepseekV3
    let (groups, chosen) = try expertGroups(of: experts, family)
    let perToken = try expertsPerToken(among: chosen * (experts / groups))
    let width = try size("moe_intermediate_size")
    let shared = try table.value(
      "n_shared_experts", .integer(in: 0...Self.expertCounts.upperBound),
      default: isThird ? 1 : 2)
    let scoring = try table.value(
      "scoring_func", .choice(Mixture.Scoring.self), default: isThird ? .sigmoid : .softmax)
    if isThird, scoring != .sigmoid {
      throw table.error("deepseek_v3 scores experts by sigmoid only", at: "scoring_func")
    }
    return Mixture(
      routedExperts: experts, expertsPerToken: perToken, expertWidth: width,
      sharedExperts: shared, sharedWidth: shared * width, groups: groups, groupsPerToken: chosen,
      groupScore: isThird ? .sumOfTopTwo : .maximum, scoring: scoring,
      normalizesWeights: try flag("norm_topk_prob", default: isThird),
      routedScaling: try table.value(
        "routed_scaling_factor", .number(in: 0...1e6), default: isThird ? 2.5 : 1),
      correctionBias: isThird)
  }

  /// How many groups the experts form, and from how many of them a token may choose.
  private func expertGroups(
    of experts: Int, _ family: Architecture.Family
  ) throws(ConfigurationError) -> (groups: Int, chosen: Int) {
    let method = try table.value(
      "topk_method", .string,
      default: family == .deepseekV3 ? "noaux_tc" : "greedy")
    let methods = family == .deepseekV3 ? ["noaux_tc"] : ["greedy", "group_limited_greedy"]
    guard methods.contains(method) else {
      throw table.error(
        "only \(methods.joined(separator: " and ")) can be computed", at: "topk_method")
    }
    let isThird = family == .deepseekV3
    let groups = try table.value(
      "n_group", .integer(in: Self.expertCounts), default: isThird ? 8 : 1)
    guard experts % groups == 0 else {
      throw table.error("must divide n_routed_experts, \(experts)", at: "n_group")
    }
    let chosen = try table.value(
      "topk_group", .integer(in: Self.expertCounts), default: isThird ? 4 : groups)
    guard chosen <= groups else {
      throw table.error("must not exceed n_group, \(groups)", at: "topk_group")
    }
    if family == .deepseekV3, groups > 1, experts / groups < 2 {
      throw table.error("leaves groups of one expert; they are scored by two", at: "n_group")
    }
    return method == "greedy" ? (1, 1) : (groups, chosen)
  }

  private func expertsPerToken(among experts: Int) throws(ConfigurationError) -> Int {
    let count = try table.required("num_experts_per_tok", .integer(in: Self.expertCounts))
    guard count <= experts else {
      throw table.error(
        "exceeds the \(experts) experts that may be chosen from", at: "num_experts_per_tok")
    }
    return count
  }

  /// What the families other than GPT-2 have in common.
  private func decoder(
    _ family: Architecture.Family, hidden: Int, attention: Attention, blocks: [FeedForward],
    layout: Rotary.Layout
  ) throws(ConfigurationError) -> Architecture {
    let positions = try table.value(
      "max_position_embeddings", .integer(in: Self.positions),
      default: family == .deepseekV3 ? 4096 : 2048)
    let vocabulary = try size("vocab_size")
    let padding = try table.optional("pad_token_id", .integer(in: -vocabulary...vocabulary - 1))
    return Architecture(
      name: name, family: family, hiddenSize: hidden, layerCount: blocks.count,
      vocabularySize: vocabulary, maximumPositions: positions, attention: attention,
      feedForwards: blocks, normalization: try rmsNorm(),
      position: .rotary(try rotary(layout: layout, positions: positions)),
      tiedEmbeddings: try flag("tie_word_embeddings"),
      // Counted from the end where negative, as PyTorch's embedding counts.
      paddingToken: padding.map { $0 < 0 ? vocabulary + $0 : $0 },
      initializerRange: try initializerRange())
  }
}
