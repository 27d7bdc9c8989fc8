import Documents
import Quantities

/// What a file under `topologies/` describes: equal nodes of equal devices, and a network.
///
/// Not modelled: the path from a device to its own adapter (PCIe is wider than the adapter), and the
/// hosts' processors and memory.
public struct Cluster: Hashable, Sendable {
  /// The name that the file gives itself, or the file's own.
  public let name: String
  /// What the file says about itself, for people.
  public let summary: String?
  public let device: Device
  public let node: Node
  /// The number of nodes.
  public let nodes: Sourced<Int>
  /// The switches between nodes; nil where the cluster is a single node.
  public let network: Network?
  /// US dollars for a device for an hour, where the file says.
  public let price: Sourced<Double>?
  /// What is slower than described, or has failed.
  public let degradations: [Degradation]
  /// Sections of constants that were measured on another cluster.
  public let borrowings: [Borrowing]
  /// Nodes that are slower, nobody knows which.
  public let slowHosts: SlowHosts?
  /// What breaks and how often; nil where the file does not say.
  public let failures: Failures?
  /// What checkpoints are written to; nil where the file does not say.
  public let storage: Storage?
  /// What goes with bandwidths that the command line gave.
  public let followings: [Following]

  let plane: Plane?
  let effects: DegradationEffects
  let fabric: Fabric

  init(
    name: String, summary: String?, device: Device, node: Node, nodes: Sourced<Int>,
    network: Network?, price: Sourced<Double>?, degradations: [Degradation],
    borrowings: [Borrowing] = [], slowHosts: SlowHosts? = nil, failures: Failures? = nil,
    storage: Storage? = nil, followings: [Following] = []
  ) {
    self.name = name
    self.summary = summary
    self.device = device
    self.node = node
    self.nodes = nodes
    self.network = network
    self.price = price
    self.degradations = degradations
    self.borrowings = borrowings
    self.slowHosts = slowHosts
    (self.failures, self.storage) = (failures, storage)
    self.followings = followings
    plane = network.flatMap { network in
      node.adapters.map { adapters in
        Plane(
          network, nodes: nodes.value,
          adaptersPerNode: adapters.count.value / network.planes.value)
      }
    }
    effects = DegradationEffects(degradations)
    fabric = Fabric(node: node, nodes: nodes.value, network: network, plane: plane)
  }
}

// MARK: - Ranks

extension Cluster {
  /// The most devices that a description may have; every identity stays a small integer.
  public static let largestRankCount = 1 << 24

  /// The number of devices, each of which is a rank.
  public var rankCount: Int { fabric.ranks }

  /// The node that holds a rank: ranks fill one node after the other.
  public func node(of rank: Int) -> Int {
    precondition(rank >= 0 && rank < rankCount, "no such rank")
    return rank / fabric.devicesPerNode
  }

  /// The place of a rank within its node.
  public func localIndex(of rank: Int) -> Int {
    precondition(rank >= 0 && rank < rankCount, "no such rank")
    return rank % fabric.devicesPerNode
  }

  /// The adapter, counted within its node, that serves the device with this place in its node.
  ///
  /// It is the device's own even where that adapter has failed.
  public func adapter(ofLocalIndex index: Int) -> Int {
    index / fabric.devicesPerAdapter
  }

  /// How fast the device of a rank computes, as a share of what the description says.
  public func speed(of rank: Int) -> Double { effects.deviceShare[rank] ?? 1 }

  /// At least how much is left, as a share, of what any flow or kernel would get if nothing were degraded
  /// and nothing shared: it bounds how long anything can take.
  ///
  /// A flow is as slow as the worst link on its way, not as all of them together.
  public var leastShare: Double {
    func least(_ shares: some Sequence<Double>) -> Double { shares.filter { $0 > 0 }.min() ?? 1 }
    let layers = network?.layers.map(\.oversubscription.value) ?? []
    let ports = fabric.layers > 1 ? max(1, fabric.adapterCapacity / fabric.portCapacity) : 1
    let inside = fabric.deviceCapacity * Double(fabric.devicesPerNode) / fabric.sharedCapacity
    let links = [
      least(effects.nodeLinkShare.values) / max(1, inside), least(effects.adapterShare.values),
      least(effects.leafShare.values) / (ports * (layers.first ?? 1)),
      least(effects.podShare.values) / (ports * layers.reduce(1, *)),
    ]
    return min(
      least(effects.deviceShare.values) * (slowHosts?.speed.value ?? 1),
      (links.min() ?? 1) / takenOver)
  }

  /// By how many times more flows a link may have to carry because adapters at either end have failed.
  private var takenOver: Double {
    let failed = effects.failedAdapters.values.map(\.count).max() ?? 0
    return Double(max(1, min(fabric.adapters, 1 + 2 * failed)))
  }

  /// Whether every device and every link does what the description says.
  public var isUniform: Bool { degradations.isEmpty }

  /// The same cluster with everything as described, full uplinks in every layer of switches, and a
  /// switch inside the node.
  public var withFullLinks: Cluster {
    var (node, network) = (node, network)
    node.link.sharedBandwidth = nil
    for index in network?.layers.indices ?? 0..<0 {
      network?.layers[index].oversubscription = Sourced(1)
    }
    if let adapters = node.adapters { network?.port = adapters.rate }
    return Cluster(
      name: name, summary: summary, device: device, node: node, nodes: nodes, network: network,
      price: price, degradations: [], borrowings: borrowings, failures: failures,
      storage: storage)
  }

  /// Whether every switch has as much bandwidth upwards as towards the devices.
  public var hasFullUplinks: Bool {
    guard let plane, let network, let adapters = node.adapters else { return true }
    // Ports carry as much as adapters, or less and are the more for it.
    let port = min(
      network.port.bandwidth.value / adapters.rate.bandwidth.value,
      network.port.reached.value / adapters.rate.reached.value)
    func isFull(_ ports: Ports) -> Bool { Double(ports.up) * port >= Double(ports.down) }
    return (plane.layers < 2 || isFull(plane.leafPorts))
      && (plane.layers < 3 || Double(plane.spinePorts.up) >= Double(plane.spinePorts.down))
  }

  /// Whether a flow that has its own ends to itself has every link on its way to itself.
  public var hasUnsharedLinks: Bool { hasFullUplinks && node.link.sharedBandwidth == nil }

  /// Ranks whose own device, links or adapter are degraded, in ascending order.
  ///
  /// Degraded uplinks of a switch concern every rank behind it and are not listed here.
  public var degradedRanks: [Int] {
    var ranks: Set<Int> = []
    for degradation in degradations {
      switch degradation.target {
      case .device(let rank), .nodeLink(let rank): ranks.insert(rank)
      case .adapter(let node, let index):
        for local in 0..<self.node.devices.value where adapter(ofLocalIndex: local) == index {
          ranks.insert(node * self.node.devices.value + local)
        }
      case .leafUplinks, .spineUplinks: break
      }
    }
    return ranks.sorted()
  }
}
