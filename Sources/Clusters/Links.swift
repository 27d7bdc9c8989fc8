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

extension Cluster {
  /// The number of link identities.
  public var linkCount: Int { fabric.linkCount }

  /// The identity of a link.
  public func id(of link: Link) -> LinkID {
    let index =
      switch link {
      case .deviceOut(let rank): rank
      case .deviceIn(let rank): fabric.ranks + rank
      case .nodeShared(let node): fabric.sharedBase + node
      case .adapterOut(let node, let index):
        fabric.adapterBase + 2 * (node * fabric.adapters + index)
      case .adapterIn(let node, let index):
        fabric.adapterBase + 2 * (node * fabric.adapters + index) + 1
      case .leafUp(let plane, let leaf):
        fabric.leafBase + 2 * (plane * fabric.leaves + leaf)
      case .leafDown(let plane, let leaf):
        fabric.leafBase + 2 * (plane * fabric.leaves + leaf) + 1
      case .podUp(let plane, let pod): fabric.podBase + 2 * (plane * fabric.pods + pod)
      case .podDown(let plane, let pod):
        fabric.podBase + 2 * (plane * fabric.pods + pod) + 1
      }
    return LinkID(index)
  }

  /// The link that has an identity.
  public func link(_ id: LinkID) -> Link {
    precondition(id.index >= 0 && id.index < fabric.linkCount, "no such link")
    func pair(_ base: Int, _ width: Int) -> (first: Int, second: Int, isSecond: Bool) {
      let place = (id.index - base) / 2
      return (place / width, place % width, (id.index - base) % 2 == 1)
    }
    switch id.index {
    case ..<fabric.ranks: return .deviceOut(rank: id.index)
    case ..<fabric.sharedBase: return .deviceIn(rank: id.index - fabric.ranks)
    case ..<fabric.adapterBase: return .nodeShared(node: id.index - fabric.sharedBase)
    case ..<fabric.leafBase:
      let (node, index, isIn) = pair(fabric.adapterBase, fabric.adapters)
      return isIn ? .adapterIn(node: node, index: index) : .adapterOut(node: node, index: index)
    case ..<fabric.podBase:
      let (plane, leaf, isDown) = pair(fabric.leafBase, fabric.leaves)
      return isDown ? .leafDown(plane: plane, leaf: leaf) : .leafUp(plane: plane, leaf: leaf)
    default:
      let (plane, pod, isDown) = pair(fabric.podBase, fabric.pods)
      return isDown ? .podDown(plane: plane, pod: pod) : .podUp(plane: plane, pod: pod)
    }
  }

  /// What a link carries per second, degradations included; uplinks of a switch are summed.
  ///
  /// A link that the cluster does not have, such as the shared one of a node with a switch, is
  /// without limit.
  public func capacity(of link: Link) -> BytesPerSecond {
    let whole: Double
    var share = 1.0
    switch link {
    case .deviceOut(let rank), .deviceIn(let rank):
      whole = fabric.deviceCapacity
      if !isUniform { share = effects.nodeLinkShare[rank] ?? 1 }
    case .nodeShared: whole = fabric.sharedCapacity
    case .adapterOut(let node, let index), .adapterIn(let node, let index):
      whole = fabric.adapterCapacity
      if !isUniform { share = effects.adapterShare[.init(first: node, second: index)] ?? 1 }
    case .leafUp(let plane, let leaf), .leafDown(let plane, let leaf):
      let ports = self.plane?.leafPorts.up ?? 0
      whole = fabric.layers > 1 ? fabric.portCapacity * Double(ports) : .infinity
      if !isUniform { share = effects.leafShare[.init(first: plane, second: leaf)] ?? 1 }
    case .podUp(let plane, let pod), .podDown(let plane, let pod):
      let ports = self.plane.map { $0.spines(inPod: pod) * $0.spinePorts.up } ?? 0
      whole = fabric.layers > 2 ? fabric.portCapacity * Double(ports) : .infinity
      if !isUniform { share = effects.podShare[.init(first: plane, second: pod)] ?? 1 }
    }
    return BytesPerSecond(whole * share)
  }

  /// What a link carries per second, degradations included.
  public func capacity(of id: LinkID) -> BytesPerSecond { capacity(of: link(id)) }
}
