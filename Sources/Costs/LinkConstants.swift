import Clusters
import Documents

extension Cluster {
  /// Bytes per second and direction of a rank's way to other nodes, nominal and reached.
  ///
  /// Its share of the node's adapters where there are fewer than devices; its node's link where there
  /// is none.
  var networkBandwidth: (nominal: Double, reached: Double) {
    guard let adapters = node.adapters else {
      return (node.link.rate.bandwidth.value.value, node.link.rate.reached.value.value)
    }
    let share = min(1, Double(adapters.count.value) / Double(node.devices.value))
    return (adapters.rate.bandwidth.value.value * share, adapters.rate.reached.value.value * share)
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
    let keys = ExchangeKeys()
    func read(_ key: Key<Sourced<Double>>) throws(ConfigurationError) -> Double {
      try table.required(key).value
    }
    (networkBandwidth, networkReached) = cluster.networkBandwidth
    nvlinkBandwidth = cluster.node.link.rate.bandwidth.value.value
    nvlinkReached = cluster.node.link.rate.reached.value.value
    networkLatency = cluster.networkLatency
    nvlinkLatency = cluster.node.link.latency.value.value
    networkShare = try read(keys.networkShare)
    nvlinkShare = try read(keys.linkShare)
    let inside = try Self.rate(keys.inside, try read(keys.inside.stated), table)
    insideRate = inside
    if let across = try table.optional(keys.across.stated)?.value {
      acrossRate = try Self.rate(keys.across, across, table)
    } else {
      acrossRate = try Self.sameAcross(keys.across, inside, table)
    }
    rowHandling = try read(keys.rowHandling)
    layoutPerToken = try read(keys.layoutPerToken)
    multiprocessors = try table.optional(keys.multiprocessors)?.value ?? Self.usualMultiprocessors
    try keys.lowLatency.pass(in: table)
    try table.finish()
  }

  /// A rate with its ends, between which it has to lie.
  private static func rate(
    _ keys: MultiprocessorRateKeys, _ stated: Double, _ table: Table
  ) throws(ConfigurationError) -> MultiprocessorRate {
    let low = try table.optional(keys.low)?.value ?? stated
    let high = try table.optional(keys.high)?.value ?? stated
    guard low <= stated else {
      throw table.error("must be at most \(keys.stated.name)", at: keys.low)
    }
    guard stated <= high else {
      throw table.error("must be at least \(keys.stated.name)", at: keys.high)
    }
    return MultiprocessorRate(stated, low: low, high: high)
  }

  /// Without a rate of its own, what crosses nodes has that of a node with its ends.
  private static func sameAcross(
    _ keys: MultiprocessorRateKeys, _ inside: MultiprocessorRate, _ table: Table
  ) throws(ConfigurationError) -> MultiprocessorRate {
    for key in [keys.low, keys.high] where try table.optional(key) != nil {
      throw table.error("is an end of \(keys.stated.name), which is not given", at: key)
    }
    return inside
  }

  /// What DeepEP V1 takes unless told otherwise (deep_ep/buffer.py: num_sms = 20).
  private static let usualMultiprocessors = 20

  /// Who says how many multiprocessors an exchange takes where a plan does not: the key, or that it is
  /// lacking.
  public static func originOfMultiprocessors(on cluster: Cluster) -> String {
    let key = "node.exchange.multiprocessors"
    return cluster.node.exchange.entries.contains { $0.path == "multiprocessors" }
      ? key : "DeepEP's; the cluster's file lacks \(key)"
  }
}

extension Cluster {
  /// Refuses a wrong value of `node.exchange`, whether or not a plan asks for such an exchange.
  public func checkExchange() throws(ConfigurationError) {
    guard !node.exchange.entries.isEmpty else { return }
    _ = try ExchangeConstants(self)
    _ = try LowLatencyConstants(self)
  }
}
