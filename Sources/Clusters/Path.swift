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
    return (way.reach, way.isForwarded)
  }

  /// The links from one rank to another.
  ///
  /// Inside a node: the node's link. Between nodes: the adapter that serves the source, the leaf
  /// switch, where needed the spine and the core, and down again to the adapter that serves the
  /// destination. Where the two adapters lie in different planes, the data first crosses the node's
  /// link to the device whose adapter lies in the destination's plane. Where an adapter has failed,
  /// another device's takes over. Takes constant time.
  public func path(from source: Int, to destination: Int) -> Path {
    var hops: [Path.Hop] = []
    hops.reserveCapacity(6)
    let (reach, isForwarded) = cross(from: source, to: destination) { link, latency in
      hops.append(
        Path.Hop(
          link: link, id: id(of: link), bandwidth: capacity(of: link), latency: Seconds(latency)))
    }
    return Path(
      source: source, destination: destination, reach: reach, isForwarded: isForwarded, hops: hops)
  }

  /// The latency of the path between two ranks, in seconds.
  public func latency(from source: Int, to destination: Int) -> Double {
    var seconds = 0.0
    _ = cross(from: source, to: destination) { _, latency in seconds += latency }
    return seconds
  }

  /// Calls `body` with the links from one rank to another, in the order of travel: those of `path`.
  public func forEachLink(from source: Int, to destination: Int, _ body: (LinkID) -> Void) {
    _ = cross(from: source, to: destination) { link, _ in body(id(of: link)) }
  }

  /// Goes from one rank to another and calls `body` with every link and its part of the latency.
  @inline(__always) private func cross(
    from source: Int, to destination: Int, _ body: (Link, Double) -> Void
  ) -> (reach: Path.Reach, isForwarded: Bool) {
    if let way = way(from: source, to: destination) {
      if let device = way.forwardedTo { crossNode(from: source, to: device, body) }
      crossNetwork(way, body)
      if let device = way.receivedBy { crossNode(from: device, to: destination, body) }
      return (way.reach, way.isForwarded)
    }
    if source == destination { return (.sameRank, false) }
    crossNode(from: source, to: destination, body)
    return (.sameNode, false)
  }

  @inline(__always) private func crossNode(
    from source: Int, to destination: Int, _ body: (Link, Double) -> Void
  ) {
    body(.deviceOut(rank: source), fabric.insideLatency / 2)
    if fabric.isShared { body(.nodeShared(node: node(of: source)), 0) }
    body(.deviceIn(rank: destination), fabric.insideLatency / 2)
  }

  @inline(__always) private func crossNetwork(_ way: Way, _ body: (Link, Double) -> Void) {
    let (from, to, plane) = (way.source, way.destination, way.plane)
    let edge = fabric.sameLeafLatency / 2
    let leafStep = (fabric.crossLeafLatency - fabric.sameLeafLatency) / 2
    let podStep = (fabric.crossPodLatency - fabric.crossLeafLatency) / 2
    body(.adapterOut(node: from.node, index: from.adapter), edge)
    if way.reach >= .crossLeaf {
      body(.leafUp(plane: plane, leaf: from.leaf), leafStep)
      if way.reach == .crossPod {
        body(.podUp(plane: plane, pod: from.leaf / fabric.leavesPerPod), podStep)
        body(.podDown(plane: plane, pod: to.leaf / fabric.leavesPerPod), podStep)
      }
      body(.leafDown(plane: plane, leaf: to.leaf), leafStep)
    }
    body(.adapterIn(node: to.node, index: to.adapter), edge)
  }
}

// MARK: - Groups of ranks

extension Cluster {
  /// Ranks by node, in ascending order.
  package func byNode(_ ranks: [Int]) -> [[Int]] {
    var members: [[Int]] = []
    var last = -1
    for rank in ranks.sorted() {
      let node = node(of: rank)
      if node != last { members.append([]) }
      members[members.count - 1].append(rank)
      last = node
    }
    return members
  }

  /// Seconds of a hop between the nodes of a group on average, once round all of them in their order;
  /// nil inside one node.
  ///
  /// - Parameter members: the group's ranks by node.
  package func latencyOfHops(among members: [[Int]]) -> Double? {
    guard members.count > 1 else { return nil }
    let sum = members.indices.reduce(0.0) { sum, node in
      sum + latency(from: members[node][0], to: members[(node + 1) % members.count][0])
    }
    return sum / Double(members.count)
  }

  /// Seconds of a hop between the nodes of a group of ranks on average; nil inside one node.
  public func latencyOfHops(among ranks: [Int]) -> Double? {
    latencyOfHops(among: byNode(ranks))
  }

  /// Seconds from the first of some ranks to the farthest that lies on another node; nil inside one node.
  public func latencyToFarthest(of ranks: Range<Int>) -> Double? {
    guard let first = ranks.first else { return nil }
    return ranks.lazy.filter { node(of: $0) != node(of: first) }
      .map { latency(from: first, to: $0) }.max()
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

  var isForwarded: Bool { forwardedTo != nil || receivedBy != nil }
}

extension Cluster {
  /// The way between ranks of different nodes; nil inside one node.
  private func way(from source: Int, to destination: Int) -> Way? {
    let (here, there) = (node(of: source), node(of: destination))
    guard here != there, let layout = plane else { return nil }
    let planes = fabric.planes
    let own = adapter(ofLocalIndex: localIndex(of: source))
    let wanted = adapter(ofLocalIndex: localIndex(of: destination))
    let (out, into) = adapters(from: here, preferring: own, to: there, preferring: wanted)
    let leafHere = layout.leaf(node: here, index: out / planes)
    let leafThere = layout.leaf(node: there, index: into / planes)
    let isOnePod = leafHere / fabric.leavesPerPod == leafThere / fabric.leavesPerPod
    return Way(
      source: .init(node: here, adapter: out, leaf: leafHere),
      destination: .init(node: there, adapter: into, leaf: leafThere), plane: out % planes,
      reach: leafHere == leafThere ? .sameLeaf : isOnePod ? .crossLeaf : .crossPod,
      forwardedTo: out == own ? nil : server(of: out, for: destination, on: here),
      receivedBy: into == wanted ? nil : server(of: into, for: source, on: there))
  }

  /// The device of `node` that `adapter` serves; of several, the one of the peer's place.
  private func server(of adapter: Int, for peer: Int, on node: Int) -> Int {
    let first = node * fabric.devicesPerNode + adapter * fabric.devicesPerAdapter
    return first + localIndex(of: peer) % fabric.devicesPerAdapter
  }

  /// The pair of working adapters in one plane: the destination's own decides the plane, if it works
  /// and the source has one there; else the first pair that works, counted on from there.
  private func adapters(
    from source: Int, preferring own: Int, to destination: Int, preferring wanted: Int
  ) -> (out: Int, into: Int) {
    let hasFailures = !effects.failedAdapters.isEmpty
    let failedHere = hasFailures ? effects.failedAdapters[source] ?? [] : []
    let failedThere = hasFailures ? effects.failedAdapters[destination] ?? [] : []
    for intoOffset in 0..<fabric.adapters {
      let into = (wanted + intoOffset) % fabric.adapters
      if hasFailures, failedThere.contains(into) { continue }
      for outOffset in 0..<fabric.adapters {
        let out = (own + outOffset) % fabric.adapters
        guard out % fabric.planes == into % fabric.planes else { continue }
        if !hasFailures || !failedHere.contains(out) { return (out, into) }
      }
    }
    preconditionFailure("two nodes without a plane in common were accepted")
  }
}
