/// The tokens that each rank sent to each rank of its expert group, itself among them, in every exchange of
/// a step, as a run recorded them.
public struct RecordedRoutes: Hashable, Sendable {
  private struct Key: Hashable {
    var rank: Int
    var stage: Int
    var microbatch: Int
    var exchange: Int
  }

  private var tokens: [Key: [Int]] = [:]

  /// Nothing recorded yet.
  public init() {}

  /// Counts by rank of the group; nil where none were recorded.
  public subscript(
    rank rank: Int, stage stage: Int, microbatch microbatch: Int, exchange exchange: Int
  ) -> [Int]? {
    get { tokens[Key(rank: rank, stage: stage, microbatch: microbatch, exchange: exchange)] }
    set {
      tokens[Key(rank: rank, stage: stage, microbatch: microbatch, exchange: exchange)] = newValue
    }
  }
}
