import Documents

extension ConfigReader {
  mutating func readMiniMaxM2() throws(ConfigurationError) -> Architecture {
    let hidden = try size("hidden_size")
    let count = try layers()
    try noticeDropout(["attention_dropout"])
    try refuseShares()
    passOver(["mlp_intermediate_size", "use_mtp", "num_mtp_modules", "mtp_transformer_layers"])
    if try table.value("num_mtp_modules", .integer(in: 0...64), default: 0) > 0, try flag("use_mtp")
    {
      notices.append("num_mtp_modules: prediction modules of this family are not counted")
    }
    let experts = try table.required("num_local_experts", .integer(in: Self.expertCounts))
    var mixture = Mixture(
      routedExperts: experts, expertsPerToken: try expertsPerToken(among: experts),
      expertWidth: try size("intermediate_size"), scoring: .sigmoid, normalizesWeights: true,
      correctionBias: try flag("use_routing_bias", default: true))
    mixture.activation = try activation(default: .silu)
    let norm: MultiHead.QueryKeyNorm =
      try flag("use_qk_norm", default: true) ? .whole : .absent
    let shape = try multiHead(hidden: hidden, keyValueHeads: 8, headSize: 128, queryKeyNorm: norm)
    let layer = Layer(.multiHead(shape), .mixture(mixture))
    var turned = try rotary(
      layout: .halved, positions: try positions(default: 196_608), [layer], theta: 5_000_000)
    let columns = try table.optional("rotary_dim", .integer(in: 2...Self.headCounts.upperBound))
    if let columns, columns < shape.headSize { turned.columns = columns }
    return try decoder(
      .minimaxM2, hidden: hidden, Array(repeating: layer, count: count), rotary: turned,
      positions: 196_608)
  }

  /// What the family's file may say and no checkpoint of it has.
  private mutating func refuseShares() throws(ConfigurationError) {
    let shared = try table.value(
      "shared_intermediate_size", .integer(in: 0...Self.sizes.upperBound), default: 0)
    guard shared == 0 else {
      throw table.error(
        "experts beside shared ones are not read for minimax_m2",
        at: "shared_intermediate_size")
    }
    if let kind = try table.optional("qk_norm_type", .string), kind != "per_layer" {
      throw table.error("must be per_layer", at: "qk_norm_type")
    }
    if let kinds = try table.optional("attn_type_list", .list(of: .integer(in: 0...9))),
      kinds.contains(where: { $0 != 1 })
    {
      throw table.error("has layers without softmax attention", at: "attn_type_list")
    }
    if try flag("use_mtp") {
      notices.append("use_mtp is passed over: no published checkpoint holds prediction modules")
    }
  }
}
