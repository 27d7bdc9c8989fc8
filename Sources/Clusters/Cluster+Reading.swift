import Documents
import Quantities

extension Cluster {
  /// Reads the file at `path`, with overrides written `key=value`.
  public init(path: String, overrides: [String] = []) throws(ConfigurationError) {
    try self.init(try Document(file: path), overrides: overrides)
  }

  /// Reads a description; every fault is an error that names its place.
  ///
  /// A section may be the name or path of another description, whose section is then taken;
  /// overrides, written `key=value`, reach into it.
  public init(_ document: Document, overrides: [String] = []) throws(ConfigurationError) {
    var document = try Self.compose(document)
    try document.set(overrides)
    // Once more, since an override may name another description: device=h100-2048.
    document = try Self.compose(document)
    let root = try document.table()
    let name = try root.optional("name", .string)
    let summary = try root.optional("summary", .string)
    let nodes = try root.required("nodes", .sourced(.integer(in: 1...Self.largestRankCount)))
    let device = try Device(try root.table("device"))
    let nodeTable = try root.table("node")
    let node = try Node(nodeTable)
    guard nodes.value <= Self.largestRankCount / node.devices.value else {
      throw root.error("must not exceed \(Self.largestRankCount) devices in all", at: "nodes")
    }
    let networkTable = try root.optionalTable("network")
    let network = try Network(networkTable, root: root, nodes: nodes.value, node: node)
    let price = try root.optional("price", .sourced(.number(in: 0...1_000_000)))
    let places = try root.tables("degraded")
    var degradations: [Degradation] = []
    for place in places { degradations.append(try Degradation(place)) }
    try root.finish()
    self.init(
      name: name ?? Self.stem(of: document.name), summary: summary, device: device, node: node,
      nodes: nodes, network: network, price: price, degradations: degradations,
      borrowings: Borrowing.all(in: document))
    for (degradation, place) in zip(degradations, places) { try check(degradation, place) }
    try checkFailedAdapters(root)
  }

  /// `cluster` of `some/where/cluster.yaml`.
  static func stem(of path: String) -> String {
    let file = path.split(separator: "/").last.map(String.init) ?? path
    guard let point = file.lastIndex(of: "."), point > file.startIndex else { return file }
    return String(file[..<point])
  }
}

extension Device {
  init(_ table: Table) throws(ConfigurationError) {
    name = try table.required("name", .string)
    multiprocessors = try table.required("multiprocessors", .sourced(.integer(in: 1...65536)))
    peaks = try Self.peaks(try table.table("peak"))
    clock = try table.optionalTable("clock").map { clock throws(ConfigurationError) in
      let boost = try clock.required("boost", .sourced(.clockRate))
      let loaded = try clock.value(
        "loaded", .sourced(.clockRate), default: boost)
      guard loaded.value <= boost.value else {
        throw clock.error("must not exceed the boost clock, \(boost.value)", at: "loaded")
      }
      return Clock(boost: boost, loaded: loaded)
    }
    let memory = try table.table("memory")
    let rates = try nominalAndReached(memory)
    self.memory = Memory(
      size: try memory.required("size", .sourced(.memorySize)),
      bandwidth: rates.nominal, reached: rates.reached)
    sharedMemory = try table.optional("shared-memory", .sourced(.memorySize))
    let launch = try table.table("launch")
    self.launch = Launch(
      gap: try launch.required("gap", .sourced(.latency)),
      host: try launch.required("host", .sourced(.latency)))
    kernels = try KernelParameters(table, "kernels")
  }

  private static func peaks(_ table: Table) throws(ConfigurationError) -> [Peak] {
    var peaks: [Peak] = []
    for precision in Precision.allCases {
      let expected = Expected.sourced(.rate)
      if let rate = try table.optional(precision.rawValue, expected) {
        peaks.append(Peak(precision: precision, rate: rate))
      }
    }
    guard !peaks.isEmpty else {
      try table.finish()
      let names = Precision.allCases.map(\.rawValue).joined(separator: ", ")
      throw table.error("needs the peak of at least one of \(names)")
    }
    return peaks
  }
}

extension Node {
  init(_ table: Table) throws(ConfigurationError) {
    devices = try table.required("devices", .sourced(.integer(in: 1...4096)))
    let link = try table.table("link")
    let rates = try nominalAndReached(link)
    self.link = Link(
      name: try link.required("name", .string), bandwidth: rates.nominal, reached: rates.reached,
      latency: try link.required("latency", .sourced(.latency)),
      sharedBandwidth: try link.optional(
        "shared-bandwidth", .sourced(.bandwidth)))
    exchange = try KernelParameters(table, "exchange")
    collectives = try KernelParameters(table, "collectives")
    guard let adapters = try table.optionalTable("adapters") else { return }
    let count = try adapters.required("count", .sourced(.integer(in: 1...4096)))
    guard devices.value % count.value == 0 else {
      throw adapters.error("must divide the \(devices.value) devices of a node", at: "count")
    }
    let adapterRates = try nominalAndReached(adapters)
    self.adapters = Adapters(
      name: try adapters.required("name", .string), count: count,
      bandwidth: adapterRates.nominal, reached: adapterRates.reached)
  }
}

extension Network {
  /// Reads the section, which only a single node may lack.
  fileprivate init?(
    _ table: Table?, root: Table, nodes: Int, node: Node
  ) throws(ConfigurationError) {
    guard let table else {
      guard nodes == 1 else {
        throw root.error("required key is missing: \(nodes) nodes need a network", at: "network")
      }
      return nil
    }
    guard let adapters = node.adapters else {
      throw root.error("a network needs node.adapters", at: "network")
    }
    name = try table.required("name", .string)
    planes = try table.required("planes", .sourced(.integer(in: 1...4096)))
    guard adapters.count.value % planes.value == 0 else {
      throw table.error(
        "must divide the \(adapters.count.value) adapters of a node", at: "planes")
    }
    attachment = try table.required("attachment", .choice(Attachment.self))
    layers = try Self.layers(table)
    latency = try Self.latency(try table.table("latency"), layers: layers.count)
    if let port = try table.optionalTable("port") {
      (portBandwidth, portReached) = try nominalAndReached(port)
    } else {
      (portBandwidth, portReached) = (adapters.bandwidth, adapters.reached)
    }
    let perNode = adapters.count.value / planes.value
    guard layers.count > 1 || attachment == .node || perNode == 1 else {
      throw table.error(
        "must equal the \(adapters.count.value) adapters of a node: nothing joins single-layer rails",
        at: "planes")
    }
    let most = Self.largestNodeCount(layers, attachment: attachment, adaptersPerNode: perNode)
    guard nodes <= most else {
      throw root.error("must not exceed \(most), the most that the network joins", at: "nodes")
    }
  }

  private static func layers(_ table: Table) throws(ConfigurationError) -> [Layer] {
    let tables = try table.tables("layers")
    guard (1...3).contains(tables.count) else {
      throw table.error("must have from 1 to 3 layers, has \(tables.count)", at: "layers")
    }
    var layers: [Layer] = []
    for (index, table) in tables.enumerated() {
      let radix = try table.required("radix", .sourced(.integer(in: 2...65536)))
      let oversubscription = try table.value(
        "oversubscription", .sourced(.number(in: 1...1024)), default: Sourced(1))
      let isTop = index == tables.count - 1
      guard !isTop || oversubscription.value == 1 else {
        throw table.error("the top layer has no uplinks", at: "oversubscription")
      }
      let layer = Layer(radix: radix, oversubscription: oversubscription)
      layers.append(layer)
    }
    return layers
  }

  private static func latency(
    _ table: Table, layers: Int
  ) throws(ConfigurationError) -> Latency {
    let expected = Expected.sourced(.latency)
    let sameLeaf = try table.required("same-leaf", expected)
    let crossLeaf = layers > 1 ? try table.required("cross-leaf", expected) : nil
    let crossPod = layers > 2 ? try table.required("cross-pod", expected) : nil
    if let crossLeaf, crossLeaf.value < sameLeaf.value {
      throw table.error("must be at least same-leaf, \(sameLeaf.value)", at: "cross-leaf")
    }
    if let crossPod, let crossLeaf, crossPod.value < crossLeaf.value {
      throw table.error("must be at least cross-leaf, \(crossLeaf.value)", at: "cross-pod")
    }
    return Latency(sameLeaf: sameLeaf, crossLeaf: crossLeaf, crossPod: crossPod)
  }

  /// How many nodes one plane can join: every switch of the top layer reaches every branch below.
  private static func largestNodeCount(
    _ layers: [Layer], attachment: Attachment, adaptersPerNode: Int
  ) -> Int {
    let leafDown = layers[0].ports(isTop: layers.count == 1).down
    var leaves = 1
    for (index, layer) in layers.enumerated().dropFirst() {
      leaves *= layer.ports(isTop: index == layers.count - 1).down
    }
    return switch attachment {
    case .rail: leafDown * (leaves / adaptersPerNode)
    case .node: leafDown * leaves / adaptersPerNode
    }
  }
}

/// Reads `bandwidth` and `reached`, of which the second defaults to the first and never exceeds it.
private func nominalAndReached(
  _ table: Table
) throws(ConfigurationError) -> (
  nominal: Sourced<BytesPerSecond>, reached: Sourced<BytesPerSecond>
) {
  let expected = Expected.sourced(.bandwidth)
  let nominal = try table.required("bandwidth", expected)
  let reached = try table.value("reached", expected, default: nominal)
  guard reached.value <= nominal.value else {
    throw table.error("must not exceed the bandwidth, \(nominal.value)", at: "reached")
  }
  return (nominal, reached)
}

// Bounds far beyond any hardware keep every simulated time within the clock.

extension Expected where Value == FLOPsPerSecond {
  fileprivate static var rate: Expected {
    .quantity(in: FLOPsPerSecond(1e9)...FLOPsPerSecond(1e21))
  }
}

extension Expected where Value == Frequency {
  fileprivate static var clockRate: Expected {
    .quantity(in: Frequency(10e6)...Frequency(100e9))
  }
}

extension Expected where Value == ByteCount {
  fileprivate static var memorySize: Expected {
    .quantity(in: ByteCount(1 << 10)...ByteCount(1 << 60))
  }
}

extension Expected where Value == BytesPerSecond {
  fileprivate static var bandwidth: Expected {
    .quantity(in: BytesPerSecond(1e6)...BytesPerSecond(1e18))
  }
}

extension Expected where Value == Seconds {
  fileprivate static var latency: Expected { .quantity(in: .zero...Seconds(1)) }
}
