import Documents

extension ConfigReader {
  /// Layers of one block each, as `hybrid_override_pattern` spells them: M a state-space block, * attention
  /// without positions, - a plain feed-forward block, E a mixture.
  mutating func readNemotronH() throws(ConfigurationError) -> Architecture {
    let hidden = try size("hidden_size")
    try noticeDropout(["attention_dropout", "hidden_dropout"])
    // Its first files have keys of Mamba's first generation, and a bias that no code looks at.
    passOver([
      "residual_in_fp32", "rescale_prenorm_residual", "moe_shared_expert_overlap",
      "time_step_rank", "mamba_proj_bias",
    ])
    try refuse("tie_word_embeddings", if: true, default: false)
    let kinds = try hybridKinds()
    // The family's own code would add them, transformers passes them over.
    try refuse("attention_bias", if: true, default: false)
    let shape = try multiHead(
      hidden: hidden, keyValueHeads: 8,
      headSize: try table.optional("attention_head_dim", .integer(in: Self.headCounts)) ?? 128,
      isRotated: false)
    let state = try stateSpace()
    let activation = try activation("mlp_hidden_act", default: .reluSquared)
    let mlpBias = try flag("mlp_bias")
    let dense = FeedForward.dense(
      width: try size("intermediate_size"), gated: false, bias: mlpBias,
      activation: activation)
    if mlpBias, kinds.contains("E") {
      throw table.error("true is not described beside experts", at: "mlp_bias")
    }
    try noticeHybridPrediction()
    let mixture = try nemotronMixture(kinds.contains("E"), activation)
    let layers = kinds.map { kind in
      switch kind {
      case "M": Layer(.recurrent(state), .absent)
      case "*": Layer(.multiHead(shape), .absent)
      case "E": Layer(.absent, mixture)
      default: Layer(.absent, dense)
      }
    }
    let key = table.contains("norm_eps") ? "norm_eps" : "layer_norm_epsilon"
    return Architecture(
      name: name, family: .nemotronH, hiddenSize: hidden, layers: layers,
      vocabularySize: try size("vocab_size"), maximumPositions: try positions(default: 4096),
      normalization: .rmsNorm(
        epsilon: try table.value(key, .number(in: 0...1), default: 1e-5)), position: .implied,
      tiedEmbeddings: try tied(), initializerRange: try initializerRange())
  }

  /// Keeps a notice of prediction modules, whose layers are a pattern of their own.
  private mutating func noticeHybridPrediction() throws(ConfigurationError) {
    let key = "num_nextn_predict_layers"
    let modules = try table.value(key, .integer(in: 0...64), default: 0)
    if modules > 0 { notices.append("\(key) \(modules) is passed over: they are not counted") }
  }

  /// One letter a layer, from either spelling.
  private func hybridKinds() throws(ConfigurationError) -> [Character] {
    let names = ["mamba": "M", "linear_attention": "M", "attention": "*", "full_attention": "*"]
    let others = ["mlp": "-", "moe": "E"]
    var kinds: [Character] = []
    var key = "hybrid_override_pattern"
    if let pattern = try table.optional(key, .string) {
      kinds = Array(pattern)
      if let unknown = kinds.first(where: { !"M*-E".contains($0) }) {
        throw table.error("has \(unknown); a layer is M, *, - or E", at: key)
      }
    } else {
      key = "layers_block_type"
      for name in try table.required(key, .list(of: .string)) {
        guard let kind = names[name] ?? others[name] else {
          throw table.error("names \(name); a layer is mamba, attention, mlp or moe", at: key)
        }
        kinds += Array(kind)
      }
    }
    let count = try table.optional("num_hidden_layers", .integer(in: Self.layerCounts))
    guard !kinds.isEmpty, kinds.count <= Self.layerCounts.upperBound,
      count ?? kinds.count == kinds.count
    else {
      throw table.error(
        "has \(kinds.count) layers, num_hidden_layers \(count.map(String.init) ?? "none")", at: key)
    }
    return kinds
  }

  private func stateSpace() throws(ConfigurationError) -> Recurrence {
    let count = try heads("mamba_num_heads")
    let groups = try heads("n_groups", default: 8)
    guard count % groups == 0 else {
      throw table.error("must divide mamba_num_heads, \(count)", at: "n_groups")
    }
    return Recurrence(
      kind: .stateSpace, heads: count, headSize: try heads("mamba_head_dim"), keyHeads: groups,
      stateSize: try heads("ssm_state_size", default: 128),
      convolution: try table.value("conv_kernel", .integer(in: 1...64), default: 4),
      convolutionBias: try flag("use_conv_bias", default: true),
      bias: try flag("use_bias"),
      chunk: try table.value("chunk_size", .integer(in: 1...65_536), default: 128))
  }

  /// Plain experts beside a shared one; none where no layer has them.
  private func nemotronMixture(
    _ isThere: Bool, _ activation: Activation
  ) throws(ConfigurationError) -> FeedForward {
    let experts = try table.value("n_routed_experts", .integer(in: Self.expertCounts), default: 8)
    let chosen = try table.value(
      "num_experts_per_tok", .integer(in: Self.expertCounts), default: 2)
    let width = try table.value("moe_intermediate_size", .integer(in: Self.sizes), default: 7688)
    let shared = try table.value(
      "n_shared_experts", .integer(in: 0...Self.expertCounts.upperBound), default: 1)
    let sharedWidth = try table.value(
      "moe_shared_expert_intermediate_size", .integer(in: Self.sizes), default: 7688)
    let (groups, ofGroups) = try expertGroups(of: experts, default: (1, 1))
    let normalizes = try flag("norm_topk_prob", default: true)
    let scaling = try table.value("routed_scaling_factor", .number(in: 0...1e6), default: 1)
    guard isThere else { return .absent }
    guard chosen <= ofGroups * (experts / groups) else {
      throw table.error("exceeds the experts that may be chosen from", at: "num_experts_per_tok")
    }
    var mixture = Mixture(
      routedExperts: experts, expertsPerToken: chosen, expertWidth: width,
      sharedExperts: shared, sharedWidth: shared > 0 ? sharedWidth : 0, groups: groups,
      groupsPerToken: ofGroups, groupScore: .sumOfTopTwo, scoring: .sigmoid,
      normalizesWeights: normalizes, routedScaling: scaling, correctionBias: true)
    (mixture.gated, mixture.activation) = (false, activation)
    return .mixture(mixture)
  }
}
