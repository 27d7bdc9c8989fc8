import Clusters
import Costs
import Documents
import Models
import Plans

extension Plan {
  /// Sets what the plan leaves to the cluster; gives what was decided so, and what goes beyond the model,
  /// a short phrase each.
  ///
  /// - Throws: `ConfigurationError` if the cluster's file lacks a constant.
  mutating func fillIn(
    from cluster: Cluster, for architecture: Architecture
  ) throws(ConfigurationError) -> [String] {
    var assumptions: [String] = []
    if communicationSMs == nil, let count = try usualCommunicationSMs(on: cluster) {
      communicationSMs = count
      let origin = ExchangeConstants.originOfMultiprocessors(on: cluster)
      assumptions.append("expert exchanges on \(count) SMs (\(origin))")
    }
    assumptions += precision.borrowings
    if let limit = nodesPerToken, let spread = ExpertSpread(architecture, self, cluster),
      limit > spread.mostNodes
    {
      assumptions.append(
        "nodes-per-token \(limit) never acts: tokens go to \(spread.mostNodes) of the "
          + "\(spread.nodes) nodes of their experts at most")
    }
    // Learned positions end; a plan that exceeds them is refused.
    if architecture.position != .learned, sequenceLength > architecture.maximumPositions {
      assumptions.append(
        "sequences of \(sequenceLength) tokens, beyond the model's "
          + "\(architecture.maximumPositions)")
    }
    return assumptions
  }

  /// Multiprocessors that expert exchanges take where the plan does not say: the cluster's; nil where
  /// nothing is exchanged.
  func usualCommunicationSMs(on cluster: Cluster) throws(ConfigurationError) -> Int? {
    expertParallel > 1 ? try ExchangeConstants(cluster).multiprocessors : nil
  }
}
