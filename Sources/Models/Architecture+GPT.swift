extension Architecture {
  /// A GPT-2-shaped model by its plain sizes, as published runs of GPT-3 and Megatron state them.
  ///
  /// The feed-forward width is four times the hidden size, the head is tied, positions are learned,
  /// every linear map has a bias. `heads` must divide `hidden`.
  public static func gpt(
    name: String, hidden: Int, layers: Int, heads: Int, vocabulary: Int, positions: Int
  ) -> Architecture {
    precondition(hidden % heads == 0)
    return Architecture(
      name: name, family: .gpt2, hiddenSize: hidden, layerCount: layers,
      vocabularySize: vocabulary, maximumPositions: positions,
      attention: .multiHead(
        MultiHead(
          heads: heads, keyValueHeads: heads, headSize: hidden / heads, bias: true,
          outputBias: true, fused: true)),
      feedForwards: Array(
        repeating: .dense(width: 4 * hidden, gated: false, bias: true), count: layers),
      normalization: .layerNorm(epsilon: 1e-5), position: .learned, tiedEmbeddings: true)
  }
}
