/// Which weights training changes, and so which products its backward pass needs.
public struct TrainedWeights {
  /// Whether a weight takes a gradient.
  public var isTrained: (ParameterTensor.Role) -> Bool
  /// Whether something is trained beside the map that such a weight belongs to: an adapter, which reads what
  /// the map reads.
  public var isAdapted: (ParameterTensor.Role) -> Bool

  public init(
    isTrained: @escaping (ParameterTensor.Role) -> Bool,
    isAdapted: @escaping (ParameterTensor.Role) -> Bool = { _ in false }
  ) {
    (self.isTrained, self.isAdapted) = (isTrained, isAdapted)
  }

  func changes(_ role: ParameterTensor.Role) -> Bool { isTrained(role) || isAdapted(role) }
}

extension Architecture {
  /// What training some of the weights costs on one token, prediction modules not counted: the forward pass,
  /// the gradients of what is trained, and those of the inputs of every product that has something trained
  /// in front of it.
  ///
  /// Adapters' own products are not in it: they are not the model's.
  ///
  /// - Parameters:
  ///   - sequence: the length of the sequences, in tokens.
  ///   - causal: whether the half of the scores that the mask removes is left out.
  public func trainingFlops(
    sequence: Int, causal: Bool, of trained: TrainedWeights
  ) -> TrainingFlops {
    var flops = trainingFlops(sequence: sequence, causal: causal)
    var walk = SparedFlops(trained)
    for unit in units where !unit.isPrediction {
      walk.pass(unit, of: self, sequence: sequence)
    }
    let spared = walk.spared
    flops.linear -= spared.linear
    flops.attention -= causal ? spared.attention / 2 : spared.attention
    flops.recurrent -= spared.recurrent
    flops.routers -= spared.routers
    return flops
  }
}

/// What the backward pass of a partly trained model leaves out, unit by unit in the order of the forward.
private struct SparedFlops {
  private let trained: TrainedWeights
  private(set) var spared = TrainingFlops()
  /// Whether something in front of the current place is trained, so that gradients have to come so far.
  private var isReached = false

  init(_ trained: TrainedWeights) { self.trained = trained }

  mutating func pass(_ unit: Unit, of model: Architecture, sequence: Int) {
    let roles = Set(model.parameters(of: unit).map(\.role))
    let joining = (model.embeddingWidth ?? 0) * model.hiddenSize
    switch unit {
    case .embedding:
      reach(roles, [.tokenEmbedding, .predictionTokenEmbedding])
      product(.embeddingInput, joining)
    case .head:
      reach(roles, [.finalNorm, .finalNormBias])
      product(.embeddingOutput, joining)
      reach(roles, [.embeddingOutput])
      product(.head, model.vocabularySize * model.embeddingColumns)
    default: break
    }
    if let layer = model.layer(of: unit) {
      attention(layer.attention, roles, hidden: model.hiddenSize, sequence: sequence)
      feedForward(layer.feedForward, roles, hidden: model.hiddenSize)
    }
    isReached = isReached || roles.contains(where: trained.changes)
  }

  /// Notes that one of these is trained, where the unit has it.
  private mutating func reach(
    _ roles: Set<ParameterTensor.Role>, _ some: Set<ParameterTensor.Role>
  ) {
    isReached = isReached || roles.intersection(some).contains(where: trained.changes)
  }

  /// A product with so many weights: what its gradients would take.
  private mutating func product(
    _ role: ParameterTensor.Role, _ weights: Int, isDetached: Bool = false
  ) {
    if !trained.isTrained(role) { spared.linear += 2 * weights }
    if !isReached, !isDetached { spared.linear += 2 * weights }
  }

  private mutating func attention(
    _ attention: Attention, _ roles: Set<ParameterTensor.Role>, hidden: Int, sequence: Int
  ) {
    reach(roles, [.attentionNorm, .attentionNormBias])
    let maps = attention.projectionSizes(hidden: hidden)
    let late: Set<ParameterTensor.Role> = [.output, .recurrentOutput]
    let joined: Set<ParameterTensor.Role> = [.queryUp, .keyValueUp]
    func add(_ some: [Attention.Projection]) {
      for map in some { product(map.role, map.count, isDetached: map.role.readsDetached) }
    }
    add(maps.filter { !late.contains($0.role) && !joined.contains($0.role) })
    reach(roles, [.queryDown, .keyValueDown, .queryNorm, .keyValueNorm])
    reach(roles, [.queryDownBias, .keyValueDownBias])
    add(maps.filter { joined.contains($0.role) })
    // Whatever else the block has lies in front of its core, or in it.
    reach(roles, Self.insideAttention)
    if !isReached {
      spared.attention += Int((2 * attention.coreFLOPs(sequence: sequence)).rounded())
      if case .recurrent(let shape) = attention { spared.recurrent += 2 * shape.stateFLOPs }
    }
    if !trained.isTrained(.indexQuery) {
      spared.attention += Int(attention.indexerBackwardFLOPs(sequence: sequence).rounded())
    }
    add(maps.filter { late.contains($0.role) })
    reach(roles, [.output, .outputBias, .recurrentOutput, .recurrentOutputBias])
    reach(roles, [.attentionResultNorm, .attentionResultNormBias])
  }

  /// What is trained in front of the weighted sums of a block, or in them.
  private static let insideAttention: Set<ParameterTensor.Role> = [
    .query, .queryBias, .key, .keyBias, .value, .valueBias, .fusedQueryKeyValue,
    .fusedQueryKeyValueBias, .queryUp, .keyValueUp, .queryHeadNorm, .keyHeadNorm, .sinks,
    .attentionGate, .recurrentInput, .recurrentInputBias, .recurrentSteps, .convolution,
    .convolutionBias, .decay, .stepBias, .skip, .recurrentNorm,
  ]

  private mutating func feedForward(
    _ block: FeedForward, _ roles: Set<ParameterTensor.Role>, hidden: Int
  ) {
    reach(roles, [.feedForwardNorm, .feedForwardNormBias])
    switch block {
    case .dense(let block):
      pair(
        (.up, .down), first: (block.products - 1) * hidden * block.width,
        second: hidden * block.width, roles, [.gate, .gateBias, .up, .upBias])
    case .mixture(let mixture):
      let router = 2 * hidden * (mixture.routedExperts + (mixture.sharedGate ? 1 : 0))
      if !trained.isTrained(.router) { spared.routers += router }
      if !isReached { spared.routers += router }
      let isReachedHere = isReached
      let routed = hidden * mixture.expertsPerToken * mixture.expertWidth
      pair(
        (.expertUp, .expertDown), first: (mixture.products - 1) * routed, second: routed, roles,
        [.expertGate, .expertGateBias, .expertUp, .expertUpBias])
      // Shared experts stand beside routed ones, not behind them.
      isReached = isReachedHere
      let shared = hidden * mixture.sharedWidth
      pair(
        (.sharedUp, .sharedDown), first: (mixture.products - 1) * shared, second: shared, roles,
        [.sharedGate, .sharedUp])
    case .absent: break
    }
  }

  /// The products into a block and out of it.
  private mutating func pair(
    _ both: (into: ParameterTensor.Role, out: ParameterTensor.Role), first: Int, second: Int,
    _ roles: Set<ParameterTensor.Role>, _ into: Set<ParameterTensor.Role>
  ) {
    product(both.into, first)
    reach(roles, into)
    product(both.out, second)
  }
}
