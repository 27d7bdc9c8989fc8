import Documents

extension ConfigReader {
  /// GPT-Neo: layers of whole attention and of windows by turns, scores without their factor.
  mutating func readGPTNeo() throws(ConfigurationError) -> Architecture {
    let hidden = try size("hidden_size")
    let count = try heads("num_heads")
    guard hidden % count == 0 else {
      throw table.error("must divide hidden_size, \(hidden)", at: "num_heads")
    }
    let layers = try layers("num_layers")
    let width = try table.optional("intermediate_size", .integer(in: Self.sizes)) ?? 4 * hidden
    let window = try table.value("window_size", .integer(in: Self.positions), default: 256)
    let activation = try activation("activation_function", default: .geluTanh)
    try noticeDropout(["attention_dropout", "embed_dropout", "resid_dropout"])
    peculiarities.append("scores without a factor")
    let kinds = try attentionKinds(layers)
    let block = FeedForward.dense(width: width, gated: false, bias: true, activation: activation)
    return Architecture(
      name: name, family: .gptNeo, hiddenSize: hidden,
      layers: kinds.map { isLocal in
        Layer(
          .multiHead(
            MultiHead(
              heads: count, keyValueHeads: count, headSize: hidden / count, outputBias: true,
              reach: isLocal ? .window(window) : .all)), block)
      },
      vocabularySize: try size("vocab_size"), maximumPositions: try positions(default: 2048),
      normalization: try layerNorm(), position: .learned, tiedEmbeddings: try tied(default: true),
      initializerRange: try initializerRange())
  }

  /// Whether each layer has a window: `[[["global", "local"], 12]]` is the two by turns, 12 times.
  private func attentionKinds(_ layers: Int) throws(ConfigurationError) -> [Bool] {
    guard let field = table.field("attention_types"), !field.isNull else {
      return (0..<layers).map { $0 % 2 == 1 }
    }
    var kinds: [Bool] = []
    for group in try field.items() {
      let parts = try group.items()
      guard parts.count == 2 else { throw group.error("must be kinds of attention and a number") }
      let names = try parts[0].read(.list(of: .string))
      guard !names.isEmpty, names.allSatisfy({ $0 == "global" || $0 == "local" }) else {
        throw parts[0].error("must name global and local attention")
      }
      let times = try parts[1].read(.integer(in: Self.layerCounts))
      for _ in 0..<times where kinds.count <= layers { kinds += names.map { $0 == "local" } }
    }
    guard kinds.count == layers else {
      throw field.error("has another number of layers than num_layers, \(layers)")
    }
    return kinds
  }
}
