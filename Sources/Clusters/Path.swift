import Quantities

/// The way from one rank's device to another's: links in the order of travel.
public struct Path: Hashable, Sendable {
  /// How far a path climbs; ranks that are alike have paths of equal reach.
  public enum Reach: Int, Hashable, Sendable, Comparable, CaseIterable {
    case sameRank, sameNode, sameLeaf, crossLeaf, crossPod

    public static func < (left: Reach, right: Reach) -> Bool { left.rawValue < right.rawValue }
  }

  /// One link on the way.
  public struct Hop: Hashable, Sendable {
    public let link: Link
    public let id: LinkID
    /// What the link carries per second in all.
    public let bandwidth: BytesPerSecond
    /// The part of the path's latency that is put down to this link.
    public let latency: Seconds
  }

  public let source: Int
  public let destination: Int
  public let reach: Reach
  /// Whether the data first goes to another device of the source's node, since only that one's
  /// adapter leads to the destination.
  public let isForwarded: Bool
  public let hops: [Hop]

  /// The sum over the hops.
  public var latency: Seconds { hops.reduce(.zero) { $0 + $1.latency } }

  /// What a single flow can have: the narrowest link; infinite from a rank to itself.
  public var bandwidth: BytesPerSecond {
    hops.map(\.bandwidth).min() ?? BytesPerSecond(.infinity)
  }
}

extension Cluster {
  /// How far the path between two ranks climbs, and whether it is forwarded; no hops are made.
  public func reach(
    from source: Int, to destination: Int
  ) -> (reach: Path.Reach, isForwarded: Bool) {
    if source == destination { return (.sameRank, false) }
    guard let way = way(from: source, to: destination) else { return (.sameNode, false) }
    return (way.reach, way.forwardedTo != nil || way.receivedBy != nil)
  }

  /// The links from one rank to another.
  ///
  /// Inside a node: the node's link. Between nodes: the adapter that serves the source, the leaf
  /// switch, where needed the spine and the core, and down again to the adapter that serves the
  /// destination. Where the two adapters lie in different planes, the data first crosses the node's
  /// link to the device whose adapter lies in the destination's plane. Where an adapter has failed,
  /// another device's takes over. Takes constant time.
  public func path(from source: Int, to destination: Int) -> Path {
    precondition(
      source >= 0 && source < rankCount && destination >= 0 && destination < rankCount,
      "no such rank")
    var links: [(Link, Seconds)] = []
    let (reach, isForwarded) = reach(from: source, to: destination)
    if source != destination {
      if let way = way(from: source, to: destination) {
        if let device = way.forwardedTo { links += insideNode(from: source, to: device) }
        links += between(way)
        if let device = way.receivedBy { links += insideNode(from: device, to: destination) }
      } else {
        links = insideNode(from: source, to: destination)
      }
    }
    let hops = links.map { link, latency in
      Path.Hop(link: link, id: id(of: link), bandwidth: capacity(of: link), latency: latency)
    }
    return Path(
      source: source, destination: destination, reach: reach, isForwarded: isForwarded, hops: hops)
  }

  private func insideNode(from source: Int, to destination: Int) -> [(Link, Seconds)] {
    let half = node.link.latency.value / 2
    var links: [(Link, Seconds)] = [(.deviceOut(rank: source), half)]
    if node.link.sharedBandwidth != nil {
      links.append((.nodeShared(node: node(of: source)), .zero))
    }
    links.append((.deviceIn(rank: destination), half))
    return links
  }

  private func between(_ way: Way) -> [(Link, Seconds)] {
    guard let network else { preconditionFailure("a way between nodes without a network") }
    let plane = way.plane
    let latency = network.latency
    let sameLeaf = latency.sameLeaf.value
    let crossLeaf = latency.crossLeaf?.value ?? sameLeaf
    let crossPod = latency.crossPod?.value ?? crossLeaf
    var up: [(Link, Seconds)] = [
      (.adapterOut(node: way.source.node, index: way.source.adapter), sameLeaf / 2)
    ]
    var down: [(Link, Seconds)] = [
      (.adapterIn(node: way.destination.node, index: way.destination.adapter), sameLeaf / 2)
    ]
    if way.reach >= .crossLeaf {
      let step = (crossLeaf - sameLeaf) / 2
      up.append((.leafUp(plane: plane, leaf: way.source.leaf), step))
      down.append((.leafDown(plane: plane, leaf: way.destination.leaf), step))
    }
    if way.reach == .crossPod, let layout = self.plane {
      let step = (crossPod - crossLeaf) / 2
      up.append((.podUp(plane: plane, pod: way.source.leaf / layout.leavesPerPod), step))
      down.append((.podDown(plane: plane, pod: way.destination.leaf / layout.leavesPerPod), step))
    }
    return up + down.reversed()
  }
}

// MARK: - Choice of adapters

/// The adapters, the plane and the devices in between that join two nodes for a pair of ranks.
private struct Way {
  struct End {
    let node: Int
    let adapter: Int
    let leaf: Int
  }

  let source: End
  let destination: End
  let plane: Int
  let reach: Path.Reach
  /// The device of the source's node that hands the data to its adapter, if not the source.
  let forwardedTo: Int?
  /// The device of the destination's node that takes the data, if not the destination.
  let receivedBy: Int?
}

extension Cluster {
  /// The way between ranks of different nodes; nil inside one node.
  private func way(from source: Int, to destination: Int) -> Way? {
    let nodes = (node(of: source), node(of: destination))
    guard nodes.0 != nodes.1, let network, let layout = plane else { return nil }
    let planes = network.planes.value
    let own = adapter(ofLocalIndex: localIndex(of: source))
    let (out, into) = adapters(
      from: nodes.0, preferring: own, to: nodes.1,
      preferring: adapter(ofLocalIndex: localIndex(of: destination)), planes: planes)
    let leaves = (
      layout.leaf(node: nodes.0, index: out / planes),
      layout.leaf(node: nodes.1, index: into / planes)
    )
    let reach: Path.Reach =
      leaves.0 == leaves.1
      ? .sameLeaf
      : leaves.0 / layout.leavesPerPod == leaves.1 / layout.leavesPerPod ? .crossLeaf : .crossPod
    return Way(
      source: .init(node: nodes.0, adapter: out, leaf: leaves.0),
      destination: .init(node: nodes.1, adapter: into, leaf: leaves.1), plane: out % planes,
      reach: reach, forwardedTo: out == own ? nil : server(of: out, for: destination, on: nodes.0),
      receivedBy: adapter(ofLocalIndex: localIndex(of: destination)) == into
        ? nil : server(of: into, for: source, on: nodes.1))
  }

  /// The device of `node` that `adapter` serves; of several, the one of the peer's place.
  private func server(of adapter: Int, for peer: Int, on node: Int) -> Int {
    let served = self.node.devices.value / (self.node.adapters?.count.value ?? 1)
    let first = node * self.node.devices.value + adapter * served
    return first + localIndex(of: peer) % served
  }

  /// The pair of working adapters in one plane: the destination's own decides the plane, if it works
  /// and the source has one there; else the first pair that works, counted on from there.
  private func adapters(
    from source: Int, preferring own: Int, to destination: Int, preferring wanted: Int, planes: Int
  ) -> (out: Int, into: Int) {
    let count = node.adapters?.count.value ?? 1
    let failedHere = effects.failedAdapters[source] ?? []
    let failedThere = effects.failedAdapters[destination] ?? []
    for offset in 0..<count {
      let into = (wanted + offset) % count
      guard !failedThere.contains(into) else { continue }
      let samePlane = (0..<count).map { (own + $0) % count }
        .first { $0 % planes == into % planes && !failedHere.contains($0) }
      if let samePlane { return (samePlane, into) }
    }
    preconditionFailure("two nodes without a plane in common were accepted")
  }
}
