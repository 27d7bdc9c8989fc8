import Documents

extension ConfigReader {
  /// GLM-4.5: DeepSeek-V3's mixture behind grouped attention.
  mutating func readGLM4MoE() throws(ConfigurationError) -> Architecture {
    let hidden = try size("hidden_size")
    try noticeDropout(["attention_dropout"])
    let shape = try multiHead(
      hidden: hidden, keyValueHeads: 8, bias: try flag("attention_bias"),
      queryKeyNorm: try flag("use_qk_norm") ? .eachHead : .absent)
    let layers = try deepSeekBlocks(.glm4MoE).map { Layer(.multiHead(shape), $0) }
    var architecture = try decoder(
      .glm4MoE, hidden: hidden, layers,
      rotary: try rotary(
        layout: .halved, positions: try positions(default: 131_072), layers, share: 0.5),
      positions: 131_072)
    architecture.multiTokenPrediction = try table.value(
      "num_nextn_predict_layers", .integer(in: 0...64), default: 1)
    return architecture
  }
}
