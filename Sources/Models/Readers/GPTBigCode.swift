import Documents

extension ConfigReader {
  /// StarCoder: GPT-2 with one head of keys and values, unless `multi_query` is false.
  mutating func readGPTBigCode() throws(ConfigurationError) -> Architecture {
    let hidden = try size("n_embd")
    let count = try heads("n_head")
    guard hidden % count == 0 else {
      throw table.error("must divide n_embd, \(hidden)", at: "n_head")
    }
    let layers = try layers("n_layer")
    let width = try table.optional("n_inner", .integer(in: Self.sizes)) ?? 4 * hidden
    let isMultiQuery = try flag("multi_query", default: true)
    let activation = try activation("activation_function", default: .geluTanh)
    try notePeculiar("scale_attn_weights", if: false, default: true)
    try refuse("add_cross_attention", if: true, default: false)
    try noticeDropout(["attn_pdrop", "embd_pdrop", "resid_pdrop"])
    return Architecture(
      name: name, family: .gptBigCode, hiddenSize: hidden, layerCount: layers,
      vocabularySize: try size("vocab_size"),
      maximumPositions: try positions("n_positions", default: 1024),
      attention: .multiHead(
        MultiHead(
          heads: count, keyValueHeads: isMultiQuery ? 1 : count, headSize: hidden / count,
          bias: true, outputBias: true)),
      feedForwards: Array(
        repeating: .dense(width: width, gated: false, bias: true, activation: activation),
        count: layers),
      normalization: try layerNorm(), position: .learned, tiedEmbeddings: try tied(default: true),
      initializerRange: try initializerRange())
  }
}
