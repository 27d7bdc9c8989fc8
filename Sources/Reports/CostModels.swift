import Clusters
import Costs
import Documents

/// The cost formulas of one cluster, for questions about single operations.
public struct CostModels: Sendable {
  public let cluster: Cluster
  private let kernels: DeviceModel?
  private let exchange: ExchangeConstants
  /// Collectives whose flows share the cluster's links.
  public let contention: CollectiveContention

  /// Reads the constants of a cluster; kernels that nobody measured are missed where one is asked for.
  ///
  /// - Throws: `ConfigurationError` if its file lacks one.
  public init(_ cluster: Cluster) throws(ConfigurationError) {
    self.cluster = cluster
    try cluster.refuseProcessors()
    kernels = cluster.device.kernels.field == nil ? nil : try DeviceModel(cluster.device)
    exchange = try ExchangeConstants(cluster)
    contention = CollectiveContention(cluster, try CollectiveConstants(cluster))
  }

  /// The device's kernels.
  ///
  /// - Throws: `ConfigurationError` if the cluster's file has none.
  public var device: DeviceModel {
    get throws(ConfigurationError) {
      if let kernels { return kernels }
      return try DeviceModel(cluster.device)
    }
  }

  /// Expert exchanges over the first ranks of the cluster.
  public func exchange(over ranks: Int) -> ExchangeCost {
    var constants = exchange
    constants.networkLatency =
      cluster.latencyToFarthest(of: 0..<ranks) ?? constants.networkLatency
    return ExchangeCost(constants)
  }

  /// What the constants of a section stand for that were not measured on this cluster.
  public func assumptions(of section: String) -> [String] {
    Assumptions.ofConstants(of: cluster, kernels, sections: [section])
  }
}
