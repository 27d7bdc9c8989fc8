import Quantities

/// The identity of one direction of a link, or of the uplinks of one switch taken together.
///
/// Identities are consecutive from 0 to `Cluster.linkCount`; nothing is stored per link, so they
/// cost nothing on a cluster of a hundred thousand ranks.
public struct LinkID: Hashable, Sendable, Comparable {
  public let index: Int

  public init(_ index: Int) { self.index = index }

  public static func < (left: LinkID, right: LinkID) -> Bool { left.index < right.index }
}

/// One direction of a link, by what it joins.
public enum Link: Hashable, Sendable {
  /// From a rank's device into its node's link.
  case deviceOut(rank: Int)
  /// From its node's link into a rank's device.
  case deviceIn(rank: Int)
  /// What all transfers inside a node share, where there is no switch.
  case nodeShared(node: Int)
  /// From an adapter to its leaf switch.
  case adapterOut(node: Int, index: Int)
  /// From its leaf switch to an adapter.
  case adapterIn(node: Int, index: Int)
  /// The uplinks of a leaf switch, upwards.
  case leafUp(plane: Int, leaf: Int)
  /// The uplinks of a leaf switch, downwards.
  case leafDown(plane: Int, leaf: Int)
  /// The uplinks of all spine switches of a pod, upwards.
  case podUp(plane: Int, pod: Int)
  /// The uplinks of all spine switches of a pod, downwards.
  case podDown(plane: Int, pod: Int)
}

/// Where each kind of link begins in the row of identities.
private struct LinkNumbering {
  let ranks: Int
  let nodes: Int
  let adaptersPerNode: Int
  let leaves: Int
  let pods: Int
  let planes: Int

  init(_ cluster: Cluster) {
    ranks = cluster.rankCount
    nodes = cluster.nodes.value
    adaptersPerNode = cluster.network == nil ? 0 : cluster.node.adapters?.count.value ?? 0
    leaves = cluster.plane?.leaves ?? 0
    pods = cluster.plane?.pods ?? 0
    planes = cluster.network?.planes.value ?? 0
  }

  var sharedBase: Int { 2 * ranks }
  var adapterBase: Int { sharedBase + nodes }
  var leafBase: Int { adapterBase + 2 * nodes * adaptersPerNode }
  var podBase: Int { leafBase + 2 * planes * leaves }
  var count: Int { podBase + 2 * planes * pods }
}

extension Cluster {
  /// The number of link identities.
  public var linkCount: Int { LinkNumbering(self).count }

  /// The identity of a link.
  public func id(of link: Link) -> LinkID {
    let numbering = LinkNumbering(self)
    let index =
      switch link {
      case .deviceOut(let rank): rank
      case .deviceIn(let rank): numbering.ranks + rank
      case .nodeShared(let node): numbering.sharedBase + node
      case .adapterOut(let node, let index):
        numbering.adapterBase + 2 * (node * numbering.adaptersPerNode + index)
      case .adapterIn(let node, let index):
        numbering.adapterBase + 2 * (node * numbering.adaptersPerNode + index) + 1
      case .leafUp(let plane, let leaf):
        numbering.leafBase + 2 * (plane * numbering.leaves + leaf)
      case .leafDown(let plane, let leaf):
        numbering.leafBase + 2 * (plane * numbering.leaves + leaf) + 1
      case .podUp(let plane, let pod): numbering.podBase + 2 * (plane * numbering.pods + pod)
      case .podDown(let plane, let pod):
        numbering.podBase + 2 * (plane * numbering.pods + pod) + 1
      }
    return LinkID(index)
  }

  /// The link that has an identity.
  public func link(_ id: LinkID) -> Link {
    let numbering = LinkNumbering(self)
    precondition(id.index >= 0 && id.index < numbering.count, "no such link")
    func pair(_ base: Int, _ width: Int) -> (first: Int, second: Int, isSecond: Bool) {
      let place = (id.index - base) / 2
      return (place / width, place % width, (id.index - base) % 2 == 1)
    }
    switch id.index {
    case ..<numbering.ranks: return .deviceOut(rank: id.index)
    case ..<numbering.sharedBase: return .deviceIn(rank: id.index - numbering.ranks)
    case ..<numbering.adapterBase: return .nodeShared(node: id.index - numbering.sharedBase)
    case ..<numbering.leafBase:
      let (node, index, isIn) = pair(numbering.adapterBase, numbering.adaptersPerNode)
      return isIn ? .adapterIn(node: node, index: index) : .adapterOut(node: node, index: index)
    case ..<numbering.podBase:
      let (plane, leaf, isDown) = pair(numbering.leafBase, numbering.leaves)
      return isDown ? .leafDown(plane: plane, leaf: leaf) : .leafUp(plane: plane, leaf: leaf)
    default:
      let (plane, pod, isDown) = pair(numbering.podBase, numbering.pods)
      return isDown ? .podDown(plane: plane, pod: pod) : .podUp(plane: plane, pod: pod)
    }
  }

  /// What a link carries per second, degradations included; uplinks of a switch are summed.
  ///
  /// A link that the cluster does not have, such as the shared one of a node with a switch, is
  /// without limit.
  public func capacity(of link: Link) -> BytesPerSecond {
    let unlimited = BytesPerSecond(.infinity)
    switch link {
    case .deviceOut(let rank), .deviceIn(let rank):
      return node.link.reached.value * (effects.nodeLinkShare[rank] ?? 1)
    case .nodeShared: return node.link.sharedBandwidth?.value ?? unlimited
    case .adapterOut(let node, let index), .adapterIn(let node, let index):
      let share = effects.adapterShare[.init(first: node, second: index)] ?? 1
      return self.node.adapters.map { $0.reached.value * share } ?? unlimited
    case .leafUp(let plane, let leaf), .leafDown(let plane, let leaf):
      guard let network, let layout = self.plane, network.layers.count > 1 else {
        return unlimited
      }
      let share = effects.leafShare[.init(first: plane, second: leaf)] ?? 1
      return network.portReached.value * (Double(layout.leafPorts.up) * share)
    case .podUp(let plane, let pod), .podDown(let plane, let pod):
      guard let network, let layout = self.plane, network.layers.count > 2 else {
        return unlimited
      }
      let share = effects.podShare[.init(first: plane, second: pod)] ?? 1
      let ports = layout.spines(inPod: pod) * layout.spinePorts.up
      return network.portReached.value * (Double(ports) * share)
    }
  }

  /// What a link carries per second, degradations included.
  public func capacity(of id: LinkID) -> BytesPerSecond { capacity(of: link(id)) }
}
