/// How many switches, cables and adapters a cluster's network is made of.
public struct Bill: Hashable, Sendable {
  /// Ports of adapters that the network joins.
  public let endpoints: Int
  public let leafSwitches: Int
  public let spineSwitches: Int
  public let coreSwitches: Int
  /// Cables between leaf and spine switches.
  public let leafToSpineLinks: Int
  /// Cables between spine and core switches.
  public let spineToCoreLinks: Int

  /// Switches of all layers and planes.
  public var switches: Int { leafSwitches + spineSwitches + coreSwitches }

  /// Cables between switches; those to the adapters, one per endpoint, are not among them.
  ///
  /// This is how the table of topologies in "Insights into DeepSeek-V3" (arXiv 2505.09343, Table 3)
  /// counts: 2,048 for a two-layer fat tree of 2,048 endpoints.
  public var links: Int { leafToSpineLinks + spineToCoreLinks }
}

extension Cluster {
  /// What the network is made of, planes taken together; nil for a single node without one.
  public var bill: Bill? {
    guard let network, let plane else { return nil }
    let planes = network.planes.value
    return Bill(
      endpoints: planes * plane.adaptersPerNode * nodes.value,
      leafSwitches: planes * plane.leaves, spineSwitches: planes * plane.spines,
      coreSwitches: planes * plane.cores,
      leafToSpineLinks: planes * plane.leaves * plane.leafPorts.up,
      spineToCoreLinks: planes * plane.spines * plane.spinePorts.up)
  }
}
