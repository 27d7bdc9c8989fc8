import Documents

extension ConfigReader {
  /// A model in the words of Megatron-Core's `TransformerConfig`, as `sluice import` writes it for parts that no
  /// family of transformers has together.
  ///
  /// LayerNorms have biases whatever `add_bias_linear` says; experts have them where linear maps do; the
  /// router has none (Megatron-LM d98e8a64).
  mutating func readMegatron() throws(ConfigurationError) -> Architecture {
    let hidden = try size("hidden_size")
    let count = try layers("num_layers")
    let bias = try flag("add_bias_linear", default: true)
    let isGated = try flag("gated_linear_unit")
    let activation = try megatronActivation(isGated: isGated)
    let attention = try megatronAttention(hidden: hidden, bias: bias)
    let dense = FeedForward.dense(
      width: try size("ffn_hidden_size", default: 4 * hidden), gated: isGated, bias: bias,
      activation: activation)
    let mixture = try megatronMixture(isGated: isGated, bias: bias, activation: activation)
    var layers = try hybridLayers(count, attention, dense, mixture)
    if layers.isEmpty { layers = try transformerLayers(count, attention, dense, mixture) }
    let rms = try table.value("normalization", .string, default: "LayerNorm") == "RMSNorm"
    let normalization =
      rms ? try rmsNorm("layernorm_epsilon") : try layerNorm("layernorm_epsilon")
    let positions = try positions(default: 2048)
    return Architecture(
      name: name, family: .megatron, hiddenSize: hidden, layers: layers,
      vocabularySize: try size("vocab_size"), maximumPositions: positions,
      normalization: normalization, position: try megatronPosition(layers, positions),
      tiedEmbeddings: try tied(default: true),
      multiTokenPrediction: try table.value("mtp_num_layers", .integer(in: 0...64), default: 0),
      initializerRange: try table.value("init_method_std", .number(in: 0...10), default: 0.02))
  }

  private func transformerLayers(
    _ count: Int, _ attention: Attention, _ dense: FeedForward, _ mixture: Mixture?
  ) throws(ConfigurationError) -> [Layer] {
    let pattern = try table.value(
      "moe_layer_freq", .list(of: .integer(in: 0...1), count: count...count),
      default: Array(repeating: 1, count: count))
    let windows = try table.optional(
      "window_attn_skip_freq", .list(of: .integer(in: 0...1), count: count...count))
    return pattern.indices.map { index in
      let block = pattern[index] == 1 ? mixture.map { .mixture($0) } ?? dense : dense
      guard windows?[index] == 0, case .multiHead(let shape) = attention else {
        return Layer(attention, block)
      }
      return Layer(.multiHead(shape.reaching(.all)), block)
    }
  }

  /// Layers of one block each, as `hybrid_layer_pattern` spells them: M a state-space block, * attention, -
  /// a dense block, E a mixture; none where there is no pattern.
  private func hybridLayers(
    _ count: Int, _ attention: Attention, _ dense: FeedForward, _ mixture: Mixture?
  ) throws(ConfigurationError) -> [Layer] {
    let key = "hybrid_layer_pattern"
    guard let pattern = try table.optional(key, .string) else { return [] }
    guard pattern.count == count else {
      throw table.error("has \(pattern.count) layers, num_layers \(count)", at: key)
    }
    let state = try megatronState()
    var layers: [Layer] = []
    for kind in pattern {
      switch kind {
      case "M": layers.append(Layer(.recurrent(state), .absent))
      case "*": layers.append(Layer(attention, .absent))
      case "-": layers.append(Layer(.absent, dense))
      case "E":
        guard let mixture else {
          throw table.error("has layers of experts, and num_moe_experts says none", at: key)
        }
        layers.append(Layer(.absent, .mixture(mixture)))
      default: throw table.error("has \(kind); a layer is M, *, - or E", at: key)
      }
    }
    return layers
  }

  /// Megatron-Core's `MambaMixer`: a convolution of 4 with biases, projections without, chunks of 128.
  private func megatronState() throws(ConfigurationError) -> Recurrence {
    let count = try heads("mamba_num_heads")
    let groups = try heads("mamba_num_groups", default: 8)
    guard count % groups == 0 else {
      throw table.error("must divide mamba_num_heads, \(count)", at: "mamba_num_groups")
    }
    return Recurrence(
      kind: .stateSpace, heads: count, headSize: try heads("mamba_head_dim", default: 64),
      keyHeads: groups, stateSize: try heads("mamba_state_dim", default: 128), convolution: 4,
      convolutionBias: true, chunk: 128)
  }

  private func megatronActivation(isGated: Bool) throws(ConfigurationError) -> Activation {
    switch try table.value("activation_func", .string, default: isGated ? "silu" : "gelu") {
    case "squared_relu": return .reluSquared
    case "silu": return .silu
    case "gelu": return .gelu
    default: throw table.error("expected gelu, silu or squared_relu", at: "activation_func")
    }
  }

  private func megatronPosition(
    _ layers: [Layer], _ positions: Int
  ) throws(ConfigurationError) -> Architecture.Position {
    switch try table.value("position_embedding_type", .string, default: "learned_absolute") {
    case "learned_absolute": return .learned
    case "none": return .implied
    case "rope":
      return .rotary(
        try rotary(
          layout: .halved, positions: positions, layers, shareKey: "rotary_percent"))
    default:
      throw table.error(
        "expected learned_absolute, rope or none", at: "position_embedding_type")
    }
  }

  private func megatronAttention(
    hidden: Int, bias: Bool
  ) throws(ConfigurationError) -> Attention {
    let count = try heads("num_attention_heads")
    let hasNorms = try flag("qk_layernorm")
    if try flag("multi_latent_attention") {
      guard hasNorms else {
        throw table.error("latents without norms are not described", at: "qk_layernorm")
      }
      return .latent(
        Latent(
          heads: count, queryRank: try table.optional("q_lora_rank", .integer(in: Self.sizes)),
          keyValueRank: try size("kv_lora_rank"), nopeHeadSize: try heads("qk_head_dim"),
          ropeHeadSize: try heads("qk_pos_emb_head_dim"), valueHeadSize: try heads("v_head_dim"),
          bias: bias))
    }
    let groups = try heads("num_query_groups", default: count)
    guard count % groups == 0 else {
      throw table.error("must divide num_attention_heads, \(count)", at: "num_query_groups")
    }
    let written = try table.optional("kv_channels", .integer(in: Self.headCounts))
    guard let headSize = written ?? (hidden % count == 0 ? hidden / count : nil) else {
      throw table.error("must divide hidden_size, \(hidden)", at: "num_attention_heads")
    }
    let window = try table.optional("window_size", .integer(in: Self.positions))
    var shape = MultiHead(
      heads: count, keyValueHeads: groups, headSize: headSize,
      bias: try flag("add_qkv_bias", default: bias), outputBias: bias,
      queryKeyNorm: hasNorms ? .eachHead : .absent, reach: window.map { .window($0) } ?? .all)
    shape.sinks = try table.optional("softmax_type", .string) == "learnable"
    return .multiHead(shape)
  }

  private func megatronMixture(
    isGated: Bool, bias: Bool, activation: Activation
  ) throws(ConfigurationError) -> Mixture? {
    let count = try table.optional("num_moe_experts", .integer(in: Self.expertCounts))
    guard let experts = count else { return nil }
    let groups = try table.value(
      "moe_router_num_groups", .integer(in: Self.expertCounts), default: 1)
    guard experts % groups == 0 else {
      throw table.error("must divide num_moe_experts, \(experts)", at: "moe_router_num_groups")
    }
    let chosen = try table.value(
      "moe_router_group_topk", .integer(in: 1...groups), default: groups)
    let shared = try table.value(
      "moe_shared_expert_intermediate_size", .integer(in: 0...Self.sizes.upperBound), default: 0)
    var mixture = Mixture(
      routedExperts: experts,
      expertsPerToken: try expertsPerToken(
        among: chosen * (experts / groups), "moe_router_topk"),
      expertWidth: try size("moe_ffn_hidden_size"), sharedExperts: shared > 0 ? 1 : 0,
      sharedWidth: shared, groups: groups, groupsPerToken: chosen,
      scoring: try table.value(
        "moe_router_score_function", .choice(Mixture.Scoring.self), default: .softmax),
      normalizesWeights: try flag("norm_topk_prob", default: true),
      routedScaling: try table.value(
        "moe_router_topk_scaling_factor", .number(in: 0...1e6), default: 1),
      correctionBias: try flag("moe_router_enable_expert_bias"))
    (mixture.gated, mixture.activation) = (isGated, activation)
    mixture.expertBias = bias
    mixture.sharedGate = try flag("moe_shared_expert_gate")
    return mixture
  }
}
