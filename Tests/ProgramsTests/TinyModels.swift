import Models

/// Small models of each shape that lowering knows.
enum TinyModels {
  static func gpt2(layers: Int = 2) -> Architecture {
    Architecture(
      name: "tiny gpt2", family: .gpt2, hiddenSize: 32, layerCount: layers, vocabularySize: 64,
      maximumPositions: 16,
      attention: .multiHead(
        MultiHead(
          heads: 4, keyValueHeads: 4, headSize: 8, bias: true, outputBias: true, fused: true)),
      feedForwards: Array(
        repeating: .dense(width: 128, gated: false, bias: true), count: layers),
      normalization: .layerNorm(epsilon: 1e-5), position: .learned, tiedEmbeddings: true)
  }

  static func llama(layers: Int = 2) -> Architecture {
    Architecture(
      name: "tiny llama", family: .llama, hiddenSize: 32, layerCount: layers, vocabularySize: 64,
      maximumPositions: 16,
      attention: .multiHead(MultiHead(heads: 4, keyValueHeads: 2, headSize: 8)),
      feedForwards: Array(repeating: .dense(width: 48, gated: true, bias: false), count: layers),
      normalization: .rmsNorm(epsilon: 1e-5),
      position: .rotary(Rotary(theta: 10_000, layout: .halved)),
      tiedEmbeddings: false)
  }

  static func deepSeek(layers: Int = 3, prediction: Int = 1) -> Architecture {
    let mixture = Mixture(
      routedExperts: 8, expertsPerToken: 2, expertWidth: 16, sharedExperts: 1, sharedWidth: 16,
      groups: 4, groupsPerToken: 2, groupScore: .sumOfTopTwo, scoring: .sigmoid,
      routedScaling: 2.5, correctionBias: true)
    return Architecture(
      name: "tiny v3", family: .deepseekV3, hiddenSize: 32, layerCount: layers,
      vocabularySize: 64, maximumPositions: 16,
      attention: .latent(
        Latent(
          heads: 4, queryRank: 24, keyValueRank: 16, nopeHeadSize: 8, ropeHeadSize: 4,
          valueHeadSize: 8)),
      feedForwards: [.dense(width: 48, gated: true, bias: false)]
        + Array(repeating: .mixture(mixture), count: layers - 1),
      normalization: .rmsNorm(epsilon: 1e-6),
      position: .rotary(Rotary(theta: 10_000, layout: .interleaved)), tiedEmbeddings: false,
      multiTokenPrediction: prediction)
  }

  static let all = [gpt2(), llama(), deepSeek()]
}
