/// What every pipeline rank does, in order.
///
/// A schedule is a value: generators make it, lowering passes add sends and receives, the validator
/// proves it, and the engine walks it. It knows no model, no cluster and no cost.
public struct Schedule: Hashable, Sendable {
  /// The cells of each pipeline rank, in order.
  public var ranks: [[Cell]]
  /// How many stages the model is cut into.
  public var stageCount: Int
  /// How many microbatches flow through the pipeline in one step.
  public var microbatchCount: Int
  /// Which rank carries out a stage for a microbatch.
  public var placement: Placement

  public init(ranks: [[Cell]], stageCount: Int, microbatchCount: Int, placement: Placement) {
    self.ranks = ranks
    self.stageCount = stageCount
    self.microbatchCount = microbatchCount
    self.placement = placement
  }
}

extension Schedule {
  /// How large a part of a rank's share of the model (one `ranks`th of its layers) a stage is: 1 where
  /// every rank has a stage of its own and under DualPipe, 1/2 in a V.
  public var stageShare: Double { Double(ranks.count) / Double(stageCount) }
}

/// Which pipeline rank carries out a stage.
public enum Placement: Hashable, Sendable {
  /// The rank of each stage, the same for every microbatch.
  case fixed([Int])
  /// DualPipe: rank r holds stage r for the first half of the microbatches and stage P−1−r for the
  /// second half.
  case bidirectional(ranks: Int)

  /// The rank that carries out `stage` for `microbatch`, out of `microbatchCount` in the step.
  public func rank(ofStage stage: Int, microbatch: Int, microbatchCount: Int) -> Int {
    switch self {
    case .fixed(let ranks): ranks[stage]
    case .bidirectional(let ranks):
      microbatch < microbatchCount / 2 ? stage : ranks - 1 - stage
    }
  }

  /// The stages whose parameters `rank` holds, in ascending order.
  public func stages(ofRank rank: Int) -> [Int] {
    switch self {
    case .fixed(let ranks): ranks.indices.filter { ranks[$0] == rank }
    case .bidirectional(let ranks): Array(Set([rank, ranks - 1 - rank])).sorted()
    }
  }
}
