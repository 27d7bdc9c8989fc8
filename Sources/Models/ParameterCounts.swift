/// How many trained parameters a model has, by part; a copy of another tensor counts once.
public struct ParameterCounts: Hashable, Sendable {
  /// Token and position embedding.
  public var embedding = 0
  /// Projections of all attention blocks, with their biases and sinks.
  public var attention = 0
  /// Blocks with a recurrent state in place of attention: projections, convolutions, decays.
  public var recurrent = 0
  /// Dense feed-forward blocks.
  public var denseFeedForward = 0
  /// Routed experts, all of them.
  public var routedExperts = 0
  /// Shared experts.
  public var sharedExperts = 0
  /// Routers, without their correction biases.
  public var routers = 0
  /// Gains and biases of all norms.
  public var norms = 0
  /// The output head; 0 if it is the embedding's tensor.
  public var head = 0
  /// Projections that join a prediction module's two inputs.
  public var joiningProjections = 0
  /// Buffers of routers that loads move and no gradient does; not in `total`.
  public var correctionBiases = 0

  /// Counts nothing yet.
  public init() {}

  /// The sum of all parts but the correction biases.
  public var total: Int {
    embedding + attention + recurrent + denseFeedForward + routedExperts + sharedExperts + routers
      + norms
      + head + joiningProjections
  }

  /// Adds part by part.
  public static func + (a: ParameterCounts, b: ParameterCounts) -> ParameterCounts {
    var sum = a
    sum.embedding += b.embedding
    sum.attention += b.attention
    sum.recurrent += b.recurrent
    sum.denseFeedForward += b.denseFeedForward
    sum.routedExperts += b.routedExperts
    sum.sharedExperts += b.sharedExperts
    sum.routers += b.routers
    sum.norms += b.norms
    sum.head += b.head
    sum.joiningProjections += b.joiningProjections
    sum.correctionBiases += b.correctionBiases
    return sum
  }
}

extension Architecture {
  /// All parameters of the model without its prediction modules, by part.
  ///
  /// From closed forms, without making the list of tensors; their equality is tested.
  public var parameterCounts: ParameterCounts {
    units.filter { !$0.isPrediction }.reduce(ParameterCounts()) { $0 + parameterCounts(of: $1) }
  }

  /// The parameters that the prediction modules add, by part.
  public var predictionParameterCounts: ParameterCounts {
    units.filter(\.isPrediction).reduce(ParameterCounts()) { $0 + parameterCounts(of: $1) }
  }

  /// The parameters that take part in one token's forward pass, by part.
  ///
  /// All of the model's, without prediction modules, except the experts that are not chosen. A tied
  /// head is the embedding and counts once, as it does among all parameters.
  public var activatedParameterCounts: ParameterCounts {
    var counts = parameterCounts
    counts.routedExperts = feedForwards.reduce(0) { sum, block in
      sum + (block.mixture.map { expertParameterCount($0) * $0.expertsPerToken } ?? 0)
    }
    return counts
  }

  /// The parameters that a unit holds of its own, by part.
  public func parameterCounts(of unit: Unit) -> ParameterCounts {
    var counts = ParameterCounts()
    switch unit {
    case .embedding:
      counts.embedding = vocabularySize * embeddingColumns
      if position == .learned { counts.embedding += positionRows * hiddenSize }
      if let embeddingWidth { counts.embedding += embeddingWidth * hiddenSize }
      if normsEmbedding { counts.norms = normCount }
    case .layer(let index):
      counts = layerCounts(layers[index])
    case .head:
      counts.norms = normsFinal ? normCount : 0
      counts.head = tiedEmbeddings ? 0 : vocabularySize * embeddingColumns
      if let embeddingWidth { counts.head += embeddingWidth * hiddenSize }
    case .multiTokenPrediction:
      if let layer = layer(of: unit) { counts = layerCounts(layer) }
      counts.norms += 3 * hiddenSize
      counts.joiningProjections = 2 * hiddenSize * hiddenSize
    }
    return counts
  }

  private var normCount: Int {
    if case .layerNorm(_, true) = normalization { 2 * hiddenSize } else { hiddenSize }
  }

  private func layerCounts(_ layer: Layer) -> ParameterCounts {
    var counts = ParameterCounts()
    let mixer = layer.attention
    let ofMixer =
      mixer.projectionSizes(hidden: hiddenSize).reduce(0) { $0 + $1.count }
      + mixer.biasCount(hidden: hiddenSize) + mixer.vectorCount
    if case .recurrent = mixer { counts.recurrent = ofMixer } else { counts.attention = ofMixer }
    counts.norms = layer.normCount * normCount + mixer.normCount
    switch layer.feedForward {
    case .dense(let block):
      counts.denseFeedForward = block.products * hiddenSize * block.width
      if block.bias { counts.denseFeedForward += (block.products - 1) * block.width + hiddenSize }
    case .mixture(let mixture):
      counts.routers =
        mixture.routedExperts * (hiddenSize + (mixture.routerBias ? 1 : 0))
        + (mixture.sharedGate ? hiddenSize : 0)
      counts.routedExperts = mixture.routedExperts * expertParameterCount(mixture)
      counts.sharedExperts = mixture.products * hiddenSize * mixture.sharedWidth
      counts.correctionBiases = mixture.correctionBias ? mixture.routedExperts : 0
    case .absent: break
    }
    return counts
  }

  private func expertParameterCount(_ mixture: Mixture) -> Int {
    let biases = (mixture.products - 1) * mixture.expertWidth + hiddenSize
    return mixture.products * hiddenSize * mixture.expertWidth + (mixture.expertBias ? biases : 0)
  }
}

extension Unit {
  /// Whether the unit is a multi-token prediction module.
  public var isPrediction: Bool {
    if case .multiTokenPrediction = self { true } else { false }
  }
}
