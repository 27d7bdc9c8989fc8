/// Floating-point operations of training on one token, by part.
///
/// The algorithmic count that MFU is made of: three times the forward pass, a multiply-add counted
/// as two, recomputation not counted. Matrix products and attention only; routers are left out, as
/// in the count that reproduces DeepSeek-V3's published 250 GFLOP per token (arXiv 2505.09343,
/// tables 2 and 4).
public struct TrainingFlops: Hashable, Sendable {
  /// Products with the weights of layers, of the head and of joining projections.
  public var linear = 0
  /// Scores and weighted sums of the attention cores.
  public var attention = 0

  /// Both parts together.
  public var total: Int { linear + attention }

  /// Adds part by part.
  public static func + (a: TrainingFlops, b: TrainingFlops) -> TrainingFlops {
    TrainingFlops(linear: a.linear + b.linear, attention: a.attention + b.attention)
  }
}

extension Architecture {
  /// What training on one token costs, prediction modules not counted.
  ///
  /// - Parameters:
  ///   - sequence: the length of the sequences, in tokens.
  ///   - causal: whether the half of the scores that the mask removes is left out.
  public func trainingFlops(sequence: Int, causal: Bool) -> TrainingFlops {
    units.filter { !$0.isPrediction }.reduce(TrainingFlops()) {
      $0 + trainingFlops(of: $1, sequence: sequence, causal: causal)
    }
  }

  /// What the prediction modules add to training on one token, their use of the head included.
  public func predictionTrainingFlops(sequence: Int, causal: Bool) -> TrainingFlops {
    units.filter(\.isPrediction).reduce(TrainingFlops()) {
      $0 + trainingFlops(of: $1, sequence: sequence, causal: causal)
    }
  }

  /// What one unit costs in training on one token; a third of it is its forward pass.
  public func trainingFlops(of unit: Unit, sequence: Int, causal: Bool) -> TrainingFlops {
    var weights = 0
    var flops = TrainingFlops()
    switch unit {
    case .embedding: break
    case .layer: weights = layerWeights(unit)
    case .head: weights = vocabularySize * hiddenSize
    case .multiTokenPrediction:
      weights = layerWeights(unit) + 2 * hiddenSize * hiddenSize + vocabularySize * hiddenSize
    }
    flops.linear = 6 * weights
    if feedForward(of: unit) != nil {
      let full =
        6 * sequence * attention.heads * (attention.queryKeyHeadSize + attention.valueHeadSize)
      flops.attention = causal ? full / 2 : full
    }
    return flops
  }

  /// What one token leaves in the cache of keys and values, in bytes.
  public func cachedBytesPerToken(bytesPerNumber: Int = 2) -> Int {
    layerCount * attention.cachedWidth * bytesPerNumber
  }

  /// Weights of a layer that one token is multiplied with, the router's left out.
  private func layerWeights(_ unit: Unit) -> Int {
    let projections = attention.projectionSizes(hidden: hiddenSize).reduce(0) { $0 + $1.count }
    switch feedForward(of: unit) {
    case .dense(let width, let gated, _):
      return projections + (gated ? 3 : 2) * hiddenSize * width
    case .mixture(let mixture):
      let width = mixture.expertsPerToken * mixture.expertWidth + mixture.sharedWidth
      return projections + 3 * hiddenSize * width
    case nil:
      return projections
    }
  }
}
