import Documents

extension ConfigReader {
  /// GPT-2, and SantaCoder's form of it with one head of keys and values.
  mutating func readGPT2() throws(ConfigurationError) -> Architecture {
    let hidden = try size("n_embd")
    let count = try heads("n_head")
    guard hidden % count == 0 else {
      throw table.error("must divide n_embd, \(hidden)", at: "n_head")
    }
    let layers = try layers("n_layer")
    let width = try table.optional("n_inner", .integer(in: Self.sizes)) ?? 4 * hidden
    let activation = try activation("activation_function", default: .geluTanh)
    try notePeculiar("scale_attn_weights", if: false, default: true)
    try notePeculiar("scale_attn_by_inverse_layer_idx", if: true, default: false)
    try refuse("add_cross_attention", if: true, default: false)
    try noticeDropout(["attn_pdrop", "embd_pdrop", "resid_pdrop"])
    try checkHeadType()
    let hasOneKeyHead = isMultiQuery
    if hasOneKeyHead { peculiarities.append("one head of keys and values") }
    return Architecture(
      name: name, family: .gpt2, hiddenSize: hidden, layerCount: layers,
      vocabularySize: try size("vocab_size"),
      maximumPositions: try table.required("n_positions", .integer(in: Self.positions)),
      attention: .multiHead(
        MultiHead(
          heads: count, keyValueHeads: hasOneKeyHead ? 1 : count, headSize: hidden / count,
          bias: true, outputBias: true, fused: true)),
      feedForwards: Array(
        repeating: .dense(width: width, gated: false, bias: true, activation: activation),
        count: layers),
      normalization: try layerNorm(), position: .learned, tiedEmbeddings: try tied(default: true),
      initializerRange: try initializerRange())
  }

  private func checkHeadType() throws(ConfigurationError) {
    let key = "attention_head_type"
    guard let kind = try table.optional(key, .string), !["multihead", "multiquery"].contains(kind)
    else { return }
    throw table.error("must be multihead or multiquery", at: key)
  }
}
