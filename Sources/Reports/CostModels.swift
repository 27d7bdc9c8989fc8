import Clusters
import Costs
import Documents

/// The cost formulas of one cluster, for questions about single operations.
public struct CostModels: Sendable {
  public let cluster: Cluster
  public let device: DeviceModel
  public let exchange: ExchangeCost
  /// Collectives whose flows share the cluster's links, and without contention.
  public let contention: CollectiveContention
  public let collectives: CollectiveCost

  /// Reads the constants of a cluster.
  ///
  /// - Throws: `ConfigurationError` if its file lacks one.
  public init(_ cluster: Cluster) throws(ConfigurationError) {
    self.cluster = cluster
    device = try DeviceModel(cluster.device)
    exchange = ExchangeCost(try ExchangeConstants(cluster))
    let constants = try CollectiveConstants(cluster)
    contention = CollectiveContention(cluster, constants)
    collectives = CollectiveCost(constants)
  }
}
