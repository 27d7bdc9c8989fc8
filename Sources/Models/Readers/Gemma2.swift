import Documents

extension ConfigReader {
  /// Norms around both blocks, windows in every second layer, caps on scores and logits.
  mutating func readGemma2() throws(ConfigurationError) -> Architecture {
    let hidden = try size("hidden_size", default: nil)
    let count = try layers()
    let bias = try flag("attention_bias")
    try noticeDropout(["attention_dropout"])
    noteGemma()
    try noteGemmaCaps(scores: 50, logits: 30)
    let activation = try activation("hidden_activation", default: .geluTanh)
    let block = try gatedBlock(activation: activation)
    let shape = try multiHead(
      hidden: hidden, keyValueHeads: 4, headSize: 256, bias: bias, outputBias: bias)
    let reaches = try reaches(count, window: 4096) { $0 % 2 == 0 }
    return try decoder(
      .gemma2, hidden: hidden,
      reaches.map { Layer(.multiHead(shape.reaching($0)), block, norms: .around) },
      positions: 8192, tied: true)
  }

  mutating func noteGemmaCaps(scores: Double?, logits: Double?) throws(ConfigurationError) {
    let written = (
      table.contains("attn_logit_softcapping"), table.contains("final_logit_softcapping")
    )
    try notePeculiar("attn_logit_softcapping", default: written.0 ? nil : scores)
    try notePeculiar("final_logit_softcapping", default: written.1 ? nil : logits)
    try notePeculiar("query_pre_attn_scalar", default: 256)
  }
}
