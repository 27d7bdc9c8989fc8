import Documents

extension ConfigReader {
  /// DeepSeek-V2, V3, V3.2 with its indexer, and Kimi K2, which has V3's parts.
  mutating func readDeepSeek(
    _ family: Architecture.Family
  ) throws(ConfigurationError) -> Architecture {
    let hidden = try size("hidden_size")
    try noticeDropout(["attention_dropout"])
    passOver(["num_key_value_heads", "head_dim", "qk_head_dim"])
    var latent = Latent(
      heads: try heads("num_attention_heads"),
      queryRank: try table.optional("q_lora_rank", .integer(in: Self.sizes)),
      keyValueRank: try size("kv_lora_rank"), nopeHeadSize: try heads("qk_nope_head_dim"),
      ropeHeadSize: try heads("qk_rope_head_dim"), valueHeadSize: try heads("v_head_dim"),
      bias: try flag("attention_bias"))
    guard latent.ropeHeadSize % 2 == 0 else {
      throw table.error("must be even: columns are rotated in pairs", at: "qk_rope_head_dim")
    }
    if family == .deepseekV32 {
      latent.indexer = Latent.Indexer(
        heads: try heads("index_n_heads", default: 64),
        headSize: try heads("index_head_dim", default: 128),
        chosen: try table.value("index_topk", .integer(in: Self.positions), default: 2048))
    }
    let interleaved = family == .deepseekV2 ? true : try flag("rope_interleave", default: true)
    let span = family == .deepseekV2 ? 2048 : 4096
    let layers = try deepSeekBlocks(family).map { Layer(.latent(latent), $0) }
    var architecture = try decoder(
      family, hidden: hidden, layers,
      rotary: try rotary(
        layout: interleaved ? .interleaved : .halved, positions: try positions(default: span), []),
      positions: span)
    if family != .deepseekV2 {
      architecture.multiTokenPrediction = try table.value(
        "num_nextn_predict_layers", .integer(in: 0...64), default: 0)
    }
    return architecture
  }

  /// Dense blocks in front, mixtures behind them.
  mutating func deepSeekBlocks(
    _ family: Architecture.Family
  ) throws(ConfigurationError) -> [FeedForward] {
    let layers = try layers()
    let activation = try activation(default: .silu)
    let denseLayers = try table.value(
      "first_k_dense_replace", .integer(in: 0...layers),
      default: family.isThird ? min(3, layers) : family == .glm4MoE ? 1 : 0)
    let frequency = try table.value(
      "moe_layer_freq", .integer(in: Self.layerCounts), default: 1)
    if frequency > 1 {
      notices.append(
        "moe_layer_freq \(frequency) is as in DeepSeek's own code; transformers passes it over")
    }
    var mixture = try deepSeekMixture(family)
    mixture?.activation = activation
    // The third has no such key: its blocks never have a bias.
    let bias = family == .deepseekV2 ? try flag("mlp_bias") : false
    guard let mixture else {
      return Array(repeating: try gatedBlock(bias: bias, activation: activation), count: layers)
    }
    // transformers' shared experts would have them, DeepSeek's own code has none.
    if bias { throw table.error("true is not described beside experts", at: "mlp_bias") }
    let dense =
      denseLayers > 0 || frequency > 1
      ? try gatedBlock(bias: bias, activation: activation) : .mixture(mixture)
    if let kinds = try blockKinds(layers) {
      let own = try gatedBlock(bias: bias, activation: activation)
      return kinds.map { $0 == "dense" ? own : .mixture(mixture) }
    }
    return (0..<layers).map { layer in
      layer < denseLayers || layer % frequency != 0 ? dense : .mixture(mixture)
    }
  }

  /// What transformers 5 writes in the place of the two numbers: `dense` or `sparse`, layer by layer.
  private func blockKinds(_ layers: Int) throws(ConfigurationError) -> [String]? {
    let key = "mlp_layer_types"
    guard let kinds = try table.optional(key, .list(of: .string)) else { return nil }
    guard kinds.count == layers, kinds.allSatisfy({ $0 == "dense" || $0 == "sparse" }) else {
      throw table.error("must name dense or sparse for each of the \(layers) layers", at: key)
    }
    return kinds
  }

  /// The mixture, or nil for a model without experts.
  private mutating func deepSeekMixture(
    _ family: Architecture.Family
  ) throws(ConfigurationError) -> Mixture? {
    let count = try table.optional("n_routed_experts", .integer(in: Self.expertCounts))
    guard let experts = count else {
      passOver([
        "moe_intermediate_size", "moe_layer_freq", "n_shared_experts", "num_experts_per_tok",
      ])
      return nil
    }
    let isThird = family.scoresBySigmoid
    let (groups, chosen) = try deepSeekGroups(of: experts, family)
    let perToken = try expertsPerToken(among: chosen * (experts / groups))
    let width = try size("moe_intermediate_size")
    let shared =
      try table.optional("n_shared_experts", .integer(in: 0...Self.expertCounts.upperBound))
      ?? (isThird ? 1 : family == .deepseekV2 ? 2 : 0)
    let scoring = try table.value(
      "scoring_func", .choice(Mixture.Scoring.self), default: isThird ? .sigmoid : .softmax)
    if isThird, scoring != .sigmoid {
      throw table.error("\(family.rawValue) scores experts by sigmoid only", at: "scoring_func")
    }
    return Mixture(
      routedExperts: experts, expertsPerToken: perToken, expertWidth: width,
      sharedExperts: shared, sharedWidth: shared * width, groups: groups, groupsPerToken: chosen,
      groupScore: isThird ? .sumOfTopTwo : .maximum, scoring: scoring,
      normalizesWeights: try flag("norm_topk_prob", default: isThird),
      routedScaling: try table.value(
        "routed_scaling_factor", .number(in: 0...1e6), default: family.isThird ? 2.5 : 1),
      correctionBias: isThird)
  }

  /// How many groups the experts form, and from how many of them a token may choose.
  private func deepSeekGroups(
    of experts: Int, _ family: Architecture.Family
  ) throws(ConfigurationError) -> (groups: Int, chosen: Int) {
    let isThird = family.scoresBySigmoid
    let method = try table.value(
      "topk_method", .string, default: isThird ? "noaux_tc" : "greedy")
    let methods = isThird ? ["noaux_tc"] : ["greedy", "group_limited_greedy"]
    guard methods.contains(method) else {
      throw table.error(
        "only \(methods.joined(separator: " and ")) can be computed", at: "topk_method")
    }
    let groups = try expertGroups(of: experts, default: family.isThird ? (8, 4) : (1, nil))
    if isThird, groups.groups > 1, experts / groups.groups < 2 {
      throw table.error("leaves groups of one expert; they are scored by two", at: "n_group")
    }
    return method == "greedy" ? (1, 1) : groups
  }

  /// `n_group` and `topk_group`, in the place of which stand all groups.
  func expertGroups(
    of experts: Int, default usual: (groups: Int, chosen: Int?)
  ) throws(ConfigurationError) -> (groups: Int, chosen: Int) {
    let groups = try table.value(
      "n_group", .integer(in: Self.expertCounts), default: usual.groups)
    guard experts % groups == 0 else {
      throw table.error("must divide n_routed_experts, \(experts)", at: "n_group")
    }
    let chosen = try table.value(
      "topk_group", .integer(in: Self.expertCounts), default: usual.chosen ?? groups)
    guard chosen <= groups else {
      throw table.error("must not exceed n_group, \(groups)", at: "topk_group")
    }
    return (groups, chosen)
  }
}

extension Architecture.Family {
  /// DeepSeek-V3 and what has its configuration.
  fileprivate var isThird: Bool {
    self == .deepseekV3 || self == .deepseekV32 || self == .kimiK2
  }

  /// Whether experts are chosen by sigmoids with a bias that loads move.
  fileprivate var scoresBySigmoid: Bool { isThird || self == .glm4MoE }
}
