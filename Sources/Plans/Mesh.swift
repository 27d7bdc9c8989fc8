/// The grid of ranks: which coordinates a rank has, and with whom it forms groups.
///
/// Ranks are numbered with tensor fastest, then context, data and pipeline. The ranks of one pipeline
/// position have a second grid for the routed experts (arXiv 2504.14960 section 3.2): the same ranks in
/// the same order, with expert-tensor fastest, then expert, then expert data.
public struct Mesh: Hashable, Sendable {
  /// Ranks that share matrix products.
  public let tensorParallel: Int
  /// Ranks that share a sequence.
  public let contextParallel: Int
  /// Ranks with different sequences.
  public let dataParallel: Int
  /// Pipeline positions.
  public let pipelineParallel: Int
  /// Ranks over which the routed experts are spread.
  public let expertParallel: Int
  /// Ranks that share an expert's matrix products.
  public let expertTensorParallel: Int

  /// A mesh with the given degrees, all positive; `expertParallel` times `expertTensorParallel` must
  /// divide the ranks of a pipeline position.
  public init(
    tensorParallel: Int = 1, contextParallel: Int = 1, dataParallel: Int = 1,
    pipelineParallel: Int = 1, expertParallel: Int = 1, expertTensorParallel: Int = 1
  ) {
    precondition(tensorParallel > 0 && contextParallel > 0)
    precondition(dataParallel > 0 && pipelineParallel > 0)
    precondition(expertParallel > 0 && expertTensorParallel > 0)
    let position = tensorParallel * contextParallel * dataParallel
    precondition(position % (expertParallel * expertTensorParallel) == 0)
    self.tensorParallel = tensorParallel
    self.contextParallel = contextParallel
    self.dataParallel = dataParallel
    self.pipelineParallel = pipelineParallel
    self.expertParallel = expertParallel
    self.expertTensorParallel = expertTensorParallel
  }

  /// Ranks in the mesh.
  public var worldSize: Int {
    tensorParallel * contextParallel * dataParallel * pipelineParallel
  }

  /// Where a rank stands.
  public struct Coordinates: Hashable, Sendable {
    /// The place among the ranks that share matrix products.
    public var tensor: Int
    /// The place among the ranks that share a sequence.
    public var context: Int
    /// The place among the ranks with different sequences.
    public var data: Int
    /// The place in the pipeline.
    public var pipeline: Int

    /// A place in the grid, each coordinate counted from 0.
    public init(tensor: Int = 0, context: Int = 0, data: Int = 0, pipeline: Int = 0) {
      self.tensor = tensor
      self.context = context
      self.data = data
      self.pipeline = pipeline
    }
  }

  /// Where `rank` stands.
  public func coordinates(of rank: Int) -> Coordinates {
    precondition(0..<worldSize ~= rank)
    var rest = rank
    func next(_ size: Int) -> Int {
      defer { rest /= size }
      return rest % size
    }
    return Coordinates(
      tensor: next(tensorParallel), context: next(contextParallel), data: next(dataParallel),
      pipeline: next(pipelineParallel))
  }

  /// The rank that stands at the given place.
  public func rank(at place: Coordinates) -> Int {
    precondition(0..<tensorParallel ~= place.tensor && 0..<contextParallel ~= place.context)
    precondition(0..<dataParallel ~= place.data && 0..<pipelineParallel ~= place.pipeline)
    return place.tensor
      + tensorParallel
      * (place.context
        + contextParallel * (place.data + dataParallel * place.pipeline))
  }
}
