import Documents

extension ConfigReader {
  /// Learned positions with two rows in front; OPT-350M has norms behind its residual sums, none in front
  /// of the head, and an embedding narrower than the residual stream.
  mutating func readOPT() throws(ConfigurationError) -> Architecture {
    let hidden = try size("hidden_size")
    let count = try layers()
    let bias = try flag("enable_bias", default: true)
    let isBefore = try flag("do_layer_norm_before", default: true)
    try refuse("layer_norm_elementwise_affine", if: false, default: true)
    try noticeDropout(["dropout", "attention_dropout", "layerdrop"])
    let shape = try multiHead(hidden: hidden, bias: bias, outputBias: bias, isRotated: false)
    let layer = Layer(
      .multiHead(shape),
      .dense(
        width: try size("ffn_dim"), gated: false, bias: bias,
        activation: try activation("activation_function", default: .relu)),
      norms: isBefore ? .before : .behindResidual)
    let vocabulary = try size("vocab_size")
    var architecture = Architecture(
      name: name, family: .opt, hiddenSize: hidden, layers: Array(repeating: layer, count: count),
      vocabularySize: vocabulary, maximumPositions: try positions(default: 2048),
      normalization: .layerNorm(epsilon: 1e-5), position: .learned,
      tiedEmbeddings: try tied(default: true),
      paddingToken: try table.optional("pad_token_id", .integer(in: 0...vocabulary - 1)),
      initializerRange: try table.value("init_std", .number(in: 0...10), default: 0.02))
    architecture.leadingPositions = 2
    let width = try table.value("word_embed_proj_dim", .integer(in: Self.sizes), default: hidden)
    if width != hidden { architecture.embeddingWidth = width }
    let removesLast = try flag("_remove_final_layer_norm")
    architecture.normsFinal = isBefore && !removesLast
    return architecture
  }
}
