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
  /// overrides, written `key=value`, reach into it. With a bandwidth goes what is reached of it (`Following`).
  public init(_ document: Document, overrides: [String] = []) throws(ConfigurationError) {
    let plain = try Self.compose(document)
    var document = plain
    try document.set(overrides)
    // Once more, since an override may name another description: device=h100-2048.
    document = try Self.compose(document)
    let followings = try Following.take(in: &document, from: plain)
    let keys = ClusterKeys()
    let root = try document.table()
    let name = try root.optional(keys.name)
    let summary = try root.optional(keys.summary)
    let nodes = try root.required(keys.nodes)
    let device = try Device(try root.table(keys.device), keys.device.keys)
    let node = try Node(try root.table(keys.node), keys.node.keys)
    guard nodes.value <= Self.largestRankCount / node.devices.value else {
      throw root.error("must not exceed \(Self.largestRankCount) devices in all", at: keys.nodes)
    }
    let network = try Network(root, keys, nodes: nodes.value, node: node)
    let price = try root.optional(keys.price)
    let slowHosts = try root.optionalTable(keys.slowHosts).map { part throws(ConfigurationError) in
      try SlowHosts(part, keys.slowHosts.keys)
    }
    let failures = try root.optionalTable(keys.failures).map { part throws(ConfigurationError) in
      try Failures(part, keys.failures.keys)
    }
    let storage = try root.optionalTable(keys.storage).map { part throws(ConfigurationError) in
      try Storage(part, keys.storage.keys)
    }
    let places = try root.tables(keys.degradations)
    var degradations: [Degradation] = []
    for place in places {
      degradations.append(try Degradation(place, keys.degradations.keys))
    }
    try root.finish()
    if let processor = device.processor {
      try Self.refuseIdle(
        root, ["price", "slow-hosts", "degraded"], node)
      for messages in processor.messages {
        let isMet = messages.way == .node ? node.devices.value > 1 : nodes.value > 1
        guard !isMet else { continue }
        throw root.error(
          "device.processor.messages has an entry without effect: there are no messages "
            + (messages.way == .node ? "inside a node" : "between nodes"))
      }
      guard nodes.value % processor.nodesOnMachine == 0 else {
        throw root.error(
          "does not fill machines of \(processor.nodesOnMachine) nodes "
            + "(device.processor.nodes-on-machine)", at: keys.nodes)
      }
    }
    self.init(
      name: name ?? Self.stem(of: document.name), summary: summary, device: device, node: node,
      nodes: nodes, network: network, price: price, degradations: degradations,
      borrowings: Borrowing.all(in: document), slowHosts: slowHosts, failures: failures,
      storage: storage, followings: followings)
    for (degradation, place) in zip(degradations, places) {
      try check(degradation, place, keys.degradations.keys)
    }
    try checkFailedAdapters(root, keys)
  }

  /// `cluster` of `some/where/cluster.yaml`.
  static func stem(of path: String) -> String {
    let file = path.split(separator: "/").last.map(String.init) ?? path
    guard let point = file.lastIndex(of: "."), point > file.startIndex else { return file }
    return String(file[..<point])
  }
}

extension Device {
  init(_ table: Table, _ keys: DeviceKeys) throws(ConfigurationError) {
    if let processor = try table.optionalTable(keys.processor) {
      self = try Device(rankOf: Processor(processor, keys.processor.keys), table, keys)
      return
    }
    name = try table.required(keys.name)
    multiprocessors = try table.required(keys.multiprocessors)
    computeCapability = try table.optional(keys.computeCapability)
    peaks = try Self.peaks(try table.table(keys.peak), keys.peak.keys)
    let clocks = try table.optionalTable(keys.clock)
    clock = try clocks.map { clock throws(ConfigurationError) in
      let boost = try clock.required(keys.clock.boost)
      let loaded = try clock.value(keys.clock.loaded, default: boost)
      guard loaded.value <= boost.value else {
        throw clock.error(
          "must not exceed the boost clock, \(boost.value)", at: keys.clock.loaded)
      }
      return Clock(boost: boost, loaded: loaded)
    }
    (powerCap, energy) = try Self.power(table, keys, clocks)
    jitter = try table.optionalTable(keys.jitter).map { part throws(ConfigurationError) in
      try Jitter(part, keys.jitter.keys)
    }
    let memory = try table.table(keys.memory)
    let rates = try keys.memory.rates.read(memory)
    self.memory = Memory(
      size: try memory.required(keys.memory.size), bandwidth: rates.bandwidth,
      reached: rates.reached)
    sharedMemory = try table.optional(keys.sharedMemory)
    hostLink = try table.optionalTable(keys.hostLink).map { link throws(ConfigurationError) in
      try keys.hostLink.rates.read(link)
    }
    let launch = try table.table(keys.launch)
    self.launch = Launch(
      gap: try launch.required(keys.launch.gap), host: try launch.required(keys.launch.host),
      eager: try launch.optional(keys.launch.eager))
    kernels = try KernelParameters(table, keys.kernels)
    kernelsAreScaled = try table.value(keys.scaling)
    if kernelsAreScaled, kernels.field == nil {
      throw table.error("there are no device.kernels to scale", at: keys.scaling)
    }
  }

  /// The cap and the energies; a cap needs both energies and nothing else that decides the clock.
  private static func power(
    _ table: Table, _ keys: DeviceKeys, _ clocks: Table?
  ) throws(ConfigurationError) -> (cap: Sourced<Watts>?, energy: Energy?) {
    let energy = try table.optionalTable(keys.energy).map { energy throws(ConfigurationError) in
      let keys = keys.energy.keys
      return Energy(
        idle: try energy.required(keys.idle), fp8: try energy.optional(keys.fp8),
        bf16: try energy.required(keys.bf16), attention: try energy.optional(keys.attention),
        byte: try energy.required(keys.byte),
        exponent: try energy.required(keys.exponent))
    }
    guard let cap = try table.optional(keys.powerCap) else { return (nil, energy) }
    guard let energy else {
      throw table.error("needs device.energy, from which the clock follows", at: keys.powerCap)
    }
    guard cap.value > energy.idle.value else {
      throw table.error(
        "must be more than device.energy.idle, \(energy.idle.value)", at: keys.powerCap)
    }
    guard let clocks else {
      throw table.error("needs device.clock.boost", at: keys.powerCap)
    }
    if try clocks.optional(keys.clock.loaded) != nil {
      throw table.error(
        "device.clock.loaded decides the clock, so that a cap has no effect: leave one of them out "
          + "(null)", at: keys.powerCap)
    }
    return (cap, energy)
  }

  private static func peaks(
    _ table: Table, _ keys: PeakKeys
  ) throws(ConfigurationError) -> [Peak] {
    var peaks: [Peak] = []
    for peak in keys.rates {
      if let rate = try table.optional(peak.key) {
        peaks.append(Peak(precision: peak.precision, rate: rate))
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
  init(_ table: Table, _ keys: NodeKeys) throws(ConfigurationError) {
    devices = try table.required(keys.devices)
    let link = try table.table(keys.link)
    self.link = Link(
      name: try link.required(keys.link.name), rate: try keys.link.rates.read(link),
      latency: try link.required(keys.link.latency),
      sharedBandwidth: try link.optional(keys.link.sharedBandwidth))
    exchange = try KernelParameters(table, keys.exchange)
    collectives = try KernelParameters(table, keys.collectives)
    guard let adapters = try table.optionalTable(keys.adapters) else { return }
    let count = try adapters.required(keys.adapters.count)
    guard devices.value % count.value == 0 else {
      throw adapters.error(
        "must divide the \(devices.value) devices of a node", at: keys.adapters.count)
    }
    self.adapters = Adapters(
      name: try adapters.required(keys.adapters.name), count: count,
      rate: try keys.adapters.rates.read(adapters))
  }
}

extension Network {
  /// Reads the section, which only a single node may lack.
  fileprivate init?(
    _ root: Table, _ all: ClusterKeys, nodes: Int, node: Node
  ) throws(ConfigurationError) {
    let keys = all.network
    guard let table = try root.optionalTable(keys) else {
      guard nodes == 1 else {
        throw root.error("required key is missing: \(nodes) nodes need a network", at: keys)
      }
      return nil
    }
    guard let adapters = node.adapters else {
      throw root.error("a network needs node.adapters", at: keys)
    }
    name = try table.required(keys.name)
    planes = try table.required(keys.planes)
    guard adapters.count.value % planes.value == 0 else {
      throw table.error(
        "must divide the \(adapters.count.value) adapters of a node", at: keys.planes)
    }
    attachment = try table.required(keys.attachment)
    layers = try Self.layers(table, keys.layers)
    latency = try Self.latency(
      try table.table(keys.latency), keys.latency.keys, layers: layers.count)
    if let port = try table.optionalTable(keys.port) {
      self.port = try keys.port.rates.read(port)
    } else {
      port = adapters.rate
    }
    let perNode = adapters.count.value / planes.value
    guard layers.count > 1 || attachment == .node || perNode == 1 else {
      throw table.error(
        "must equal the \(adapters.count.value) adapters of a node: nothing joins single-layer "
          + "rails",
        at: keys.planes)
    }
    let most = Self.largestNodeCount(layers, attachment: attachment, adaptersPerNode: perNode)
    guard nodes <= most else {
      throw root.error(
        "must not exceed \(most), the most that the network joins; sluice cluster --new adds a "
          + "layer",
        at: all.nodes)
    }
  }

  private static func layers(
    _ table: Table, _ keys: TableKey<LayerKeys>
  ) throws(ConfigurationError) -> [Layer] {
    let tables = try table.tables(keys)
    guard (1...3).contains(tables.count) else {
      throw table.error("must have from 1 to 3 layers, has \(tables.count)", at: keys)
    }
    var layers: [Layer] = []
    for (index, table) in tables.enumerated() {
      let radix = try table.required(keys.radix)
      let oversubscription = try table.value(keys.oversubscription, default: Sourced(1))
      let isTop = index == tables.count - 1
      guard !isTop || oversubscription.value == 1 else {
        throw table.error("the top layer has no uplinks", at: keys.oversubscription)
      }
      guard oversubscription.value <= Double(radix.value - 1) else {
        throw table.error(
          "a switch of \(radix.value) ports has at most \(radix.value - 1) below one above",
          at: keys.oversubscription)
      }
      let layer = Layer(radix: radix, oversubscription: oversubscription)
      layers.append(layer)
    }
    return layers
  }

  private static func latency(
    _ table: Table, _ keys: LatencyKeys, layers: Int
  ) throws(ConfigurationError) -> Latency {
    let sameLeaf = try table.required(keys.sameLeaf)
    let crossLeaf = layers > 1 ? try table.required(keys.crossLeaf) : nil
    let crossPod = layers > 2 ? try table.required(keys.crossPod) : nil
    if let crossLeaf, crossLeaf.value < sameLeaf.value {
      throw table.error("must be at least same-leaf, \(sameLeaf.value)", at: keys.crossLeaf)
    }
    if let crossPod, let crossLeaf, crossPod.value < crossLeaf.value {
      throw table.error("must be at least cross-leaf, \(crossLeaf.value)", at: keys.crossPod)
    }
    return Latency(sameLeaf: sameLeaf, crossLeaf: crossLeaf, crossPod: crossPod)
  }

  /// How many nodes one plane can join: every switch of the top layer reaches every branch below.
  package static func largestNodeCount(
    _ layers: [Layer], attachment: Attachment, adaptersPerNode: Int
  ) -> Int {
    guard !layers.isEmpty else { return 0 }
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

extension RateKeys {
  /// What is reached defaults to the nominal bandwidth and never exceeds it.
  fileprivate func read(
    _ table: Table
  ) throws(ConfigurationError) -> LinkRate {
    let nominal = try table.required(nominal)
    let reached = try table.value(self.reached, default: nominal)
    guard reached.value <= nominal.value else {
      throw table.error("must not exceed the bandwidth, \(nominal.value)", at: self.reached)
    }
    return LinkRate(bandwidth: nominal, reached: reached)
  }
}
