import Clusters
import Documents

extension Cluster {
  /// Nominal bytes per second and direction of a rank's way to other nodes.
  ///
  /// Its share of the node's adapters where there are fewer than devices; its node's link where there
  /// is none.
  var networkBandwidth: Double {
    guard let adapters = node.adapters else { return node.link.bandwidth.value.value }
    let share = Double(adapters.count.value) / Double(node.devices.value)
    return adapters.bandwidth.value.value * min(1, share)
  }

  /// Seconds of a hop between nodes whose adapters hang on different leaf switches.
  var networkLatency: Double {
    let latency = network?.latency
    return (latency?.crossLeaf ?? latency?.sameLeaf ?? node.link.latency).value.value
  }
}

extension ExchangeConstants {
  /// The exchange on a cluster: the links that it describes and its section `node.exchange`.
  ///
  /// Throws `ConfigurationError` where a constant is missing, unknown or impossible.
  public init(_ cluster: Cluster) throws(ConfigurationError) {
    let table = try cluster.node.exchange.constants("exchange")
    func read(_ name: String, _ kind: ConstantKind) throws(ConfigurationError) -> Double {
      try table.required(name, .sourced(kind.expected)).value
    }
    networkBandwidth = cluster.networkBandwidth
    nvlinkBandwidth = cluster.node.link.bandwidth.value.value
    networkLatency = cluster.networkLatency
    nvlinkLatency = cluster.node.link.latency.value.value
    networkShare = try read("network-share", .positive)
    nvlinkShare = try read("link-share", .positive)
    multiprocessorRate = try read("multiprocessor-rate", .rate)
    rowHandling = try read("row-handling", .time)
    layoutPerToken = try read("layout-per-token", .time)
    try table.finish()
  }
}

extension CollectiveConstants {
  /// Collectives on a cluster: the links that it describes and its section `node.collectives`.
  ///
  /// Throws `ConfigurationError` where a constant is missing, unknown or impossible.
  public init(_ cluster: Cluster) throws(ConfigurationError) {
    let table = try cluster.node.collectives.constants("collectives")
    func read(_ name: String, _ kind: ConstantKind) throws(ConfigurationError) -> Double {
      try table.required(name, .sourced(kind.expected)).value
    }
    networkBandwidth = cluster.networkBandwidth
    nvlinkBandwidth = cluster.node.link.bandwidth.value.value
    networkLatency = cluster.networkLatency
    networkShare = try read("network-share", .positive)
    nvlinkShare = try read("link-share", .positive)
    nvlinkPairLoss = try read("link-pair-loss", .number)
    nvlinkFloor = try read("link-floor", .time)
    nvlinkFloorPerRank = try read("link-floor-per-rank", .time)
    nvlinkStart = try read("link-start", .time)
    nvlinkStartPerRank = try read("link-start-per-rank", .time)
    try table.finish()
  }
}
