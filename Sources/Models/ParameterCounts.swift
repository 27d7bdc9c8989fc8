/// How many trained parameters a model has, by part; a copy of another tensor counts once.
public struct ParameterCounts: Hashable, Sendable {
  /// Token and position embedding.
  public var embedding = 0
  /// Projections of all attention blocks, with their biases.
  public var attention = 0
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

  /// Counts nothing yet.
  public init() {}

  /// The sum of all parts.
  public var total: Int {
    embedding + attention + denseFeedForward + routedExperts + sharedExperts + routers + norms
      + head + joiningProjections
  }

  /// Adds part by part.
  public static func + (a: ParameterCounts, b: ParameterCounts) -> ParameterCounts {
    var sum = a
    sum.embedding += b.embedding
    sum.attention += b.attention
    sum.denseFeedForward += b.denseFeedForward
    sum.routedExperts += b.routedExperts
    sum.sharedExperts += b.sharedExperts
    sum.routers += b.routers
    sum.norms += b.norms
    sum.head += b.head
    sum.joiningProjections += b.joiningProjections
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
      counts.embedding = vocabularySize * hiddenSize
      if position == .learned { counts.embedding += maximumPositions * hiddenSize }
    case .layer(let index):
      counts = layerCounts(feedForwards[index])
    case .head:
      counts.norms = normCount
      counts.head = tiedEmbeddings ? 0 : vocabularySize * hiddenSize
    case .multiTokenPrediction:
      if let block = feedForward(of: unit) { counts = layerCounts(block) }
      counts.norms += 3 * hiddenSize
      counts.joiningProjections = 2 * hiddenSize * hiddenSize
    }
    return counts
  }

  private var normCount: Int {
    if case .layerNorm = normalization { 2 * hiddenSize } else { hiddenSize }
  }

  private func layerCounts(_ block: FeedForward) -> ParameterCounts {
    var counts = ParameterCounts()
    counts.attention =
      attention.projectionSizes(hidden: hiddenSize).reduce(0) { $0 + $1.count }
      + attention.biasCount(hidden: hiddenSize)
    counts.norms = 2 * normCount + attention.normCount
    switch block {
    case .dense(let width, let gated, let bias):
      counts.denseFeedForward = (gated ? 3 : 2) * hiddenSize * width
      if bias { counts.denseFeedForward += (gated ? 2 : 1) * width + hiddenSize }
    case .mixture(let mixture):
      counts.routers = mixture.routedExperts * hiddenSize
      counts.routedExperts = mixture.routedExperts * expertParameterCount(mixture)
      counts.sharedExperts = 3 * hiddenSize * mixture.sharedWidth
    }
    return counts
  }

  private func expertParameterCount(_ mixture: Mixture) -> Int {
    3 * hiddenSize * mixture.expertWidth
  }
}

extension Unit {
  /// Whether the unit is a multi-token prediction module.
  public var isPrediction: Bool {
    if case .multiTokenPrediction = self { true } else { false }
  }
}
