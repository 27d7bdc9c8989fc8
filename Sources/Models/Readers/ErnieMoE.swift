import Documents

extension ConfigReader {
  mutating func readErnieMoE() throws(ConfigurationError) -> Architecture {
    let hidden = try size("hidden_size")
    let count = try layers()
    // The head and shared experts would have them, too; no published file asks for it.
    try refuse("use_bias", if: true, default: false)
    try noticeDropout(["hidden_dropout_prob", "attention_probs_dropout_prob"])
    passOver(["moe_gate", "moe_use_aux_free", "moe_gate_act"])
    let activation = try activation(default: .silu)
    let mixture = try ernieMixture(activation)
    let dense = try gatedBlock(activation: activation)
    let first = try table.value(
      "moe_layer_start_index", .integer(in: 0...Self.layerCounts.upperBound), default: 1)
    let last = try table.value(
      "moe_layer_end_index", .integer(in: -1...Self.layerCounts.upperBound), default: -1)
    let interval = try table.value(
      "moe_layer_interval", .integer(in: Self.layerCounts), default: 1)
    let shape = try multiHead(hidden: hidden)
    let layers = (0..<count).map { index in
      let isMixture =
        (index + 1) % interval == 0 && index >= first && index <= (last < 0 ? count - 1 : last)
      return Layer(.multiHead(shape), isMixture ? .mixture(mixture) : dense)
    }
    return try decoder(
      .ernieMoE, hidden: hidden, layers, rotary: try ernieRotary(layers), positions: 131_072,
      tied: true)
  }

  private func ernieMixture(_ activation: Activation) throws(ConfigurationError) -> Mixture {
    let experts = try table.required("moe_num_experts", .integer(in: Self.expertCounts))
    let width = try size("moe_intermediate_size")
    let shared = try table.value(
      "moe_num_shared_experts", .integer(in: 0...Self.expertCounts.upperBound), default: 2)
    var mixture = Mixture(
      routedExperts: experts, expertsPerToken: try expertsPerToken(among: experts, "moe_k"),
      expertWidth: width, sharedExperts: shared, sharedWidth: shared * width, scoring: .softmax,
      normalizesWeights: true, correctionBias: true)
    mixture.activation = activation
    return mixture
  }
}
