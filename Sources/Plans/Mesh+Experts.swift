/// The grid that the routed experts have over the ranks of each pipeline position.
extension Mesh {
  /// Ranks of one pipeline position: tensor times context times data, and expert-tensor times expert times
  /// expert data.
  public var ranksPerPosition: Int { tensorParallel * contextParallel * dataParallel }

  /// Ranks of one pipeline position that hold the same part of the same experts.
  public var expertDataParallel: Int {
    ranksPerPosition / (expertParallel * expertTensorParallel)
  }

  /// Where a rank stands in the experts' mesh.
  public struct ExpertCoordinates: Hashable, Sendable {
    /// The place among the ranks that share an expert's matrix products.
    public var tensor: Int
    /// The place among the ranks over which the experts are spread.
    public var expert: Int
    /// The place among the ranks that hold the same part of the same experts.
    public var data: Int
    /// The place in the pipeline.
    public var pipeline: Int

    /// A place in the grid, each coordinate counted from 0.
    public init(tensor: Int = 0, expert: Int = 0, data: Int = 0, pipeline: Int = 0) {
      self.tensor = tensor
      self.expert = expert
      self.data = data
      self.pipeline = pipeline
    }
  }

  /// Where `rank` stands in the experts' mesh.
  public func expertCoordinates(of rank: Int) -> ExpertCoordinates {
    precondition(0..<worldSize ~= rank)
    let place = rank % ranksPerPosition
    return ExpertCoordinates(
      tensor: place % expertTensorParallel, expert: place / expertTensorParallel % expertParallel,
      data: place / (expertTensorParallel * expertParallel), pipeline: rank / ranksPerPosition)
  }

  /// The rank that stands at the given place of the experts' mesh.
  public func rank(atExpert place: ExpertCoordinates) -> Int {
    precondition(0..<expertTensorParallel ~= place.tensor && 0..<expertParallel ~= place.expert)
    precondition(
      0..<expertDataParallel ~= place.data && 0..<pipelineParallel ~= place.pipeline)
    return place.tensor
      + expertTensorParallel
      * (place.expert
        + expertParallel * (place.data + expertDataParallel * place.pipeline))
  }

  /// A rank's place within its expert group, counted from 0.
  public func expertCoordinate(of rank: Int) -> Int { expertCoordinates(of: rank).expert }

  /// The routed experts that a rank holds, out of `count` of a mixture; `expertParallel` must
  /// divide `count`.
  public func experts(ofRank rank: Int, of count: Int) -> Range<Int> {
    precondition(count % expertParallel == 0)
    let share = count / expertParallel
    let first = expertCoordinate(of: rank) * share
    return first..<first + share
  }

  /// Consecutive ranks of a position that meet while an action computes: whole tensor and context groups,
  /// and whole expert and expert-tensor groups.
  public var ranksPerAction: Int {
    let (dense, experts) = (
      tensorParallel * contextParallel, expertTensorParallel * expertParallel
    )
    var (larger, smaller) = (max(dense, experts), min(dense, experts))
    while smaller > 0 { (larger, smaller) = (smaller, larger % smaller) }
    return dense / larger * experts
  }
}
