import Costs
import Synchronization

/// What tokens reach in expert groups that were asked for before: a search prices thousands of plans of a few
/// groups, and a mean over sampled tokens takes milliseconds.
enum SampledReach {
  private struct Group: Hashable {
    var routing: ExpertRouting
    var ranks: Int
    var ranksPerNode: Int
    var nodesPerToken: Int?
  }

  private static let known = Mutex<[Group: ExpertReach]>([:])

  /// The reach that `ExpertRouting.reach` gives.
  static func reach(
    of routing: ExpertRouting, ranks: Int, ranksPerNode: Int, nodesPerToken: Int?
  ) -> ExpertReach {
    let group = Group(
      routing: routing, ranks: ranks, ranksPerNode: ranksPerNode, nodesPerToken: nodesPerToken)
    if let reach = known.withLock({ $0[group] }) { return reach }
    let reach = routing.reach(
      ranks: ranks, ranksPerNode: ranksPerNode, nodesPerToken: nodesPerToken)
    known.withLock { $0[group] = reach }
    return reach
  }
}
