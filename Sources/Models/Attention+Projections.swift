extension Attention {
  /// One linear map of the block.
  public struct Projection: Hashable, Sendable {
    /// The role of its weight among the tensors.
    public var role: ParameterTensor.Role
    /// Columns that it reads.
    public var input: Int
    /// Columns that it makes.
    public var output: Int

    /// Numbers in its weight.
    public var count: Int { input * output }
  }

  /// The linear maps of the block in the order of the forward pass; a fused one counts as one.
  public func projectionSizes(hidden: Int) -> [Projection] {
    switch self {
    case .multiHead(let shape):
      let gate =
        shape.outputGate
        ? [Projection(role: .attentionGate, input: hidden, output: shape.queryWidth)] : []
      let output = Projection(role: .output, input: shape.queryWidth, output: hidden)
      if shape.fused {
        let width = shape.queryWidth + 2 * shape.keyValueWidth
        return [Projection(role: .fusedQueryKeyValue, input: hidden, output: width), output]
      }
      return [
        Projection(role: .query, input: hidden, output: shape.queryWidth),
        Projection(role: .key, input: hidden, output: shape.keyValueWidth),
        Projection(role: .value, input: hidden, output: shape.keyValueWidth),
      ] + gate + [output]
    case .latent(let shape):
      let query =
        if let rank = shape.queryRank {
          [
            Projection(role: .queryDown, input: hidden, output: rank),
            Projection(role: .queryUp, input: rank, output: shape.queryWidth),
          ]
        } else {
          [Projection(role: .query, input: hidden, output: shape.queryWidth)]
        }
      return query + [
        Projection(role: .keyValueDown, input: hidden, output: shape.keyValueDownWidth),
        Projection(role: .keyValueUp, input: shape.keyValueRank, output: shape.keyValueUpWidth),
        Projection(role: .output, input: shape.valueWidth, output: hidden),
      ] + (shape.indexer?.projections(hidden: hidden, queries: shape.queryRank) ?? [])
    case .recurrent(let shape):
      return [
        Projection(
          role: .recurrentInput, input: hidden, output: shape.inputWidth - shape.stepWidth),
        Projection(role: .recurrentSteps, input: hidden, output: shape.stepWidth),
        Projection(role: .recurrentOutput, input: shape.valueWidth, output: hidden),
      ]
    case .absent: return []
    }
  }

  /// Trained numbers beside weights, biases and norms: sinks, convolutions, decays.
  var vectorCount: Int {
    switch self {
    case .multiHead(let shape): shape.sinks ? shape.heads : 0
    case .recurrent(let shape): shape.vectorCount + shape.convolutionCount
    case .latent, .absent: 0
    }
  }

  /// Numbers in the biases of the block.
  func biasCount(hidden: Int) -> Int {
    switch self {
    case .multiHead(let shape):
      return (shape.bias ? shape.queryWidth + 2 * shape.keyValueWidth : 0)
        + (shape.outputBias ? hidden : 0)
    case .latent(let shape):
      return shape.bias ? (shape.queryRank ?? 0) + shape.keyValueDownWidth + hidden : 0
    case .recurrent(let shape): return shape.biasCount(hidden: hidden)
    case .absent: return 0
    }
  }

  /// Gains and biases of the norms inside the block.
  var normCount: Int {
    switch self {
    case .multiHead(let shape):
      switch shape.queryKeyNorm {
      case .absent, .withoutGain: 0
      case .eachHead: 2 * shape.headSize
      case .eachHeadItsOwn, .whole: shape.queryWidth + shape.keyValueWidth
      }
    case .latent(let shape):
      (shape.queryRank ?? 0) + shape.keyValueRank + 2 * (shape.indexer?.headSize ?? 0)
    case .recurrent(let shape): shape.normCount
    case .absent: 0
    }
  }

  /// Numbers that one token leaves in the cache of keys and values of one layer; a state grows with
  /// none.
  public var cachedWidth: Int {
    switch self {
    case .multiHead(let shape): 2 * shape.keyValueWidth
    case .latent(let shape): shape.keyValueDownWidth + (shape.indexer?.headSize ?? 0)
    case .recurrent, .absent: 0
    }
  }

  /// FLOPs that one token's scores, weighted sums and states take forward in a sequence, twice the
  /// pairs on and below the diagonal counted.
  func coreFLOPs(sequence: Int) -> Double {
    let pairs = 2 * reach.causalPairs(sequence) / Double(sequence)
    switch self {
    case .multiHead, .latent:
      return 2 * pairs * Double(heads * (queryKeyHeadSize + valueHeadSize))
    case .recurrent, .absent: return 0
    }
  }

  /// FLOPs that an indexer's scores take in training on one token, twice the pairs on and below the
  /// diagonal counted.
  ///
  /// Forward it scores all keys in order to choose. It learns from the chosen ones alone: its loss is the
  /// divergence from what attention gives these (DeepSeek-V3.2-Exp report, equation 4), two products backward.
  func indexerFLOPs(sequence: Int) -> Double {
    guard case .latent(let shape) = self, let indexer = shape.indexer else { return 0 }
    let pairs =
      Reach.all.causalPairs(sequence) + 2 * Reach.chosen(indexer.chosen).causalPairs(sequence)
    return 2 * 2 * pairs / Double(sequence) * Double(indexer.heads * indexer.headSize)
  }

  /// The part of these that an indexer which does not learn leaves out.
  func indexerBackwardFLOPs(sequence: Int) -> Double {
    guard case .latent(let shape) = self, let indexer = shape.indexer else { return 0 }
    let pairs = 2 * Reach.chosen(indexer.chosen).causalPairs(sequence)
    return 2 * 2 * pairs / Double(sequence) * Double(indexer.heads * indexer.headSize)
  }
}

extension ParameterTensor.Role {
  /// Whether the map's input takes no gradient from it: an indexer learns from a loss of its own, detached
  /// from the model's (DeepSeek-V3.2-Exp report, section 2.1).
  public var readsDetached: Bool {
    self == .indexQuery || self == .indexKey || self == .indexWeights
  }
}

extension Latent.Indexer {
  /// Its linear maps: queries from the query latent, or from the hidden state where there is none.
  fileprivate func projections(hidden: Int, queries: Int?) -> [Attention.Projection] {
    [
      .init(role: .indexQuery, input: queries ?? hidden, output: heads * headSize),
      .init(role: .indexKey, input: hidden, output: headSize),
      .init(role: .indexWeights, input: hidden, output: heads),
    ]
  }
}
