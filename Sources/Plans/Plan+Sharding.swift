/// Sharding in groups: ranks of a group divide the training state, and groups are copies of each other
/// (hybrid sharding, arXiv 2304.11277 section 3.2.2; Megatron-Core's instances of its distributed
/// optimizer).
extension Plan {
  /// Consecutive data and context ranks that divide the training state; nil where all of them do.
  public var shardingRanks: Int? {
    guard let shardingGroup, shardingGroup < dataParallel * contextParallel else { return nil }
    return shardingGroup
  }

  /// Ranks of a sharding group that hold the same part of the same experts; nil where all copies divide
  /// their state.
  public var expertShardingRanks: Int? {
    shardingRanks.map { max(1, $0 * tensorParallel / (expertParallel * expertTensorParallel)) }
  }

  /// Ranks that hold the same parameters, in their order, as the groups that divide their state, and as
  /// those of equal shards.
  public func shardingGroups(
    of copies: [Int], ofExperts isExpert: Bool
  ) -> (dividing: [[Int]], equal: [[Int]]) {
    guard let size = isExpert ? expertShardingRanks : shardingRanks, copies.count > size else {
      return ([copies], copies.map { [$0] })
    }
    let starts = Array(stride(from: 0, to: copies.count, by: size))
    return (
      starts.map { Array(copies[$0..<min($0 + size, copies.count)]) },
      (0..<size).map { place in starts.map { copies[$0 + place] } }
    )
  }

  /// Refuses groups that the plan cannot be sharded in.
  public func checkSharding() throws(PlanError) {
    guard let rule = ruleAgainstShardingGroup else { return }
    throw .cannotSimulate(
      key: "sharding-group", value: "\(shardingGroup ?? 0)", rule: rule)
  }

  /// Why the plan cannot be sharded in its groups; nil where it can.
  var ruleAgainstShardingGroup: String? {
    guard let shardingGroup else { return nil }
    let ranks = dataParallel * contextParallel
    if zeroStage == .nothing { return "zero-stage 0 divides nothing" }
    if shardingGroup == 1, ranks > 1 {
      return "divides nothing among one rank: that is zero-stage 0"
    }
    if isBidirectional { return "dualpipe's copies lie on two pipeline positions: leave it out" }
    guard ranks % shardingGroup == 0 else {
      return "must divide data-parallel times context-parallel (\(ranks))"
    }
    let (inside, apart) = (shardingGroup * tensorParallel, expertParallel * expertTensorParallel)
    guard inside % apart == 0 || apart % inside == 0 else {
      return "times tensor-parallel (\(inside)) must divide expert-parallel times "
        + "expert-tensor-parallel (\(apart)), or be a multiple of it"
    }
    return nil
  }
}
