import Clusters
import Documents
import Quantities

/// What a cluster's description says, with sources, and what its network is made of.
public struct ClusterReport: Encodable, Sendable {
  /// One value of the description.
  public struct Entry: Encodable, Sendable {
    /// The key in the file: `device.memory.size`.
    public var key: String
    /// The value as people write it.
    public var value: String
    /// Where it was published; nil where the file does not say.
    public var source: String?
    /// Why the value was taken where nobody has published it.
    public var assumption: String?
  }

  /// Switches and cables.
  public struct Parts: Encodable, Sendable {
    public var endpoints: Int
    public var leafSwitches: Int
    public var spineSwitches: Int
    public var coreSwitches: Int
    public var switches: Int
    /// Between switches; those to adapters, one per endpoint, not counted.
    public var links: Int
  }

  public var name: String
  public var summary: String?
  public var nodes: Int
  public var devices: Int
  public var entries: [Entry]
  public var bill: Parts?
  /// What is slower than described, one sentence each.
  public var degradations: [String]
  public var path: PathReport?

  /// Describes a cluster, and the path between two of its ranks where one is given.
  public init(_ cluster: Cluster, path: Path? = nil) {
    name = cluster.name
    summary = cluster.summary
    nodes = cluster.nodes.value
    devices = cluster.rankCount
    entries = ClusterEntries(cluster).entries
    bill = cluster.bill.map { bill in
      Parts(
        endpoints: bill.endpoints, leafSwitches: bill.leafSwitches,
        spineSwitches: bill.spineSwitches, coreSwitches: bill.coreSwitches,
        switches: bill.switches, links: bill.links)
    }
    degradations = cluster.degradations.map { degradation in
      "\(Self.describe(degradation.target)): "
        + (degradation.share == 0 ? "failed" : "\(percent(degradation.share)) of what it was")
    }
    self.path = path.map { PathReport($0) }
  }

  private static func describe(_ target: Degradation.Target) -> String {
    switch target {
    case .device(let rank): "device of rank \(rank)"
    case .nodeLink(let rank): "node link of rank \(rank)"
    case .adapter(let node, let index): "adapter \(index) of node \(node)"
    case .leafUplinks(let plane, let leaf): "uplinks of leaf switch \(leaf) in plane \(plane)"
    case .spineUplinks(let plane, let pod): "uplinks of the spine of pod \(pod) in plane \(plane)"
    }
  }
}

extension ClusterReport {
  /// The report as a page of at most 100 columns; with a path, only the path.
  public var text: String {
    if let path { return path.text }
    var text = "\(name): \(summary ?? counted(devices, "device"))\n"
    var table = TextTable([.left, .left, .left])
    for entry in entries {
      let origin = entry.source ?? entry.assumption.map { "assumption: \($0)" } ?? ""
      table.add(entry.key, entry.value, origin)
    }
    text += table.text(width: 100)
    if let bill {
      text += "\nNetwork, all planes together\n"
      var parts = TextTable([.left, .right])
      parts.add("endpoints", grouped(bill.endpoints))
      parts.add("leaf switches", grouped(bill.leafSwitches))
      if bill.spineSwitches > 0 { parts.add("spine switches", grouped(bill.spineSwitches)) }
      if bill.coreSwitches > 0 { parts.add("core switches", grouped(bill.coreSwitches)) }
      parts.add("switches", grouped(bill.switches))
      parts.add("links between switches", grouped(bill.links))
      text += parts.text()
    }
    if !degradations.isEmpty {
      text += "\nDegraded\n" + degradations.map { "  \($0)\n" }.joined()
    }
    return text
  }
}

/// Collects the values of a description in the order of its file.
private struct ClusterEntries {
  var entries: [ClusterReport.Entry] = []

  init(_ cluster: Cluster) {
    add("nodes", cluster.nodes) { grouped($0) }
    if let price = cluster.price { add("price", price) { "\(threeFigures($0)) US$ per hour" } }
    add(cluster.device)
    add(cluster.node)
    if let network = cluster.network { add(network) }
  }

  private mutating func add(_ device: Device) {
    entries.append(.init(key: "device", value: device.name))
    add("device.multiprocessors", device.multiprocessors) { grouped($0) }
    for peak in device.peaks {
      add("device.peak.\(peak.precision.rawValue)", peak.rate) { $0.description }
    }
    if let clock = device.clock {
      add("device.clock.boost", clock.boost) { $0.description }
      add("device.clock.loaded", clock.loaded) { $0.description }
    }
    add("device.memory.size", device.memory.size) { $0.description }
    add("device.memory.bandwidth", device.memory.bandwidth) { $0.description }
    add("device.memory.reached", device.memory.reached) { $0.description }
    if let size = device.sharedMemory { add("device.shared-memory", size) { $0.description } }
    if let cache = device.cache { add("device.cache", cache) { $0.description } }
    add("device.launch.gap", device.launch.gap) { $0.description }
    add("device.launch.host", device.launch.host) { $0.description }
    for entry in device.kernels.entries {
      add("device.kernels.\(entry.path)", Sourced(entry.text, entry.origin)) { $0 }
    }
  }

  private mutating func add(_ node: Node) {
    add("node.devices", node.devices) { grouped($0) }
    entries.append(.init(key: "node.link", value: node.link.name))
    add("node.link.bandwidth", node.link.bandwidth) { $0.description }
    add("node.link.reached", node.link.reached) { $0.description }
    add("node.link.latency", node.link.latency) { $0.description }
    if let shared = node.link.sharedBandwidth {
      add("node.link.shared-bandwidth", shared) { $0.description }
    }
    guard let adapters = node.adapters else { return }
    entries.append(.init(key: "node.adapters", value: adapters.name))
    add("node.adapters.count", adapters.count) { grouped($0) }
    add("node.adapters.bandwidth", adapters.bandwidth) { $0.description }
    add("node.adapters.reached", adapters.reached) { $0.description }
  }

  private mutating func add(_ network: Network) {
    entries.append(.init(key: "network", value: network.name))
    add("network.planes", network.planes) { grouped($0) }
    entries.append(.init(key: "network.attachment", value: network.attachment.rawValue))
    for (index, layer) in network.layers.enumerated() {
      add("network.layers[\(index)].radix", layer.radix) { counted($0, "port") }
      add("network.layers[\(index)].oversubscription", layer.oversubscription) { threeFigures($0) }
    }
    add("network.port.bandwidth", network.portBandwidth) { $0.description }
    add("network.port.reached", network.portReached) { $0.description }
    add("network.latency.same-leaf", network.latency.sameLeaf) { $0.description }
    if let latency = network.latency.crossLeaf {
      add("network.latency.cross-leaf", latency) { $0.description }
    }
    if let latency = network.latency.crossPod {
      add("network.latency.cross-pod", latency) { $0.description }
    }
  }

  private mutating func add<Value>(
    _ key: String, _ value: Sourced<Value>, _ describe: (Value) -> String
  ) {
    var entry = ClusterReport.Entry(key: key, value: describe(value.value))
    switch value.origin {
    case .source(let text): entry.source = text
    case .assumption(let text): entry.assumption = text
    case .unstated: break
    }
    entries.append(entry)
  }
}
