import Documents

extension ConfigReader {
  /// Hunyuan: norms over heads behind their rotation, and in the mixtures a shared expert.
  ///
  /// Its sizes may be written layer by layer, where they must be equal.
  mutating func readHunyuan(
    _ family: Architecture.Family
  ) throws(ConfigurationError) -> Architecture {
    let hidden = try size("hidden_size")
    let count = try layers()
    let bias = try flag("attention_bias")
    try noticeDropout(["attention_dropout"])
    try refuse("use_cla", if: true, default: false)
    passOver([
      "cla_share_factor", "use_mixed_mlp_moe", "moe_topk", "moe_intermediate_size",
      "num_shared_expert", "moe_layer_num_skipped",
    ])
    // Only the oldest files have a flag; the classes of transformers always have the norms.
    let hasNorms = try flag("use_qk_norm", default: family != .hunyuan)
    let headSize = try table.optional("attention_head_dim", .integer(in: Self.headCounts))
    let shape = try multiHead(
      hidden: hidden, headSize: headSize, bias: bias, outputBias: bias,
      queryKeyNorm: hasNorms ? .eachHead : .absent)
    let activation = try activation(default: .silu)
    let width = try size("intermediate_size")
    let mlpBias = try flag("mlp_bias")
    let experts = try number("num_experts", default: 1)
    var block = FeedForward.dense(
      width: width, gated: true, bias: mlpBias, activation: activation)
    if family != .hunyuanDense, experts > 1 {
      block = .mixture(try hunyuanMixture(experts, width, activation))
    }
    return try decoder(
      family, hidden: hidden,
      Array(repeating: Layer(.multiHead(shape), block), count: count))
  }

  private func hunyuanMixture(
    _ experts: Int, _ width: Int, _ activation: Activation
  ) throws(ConfigurationError) -> Mixture {
    let chosen = try number("moe_topk", default: 1)
    guard chosen <= experts else {
      throw table.error("exceeds the \(experts) experts", at: "moe_topk")
    }
    let own = try number("moe_intermediate_size", default: width)
    // The class of transformers has one shared expert of the dense width, whatever its number says.
    let shared = try number("num_shared_expert", default: 1)
    var mixture = Mixture(
      routedExperts: experts, expertsPerToken: chosen, expertWidth: own, sharedExperts: shared,
      sharedWidth: shared * own, scoring: .softmax, normalizesWeights: true)
    mixture.activation = activation
    return mixture
  }

  /// A number, or a list of one for each layer, all equal.
  private func number(_ key: String, default fallback: Int) throws(ConfigurationError) -> Int {
    let one = Expected.integer(in: Self.sizes)
    guard let field = table.field(key), !field.isNull else { return fallback }
    guard field.isList else { return try field.read(one) }
    let all = try field.read(.list(of: one))
    guard let first = all.first, all.allSatisfy({ $0 == first }) else {
      throw field.error("must be the same for all layers")
    }
    return first
  }
}
