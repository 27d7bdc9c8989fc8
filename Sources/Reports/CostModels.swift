import Clusters
import Costs

/// The cost formulas of one cluster, for questions about single operations.
public struct CostModels: Sendable {
  public let cluster: Cluster
  public let device: DeviceModel
  public let exchange: ExchangeCost
  public let collectives: CollectiveCost

  /// Reads the constants of a cluster.
  ///
  /// - Throws: `NumberTableError` if its device lacks one.
  public init(_ cluster: Cluster) throws(NumberTableError) {
    self.cluster = cluster
    device = try DeviceModel(cluster.device)
    let nvlink = cluster.node.link.bandwidth.value.value
    let network = cluster.node.adapters?.bandwidth.value.value ?? nvlink
    exchange = ExchangeCost(
      try ExchangeConstants(
        table: ExchangeConstants.deepEPTable, networkBandwidth: network, nvlinkBandwidth: nvlink))
    collectives = CollectiveCost(
      try CollectiveConstants(
        table: CollectiveConstants.table, networkBandwidth: network, nvlinkBandwidth: nvlink))
  }
}
