import Documents
import Quantities

/// The switches between nodes: one or several equal fat trees, called planes.
///
/// Every switch spreads its flows evenly over its uplinks (adaptive routing), so the uplinks of one
/// switch count as one link of their summed bandwidth. Collisions of static hashing are not modelled.
public struct Network: Hashable, Sendable {
  /// Which adapters share a leaf switch.
  public enum Attachment: String, Hashable, Sendable, CaseIterable {
    /// Those of equal index of neighbouring nodes: a rail.
    case rail
    /// Those of one node.
    case node
  }

  /// One layer of switches, the leaves being the first.
  public struct Layer: Hashable, Sendable {
    /// Ports per switch.
    public var radix: Sourced<Int>
    /// Bandwidth towards the devices over bandwidth towards the next layer; one at the top.
    public var oversubscription: Sourced<Double>

    package init(radix: Sourced<Int>, oversubscription: Sourced<Double>) {
      self.radix = radix
      self.oversubscription = oversubscription
    }

    /// Ports towards the next layer, rounded down, and the rest, which face the devices.
    func ports(isTop: Bool) -> Ports {
      if isTop { return Ports(down: radix.value, up: 0) }
      let up = max(1, Int(Double(radix.value) / (1 + oversubscription.value)))
      return Ports(down: radix.value - up, up: up)
    }
  }

  /// End-to-end latency of a small message by the highest layer of switches that it reaches.
  public struct Latency: Hashable, Sendable {
    public var sameLeaf: Sourced<Seconds>
    public var crossLeaf: Sourced<Seconds>?
    public var crossPod: Sourced<Seconds>?
  }

  /// The technology's name: `InfiniBand NDR`.
  public var name: String
  /// Separate fat trees; adapter `i` of each node belongs to plane `i` modulo this.
  public var planes: Sourced<Int>
  public var attachment: Attachment
  /// One to three layers, leaves first.
  public var layers: [Layer]
  public var latency: Latency
  /// Between two switches.
  public var port: LinkRate
}

/// The ports of a switch, by where they lead.
struct Ports: Hashable, Sendable {
  let down: Int
  let up: Int
}

/// How many switches of each layer one plane has, and how they are joined.
struct Plane: Hashable, Sendable {
  /// Adapters that each node has in this plane.
  let adaptersPerNode: Int
  let attachment: Network.Attachment
  let leafPorts: Ports
  let spinePorts: Ports
  /// Leaf switches.
  let leaves: Int
  /// Leaf switches that share spine switches; all of them where two layers are all.
  let leavesPerPod: Int
  let pods: Int
  /// Spine switches of all pods, and core switches above them.
  let spines: Int
  let cores: Int
  let layers: Int

  init(_ network: Network, nodes: Int, adaptersPerNode: Int) {
    self.adaptersPerNode = adaptersPerNode
    attachment = network.attachment
    layers = network.layers.count
    leafPorts = network.layers[0].ports(isTop: layers == 1)
    spinePorts = layers > 1 ? network.layers[1].ports(isTop: layers == 2) : Ports(down: 0, up: 0)
    leaves =
      switch attachment {
      case .rail: ceilingDivision(nodes, leafPorts.down) * adaptersPerNode
      case .node: ceilingDivision(nodes * adaptersPerNode, leafPorts.down)
      }
    switch layers {
    case 1: (leavesPerPod, pods, spines, cores) = (leaves, 1, 0, 0)
    case 2:
      (leavesPerPod, pods) = (leaves, 1)
      spines = ceilingDivision(leaves * leafPorts.up, spinePorts.down)
      cores = 0
    default:
      leavesPerPod = min(leaves, spinePorts.down)
      pods = ceilingDivision(leaves, spinePorts.down)
      let full = leaves / spinePorts.down
      let rest = leaves % spinePorts.down
      let inFullPod = leafPorts.up
      let inLastPod = ceilingDivision(rest * leafPorts.up, spinePorts.down)
      spines = full * inFullPod + inLastPod
      cores = ceilingDivision(spines * spinePorts.up, network.layers[2].radix.value)
    }
  }

  /// The leaf to which adapter `index` (counted within the plane) of `node` is attached.
  func leaf(node: Int, index: Int) -> Int {
    switch attachment {
    case .rail: node / leafPorts.down * adaptersPerNode + index
    case .node: (node * adaptersPerNode + index) / leafPorts.down
    }
  }

  /// Spine switches of a pod: fewer in a last pod that is not full.
  func spines(inPod pod: Int) -> Int {
    guard layers == 3 else { return spines }
    let leavesHere = min(leavesPerPod, leaves - pod * leavesPerPod)
    return ceilingDivision(leavesHere * leafPorts.up, spinePorts.down)
  }
}

/// The smallest whole number that is at least `dividend / divisor`.
func ceilingDivision(_ dividend: Int, _ divisor: Int) -> Int {
  (dividend + divisor - 1) / divisor
}
