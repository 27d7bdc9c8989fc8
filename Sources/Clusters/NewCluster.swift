import Documents
import Quantities

/// A cluster's file in a few lines: a shipped device, how many nodes, and what differs from what ships.
public struct NewCluster: Hashable, Sendable {
  /// How adapters and switches are joined.
  public enum Fabric: String, Hashable, Sendable, CaseIterable {
    /// Adapters of equal index share leaves: a rail-optimised tree.
    case rail
    /// Those of a node do.
    case fatTree = "fat-tree"
  }

  /// What the network is made of.
  public enum Technology: String, Hashable, Sendable, CaseIterable {
    case infiniBand = "infiniband"
    case roce
    /// 100 Gb/s and switches of 32 ports.
    case ethernet

    fileprivate var part: String {
      switch self {
      case .infiniBand: "h800-2048-mrft"
      case .roce: "mi300x-64"
      case .ethernet: "l40s-64"
      }
    }
  }

  public var name: String
  /// A device that ships (`h200`), or a cluster whose device is meant.
  public var device: String
  public var nodes: Int
  public var devicesPerNode: Int?
  /// How many adapters a node has, and what each carries one way.
  public var adapters: (count: Int, rate: BytesPerSecond)? {
    get { adapterCount.flatMap { count in adapterRate.map { (count, $0) } } }
    set { (adapterCount, adapterRate) = (newValue?.count, newValue?.rate) }
  }
  private var adapterCount: Int?
  private var adapterRate: BytesPerSecond?
  public var fabric: Fabric?
  public var technology: Technology?
  /// Of leaf switches: bandwidth towards the devices over that towards the next layer.
  public var oversubscription: Double?

  public init(name: String, device: String, nodes: Int) {
    self.name = name
    self.device = device
    self.nodes = nodes
  }

  /// Devices by short names, and the cluster that each ships in.
  public static let devices: [(name: String, cluster: String)] = [
    ("a100", "a100-dgx-160"), ("a100-40gb", "a100-40gb-160"), ("a100-pcie", "a100-pcie"),
    ("b200", "b200-256"), ("gb200", "gb200-nvl72"), ("h100", "h100-2048"), ("h200", "h200-256"),
    ("h800", "h800-2048"), ("l40s", "l40s-64"), ("mi300x", "mi300x-64"), ("rtx4090", "rtx4090-64"),
  ]

  /// The file, which reads as a cluster, and what was added to join so many nodes.
  ///
  /// - Throws: `ConfigurationError` for a device that nobody knows, or parts that do not fit together.
  public func text() throws(ConfigurationError) -> (text: String, remarks: [String]) {
    let base = try baseName()
    let cluster = try Cluster.shipped(base)
    try checkAdapters()
    var remarks: [String] = []
    var lines = [
      "# What differs from parts that ship. sluice cluster FILE shows every value that is taken "
        + "from them, with its",
      "# source. May be left alone: all that is not here. Worth a look: price, and what links "
        + "reached.",
      "name: \(name)", "nodes: \(nodes)",
    ]
    lines += cluster.priceLine.map { [$0] } ?? []
    lines.append("device: \(base)")
    lines += node(cluster, base)
    if nodes > 1 { lines += try network(cluster, base, &remarks) }
    let text = (lines + remarks.map { "# \($0)" }).joined(separator: "\n") + "\n"
    let made = try read(text)
    if made.device.kernels.field == nil {
      remarks.append(
        "nobody measured the kernels of \(made.device.name): memory and counts hold, times need "
          + "sluice calibrate or "
          + "--borrow-kernels")
    }
    return (text, remarks)
  }

  /// The cluster of the file that is made.
  ///
  /// No such file lies anywhere yet: what is wrong is an option, by the key that it gives.
  private func read(_ text: String) throws(ConfigurationError) -> Cluster {
    do throws(ConfigurationError) {
      return try Cluster(Document(text: text, name: name + ".yaml"))
    } catch {
      let isOfAdapters = error.keyPath.hasPrefix("node.adapters")
      let isOfNetwork = error.keyPath.hasPrefix("network")
      throw ConfigurationError(
        file: isOfAdapters ? "--adapters" : isOfNetwork ? "--network" : "--new",
        keyPath: error.keyPath, value: error.value, rule: error.rule, suggestion: error.suggestion)
    }
  }

  private func baseName() throws(ConfigurationError) -> String {
    if let known = Self.devices.first(where: { $0.name == device.lowercased() }) {
      return known.cluster
    }
    guard Cluster.knownNames.contains(device) else {
      let names = Self.devices.map(\.name)
      throw ConfigurationError(
        file: "--device", value: device,
        rule: "no such device ships; there are \(names.joined(separator: ", "))",
        suggestion: nearestName(to: device, among: names))
    }
    return device
  }

  /// Twice what the fastest adapter that ships carries (400 Gb/s).
  private static let fastestAdapter = 100e9

  /// Refuses rates that no adapter has, most of which are bytes written for bits.
  private func checkAdapters() throws(ConfigurationError) {
    guard let adapters, adapters.rate.value > Self.fastestAdapter else { return }
    let gigabytes = adapters.rate.value / 1e9
    throw ConfigurationError(
      file: "--adapters", value: "\(adapters.count)x\(Self.gigabits(adapters.rate))",
      rule:
        "adapters carry up to \(Self.gigabits(BytesPerSecond(Self.fastestAdapter))) one way; a faster one is "
        + "written into the file, node.adapters.bandwidth",
      suggestion: gigabytes <= 1000 && gigabytes == gigabytes.rounded()
        ? "\(adapters.count)x\(Int(gigabytes))Gb/s" : nil)
  }

  // MARK: The node

  private func node(_ cluster: Cluster, _ base: String) -> [String] {
    let own = cluster.node
    let devices = devicesPerNode ?? own.devices.value
    let changesDevices = devices != own.devices.value
    let changesAdapters =
      adapters.map {
        $0.count != own.adapters?.count.value || $0.rate != own.adapters?.rate.bandwidth.value
      }
      ?? false
    guard changesDevices || changesAdapters else { return ["node: \(base)"] }
    var lines = ["node:", "  like: \(base)"]
    if changesDevices { lines.append("  devices: \(devices)") }
    if let adapters, changesAdapters {
      let old = own.adapters?.rate
      let share = old.map { $0.reached.value / $0.bandwidth.value } ?? 1
      let reached = BytesPerSecond(adapters.rate.value * share)
      lines += [
        "  adapters:", "    name: \"\(Self.gigabits(adapters.rate)) adapters\"",
        "    count: \(adapters.count)",
        "    bandwidth: \(Self.gigabits(adapters.rate))",
        "    reached: {value: \(Self.gigabits(reached)), assumption: \"the share that "
          + "\(base)'s reach\"}",
      ]
    } else if changesDevices, let count = own.adapters?.count.value, devices % count != 0 {
      lines += ["  adapters:", "    count: \(devices)"]
    }
    return lines
  }

  private func figure(_ value: Double) -> String {
    value == value.rounded() ? "\(Int(value))" : "\(value)"
  }

  private static func microseconds(_ time: Seconds) -> Double {
    (time.value * 1e9).rounded() / 1e3
  }

  /// A rate as adapters are sold: `400 Gb/s`.
  private static func gigabits(_ rate: BytesPerSecond) -> String {
    let value = (rate.value * 8 / 1e6).rounded() / 1e3
    return "\(value == value.rounded() ? "\(Int(value))" : "\(value)") Gb/s"
  }

  // MARK: The network

  private func network(
    _ cluster: Cluster, _ base: String, _ remarks: inout [String]
  ) throws(ConfigurationError) -> [String] {
    let part = technology?.part ?? base
    let own = technology == nil ? cluster.network : try Cluster.shipped(part).network
    guard let own else {
      throw ConfigurationError(
        file: "--device", value: device,
        rule: "\(base) has no network: --network infiniband, roce or ethernet")
    }
    let devices = devicesPerNode ?? cluster.node.devices.value
    let count = adapters?.count ?? min(devices, cluster.node.adapters?.count.value ?? devices)
    let planes = count % own.planes.value == 0 ? own.planes.value : 1
    let attachment = fabric.map { $0 == .rail ? Network.Attachment.rail : .node } ?? own.attachment
    var layers = own.layers
    if let oversubscription {
      if layers.count == 1, oversubscription > 1 { layers.append(layers[0]) }
      let ports = layers[0].radix.value
      guard oversubscription <= Double(ports - 1) else {
        let text = "\(oversubscription)"
        throw ConfigurationError(
          file: "--oversubscription", value: text.hasSuffix(".0") ? "\(text.dropLast(2))" : text,
          rule: "a leaf switch of \(ports) ports has at most \(ports - 1) below one above")
      }
      if layers.count > 1 { layers[0].oversubscription = Sourced(oversubscription) }
    }
    let added = try join(&layers, attachment, perNode: count / planes, &remarks)
    if oversubscription == nil, technology != nil, layers.count > 1,
      layers[0].oversubscription.value > 1
    {
      remarks.append(
        "leaves have \(figure(layers[0].oversubscription.value)) times as much below as above, as in "
          + "\(part): --oversubscription R for another network")
    }
    let isSame =
      layers == own.layers && attachment == own.attachment && planes == own.planes.value
    guard !isSame else { return ["network: \(part)"] }
    var lines = ["network:", "  like: \(part)"]
    if planes != own.planes.value { lines.append("  planes: \(planes)") }
    if attachment != own.attachment { lines.append("  attachment: \(attachment.rawValue)") }
    if layers != own.layers {
      lines.append("  layers:")
      for (index, layer) in layers.enumerated() {
        let share = index + 1 < layers.count ? layer.oversubscription.value : 1
        lines.append("    - {radix: \(layer.radix.value), oversubscription: \(share)}")
      }
    }
    return lines + latencies(own, layers.count, added)
  }

  /// Adds layers until all nodes are joined.
  private func join(
    _ layers: inout [Network.Layer], _ attachment: Network.Attachment, perNode: Int,
    _ remarks: inout [String]
  ) throws(ConfigurationError) -> Bool {
    let before = layers.count
    func most() -> Int {
      if layers.count == 1, attachment == .rail, perNode > 1 { return 0 }
      return Network.largestNodeCount(
        layers, attachment: attachment, adaptersPerNode: max(1, perNode))
    }
    let joined = most()
    while nodes > most() {
      guard layers.count < 3, let last = layers.last else {
        throw ConfigurationError(
          file: "--nodes", value: "\(nodes)",
          rule: "three layers of these switches join no more than \(most()) nodes")
      }
      layers.append(last)
    }
    guard layers.count > before else { return false }
    remarks.append(
      "\(layers.count - before == 1 ? "a layer" : "\(layers.count - before) layers") of switches "
        + "added: "
        + "\(before) \(before == 1 ? "joins" : "join") no more than \(joined) nodes")
    return true
  }

  /// Latencies of layers that the part does not have, each as much more as its last one, else 0.9 us.
  private func latencies(_ own: Network, _ layers: Int, _ added: Bool) -> [String] {
    var known = [own.latency.sameLeaf, own.latency.crossLeaf, own.latency.crossPod]
      .compactMap { $0?.value }
    let first = known.count
    guard layers > first else { return [] }
    // ISCA 2025 (arXiv 2505.09343v2), Table 5: two more switches of InfiniBand add 0.9 us.
    let step = known.count > 1 ? known[known.count - 1] - known[known.count - 2] : Seconds(0.9e-6)
    var lines = ["  latency:"]
    for (index, name) in ["same-leaf", "cross-leaf", "cross-pod"].enumerated()
    where index >= first && index < layers {
      known.append(known[index - 1] + step)
      lines.append(
        "    \(name): {value: \(Self.microseconds(known[index])) us, assumption: \"two more switches, "
          + "at what two add below\"}"
      )
    }
    return lines
  }
}
