import Documents

extension ConfigReader {
  mutating func readQwen2MoE() throws(ConfigurationError) -> Architecture {
    let hidden = try size("hidden_size")
    let count = try layers()
    try noticeDropout(["attention_dropout"])
    try readBalance()
    let mixture = try qwenMixture(shared: true)
    let blocks = try qwenBlocks(count, mixture)
    let shape = try multiHead(hidden: hidden, bias: try flag("qkv_bias", default: true))
    let reaches = try qwenReaches(count)
    return try decoder(
      .qwen2MoE, hidden: hidden,
      zip(reaches, blocks).map { Layer(.multiHead(shape.reaching($0)), $1) }, positions: 32_768)
  }

  /// The mixture of Qwen's families; `num_local_experts` is how transformers 5 spells their number.
  func qwenMixture(shared: Bool) throws(ConfigurationError) -> Mixture {
    let key =
      table.contains("num_local_experts") && !table.contains("num_experts")
      ? "num_local_experts" : "num_experts"
    let experts = try table.required(key, .integer(in: Self.expertCounts))
    let width =
      shared ? try size("shared_expert_intermediate_size") : 0
    var mixture = Mixture(
      routedExperts: experts, expertsPerToken: try expertsPerToken(among: experts),
      expertWidth: try size("moe_intermediate_size"), sharedExperts: shared ? 1 : 0,
      sharedWidth: width, scoring: .softmax, normalizesWeights: try flag("norm_topk_prob"))
    mixture.activation = try activation(default: .silu)
    mixture.sharedGate = shared
    return mixture
  }

  /// Mixtures in every `decoder_sparse_step`th layer but `mlp_only_layers`, dense blocks in the others.
  func qwenBlocks(_ count: Int, _ mixture: Mixture) throws(ConfigurationError) -> [FeedForward] {
    let dense = try gatedBlock(activation: mixture.activation)
    let step = try table.value("decoder_sparse_step", .integer(in: Self.layerCounts), default: 1)
    let denseLayers = try table.value(
      "mlp_only_layers", .list(of: .integer(in: 0...count - 1)), default: [])
    return (0..<count).map { layer in
      denseLayers.contains(layer) || (layer + 1) % step != 0 ? dense : .mixture(mixture)
    }
  }
}
