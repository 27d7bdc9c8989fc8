import Documents

extension ConfigReader {
  /// Falcon in its three forms: by turns with all heads, parallel with one head of keys and values, and the
  /// newer with groups of heads, whose blocks have norms of their own unless
  /// `num_ln_in_parallel_attn` is 1.
  mutating func readFalcon() throws(ConfigurationError) -> Architecture {
    let hidden = try size("hidden_size")
    let count = try layers(table.contains("n_layer") ? "n_layer" : "num_hidden_layers")
    let headKey = table.contains("n_head") ? "n_head" : "num_attention_heads"
    let heads = try heads(headKey)
    guard hidden % heads == 0 else {
      throw table.error("must divide hidden_size, \(hidden)", at: headKey)
    }
    let isNew = try flag("new_decoder_architecture")
    let bias = try flag("bias")
    let keyHeads = try falconKeyHeads(heads, isNew: isNew)
    let runsBeside = try flag("parallel_attn", default: true)
    let norms =
      try table.optional("num_ln_in_parallel_attn", .integer(in: 1...2)) ?? (isNew ? 2 : 1)
    // transformers builds such layers and cannot compute them.
    guard isNew || norms == 1 else {
      throw table.error("2 norms need new_decoder_architecture", at: "num_ln_in_parallel_attn")
    }
    guard runsBeside || !isNew else {
      throw table.error("false is not supported with new_decoder_architecture", at: "parallel_attn")
    }
    try noticeDropout(["hidden_dropout", "attention_dropout"])
    let width = try table.value("ffn_hidden_size", .integer(in: Self.sizes), default: 4 * hidden)
    let layer = Layer(
      .multiHead(
        MultiHead(
          heads: heads, keyValueHeads: keyHeads, headSize: hidden / heads, bias: bias,
          outputBias: bias)),
      .dense(
        width: width, gated: false, bias: bias,
        activation: try activation("activation", default: .gelu)),
      arrangement: !runsBeside ? .sequential : isNew && norms == 2 ? .parallel : .parallelOneNorm)
    let span = try positions(default: 2048)
    return Architecture(
      name: name, family: .falcon, hiddenSize: hidden,
      layers: Array(repeating: layer, count: count), vocabularySize: try size("vocab_size"),
      maximumPositions: span, normalization: try layerNorm(),
      position: try flag("alibi")
        ? .linearBiases : .rotary(try rotary(layout: .halved, positions: span, [layer])),
      tiedEmbeddings: try tied(default: true), initializerRange: try initializerRange())
  }

  private func falconKeyHeads(_ heads: Int, isNew: Bool) throws(ConfigurationError) -> Int {
    let key = table.contains("n_head_kv") ? "n_head_kv" : "num_kv_heads"
    let written = try table.optional(key, .integer(in: Self.headCounts))
    let isMultiQuery = try flag("multi_query", default: true)
    // Without the newer form the number is not looked at.
    guard isNew else { return isMultiQuery ? 1 : heads }
    let count = written ?? heads
    guard heads % count == 0 else {
      throw table.error("must divide the number of heads, \(heads)", at: key)
    }
    return count
  }
}
