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
      let output = Projection(role: .output, input: shape.queryWidth, output: hidden)
      if shape.fused {
        let width = shape.queryWidth + 2 * shape.keyValueWidth
        return [Projection(role: .fusedQueryKeyValue, input: hidden, output: width), output]
      }
      return [
        Projection(role: .query, input: hidden, output: shape.queryWidth),
        Projection(role: .key, input: hidden, output: shape.keyValueWidth),
        Projection(role: .value, input: hidden, output: shape.keyValueWidth), output,
      ]
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
      ]
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
    }
  }

  /// Gains of the norms inside the block.
  var normCount: Int {
    switch self {
    case .multiHead(let shape): shape.queryKeyNorm ? 2 * shape.headSize : 0
    case .latent(let shape): (shape.queryRank ?? 0) + shape.keyValueRank
    }
  }

  /// Numbers that one token leaves in the cache of keys and values of one layer.
  public var cachedWidth: Int {
    switch self {
    case .multiHead(let shape): 2 * shape.keyValueWidth
    case .latent(let shape): shape.keyValueDownWidth
    }
  }
}
