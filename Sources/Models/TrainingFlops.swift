/// Floating-point operations of training on one token, by part.
///
/// The algorithmic count that MFU is made of: three times the forward pass, a multiply-add counted
/// as two, recomputation not counted. Matrix products, attention and recurrent states; routers stand
/// apart and are not in the total, as in the count that reproduces DeepSeek-V3's published 250 GFLOP
/// per token (arXiv 2505.09343, tables 2 and 4).
public struct TrainingFlops: Hashable, Sendable {
  /// Products with the weights of layers, of the head and of joining projections.
  public var linear = 0
  /// Scores and weighted sums of the attention cores, within windows and chunks where there are such, and
  /// the scores by which an indexer chooses.
  public var attention = 0
  /// States of recurrent blocks, written and read token by token.
  public var recurrent = 0
  /// Products of routers and of the gates of shared experts; not in the total.
  public var routers = 0

  /// All parts but the routers.
  public var total: Int { linear + attention + recurrent }

  /// Adds part by part.
  public static func + (a: TrainingFlops, b: TrainingFlops) -> TrainingFlops {
    TrainingFlops(
      linear: a.linear + b.linear, attention: a.attention + b.attention,
      recurrent: a.recurrent + b.recurrent, routers: a.routers + b.routers)
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

  /// What one unit costs in training on one token; a third of it is its forward pass where no indexer
  /// chooses keys.
  public func trainingFlops(of unit: Unit, sequence: Int, causal: Bool) -> TrainingFlops {
    var weights = 0
    // Weights whose inputs take no gradient.
    var detached = 0
    var flops = TrainingFlops()
    switch unit {
    case .embedding: weights = (embeddingWidth ?? 0) * hiddenSize
    case .layer: break
    case .head: weights = vocabularySize * embeddingColumns + (embeddingWidth ?? 0) * hiddenSize
    case .multiTokenPrediction:
      weights = 2 * hiddenSize * hiddenSize + vocabularySize * hiddenSize
    }
    if let layer = layer(of: unit) {
      weights += layerWeights(layer)
      detached = layer.attention.projectionSizes(hidden: hiddenSize)
        .reduce(0) { $0 + ($1.role.readsDetached ? $1.count : 0) }
      let full =
        3 * layer.attention.coreFLOPs(sequence: sequence)
        + layer.attention.indexerFLOPs(sequence: sequence)
      flops.attention = Int((causal ? full / 2 : full).rounded())
      if case .recurrent(let shape) = layer.attention { flops.recurrent = 3 * shape.stateFLOPs }
      if let mixture = layer.feedForward.mixture {
        flops.routers = 6 * hiddenSize * (mixture.routedExperts + (mixture.sharedGate ? 1 : 0))
      }
    }
    flops.linear = 6 * weights - 2 * detached
    return flops
  }

  /// What one token leaves in the cache of keys and values, in bytes.
  ///
  /// A window bounds how many tokens a layer's cache holds, and not what each of them takes.
  public func cachedBytesPerToken(bytesPerNumber: Int = 2) -> Int {
    layers.reduce(0) { $0 + $1.attention.cachedWidth } * bytesPerNumber
  }

  /// Weights of a layer that one token is multiplied with, the router's left out.
  private func layerWeights(_ layer: Layer) -> Int {
    let projections = layer.attention.projectionSizes(hidden: hiddenSize)
      .reduce(0) { $0 + $1.count }
    switch layer.feedForward {
    case .dense(let block):
      return projections + block.products * hiddenSize * block.width
    case .mixture(let mixture):
      let width = mixture.expertsPerToken * mixture.expertWidth + mixture.sharedWidth
      return projections + mixture.products * hiddenSize * width
    case .absent: return projections
    }
  }
}
