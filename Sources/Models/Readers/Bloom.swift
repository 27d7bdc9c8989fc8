import Documents

extension ConfigReader {
  /// Positions as slopes of scores, and a norm behind the embedding.
  mutating func readBloom() throws(ConfigurationError) -> Architecture {
    let hidden = try size(table.contains("n_embed") ? "n_embed" : "hidden_size")
    let count = try layers(table.contains("num_hidden_layers") ? "num_hidden_layers" : "n_layer")
    let key = table.contains("num_attention_heads") ? "num_attention_heads" : "n_head"
    let heads = try heads(key)
    guard hidden % heads == 0 else {
      throw table.error("must divide the hidden size, \(hidden)", at: key)
    }
    try notePeculiar("apply_residual_connection_post_layernorm", if: true, default: false)
    try noticeDropout(["hidden_dropout", "attention_dropout"])
    // How Megatron's kernels add biases, not whether.
    passOver(["skip_bias_add", "skip_bias_add_qkv"])
    var architecture = Architecture(
      name: name, family: .bloom, hiddenSize: hidden, layerCount: count,
      vocabularySize: try size("vocab_size"),
      maximumPositions: try positions("seq_length", default: 2048),
      attention: .multiHead(
        MultiHead(
          heads: heads, keyValueHeads: heads, headSize: hidden / heads, bias: true,
          outputBias: true)),
      feedForwards: Array(
        repeating: .dense(width: 4 * hidden, gated: false, bias: true), count: count),
      normalization: try layerNorm(), position: .linearBiases,
      tiedEmbeddings: try tied(default: true), initializerRange: try initializerRange())
    architecture.normsEmbedding = true
    return architecture
  }
}
