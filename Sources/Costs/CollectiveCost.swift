import RealModule

/// The algorithm of a collective, as GPU libraries carry it out: chunks follow each other, so that all
/// links work at once.
public enum CollectiveAlgorithm: String, Hashable, Sendable, CaseIterable {
  /// One ring through all ranks, as many side by side as a node has ranks, each entering and leaving
  /// nodes through an adapter of its own.
  case ring
  /// Double binary trees between nodes, chains inside them; fewer than four nodes form a ring.
  case tree
  /// Inside the nodes, then between ranks of the same number, then inside again.
  case hierarchical
}

/// What a collective does.
public enum CollectiveOperation: Hashable, Sendable {
  /// Adds up the bytes of every rank and leaves the sum on every rank.
  case allReduce
  /// Adds up the bytes of every rank and leaves each rank its part of the sum.
  case reduceScatter
  /// Leaves the bytes, of all parts together, on every rank.
  case allGather
  /// Every rank sends its bytes in equal parts to all ranks, itself included, directly.
  case allToAll

  /// How often the bytes go round.
  var passes: Int { self == .allReduce ? 2 : 1 }

  /// The algorithms that can carry it out; an all-to-all has only the direct one, named as a ring.
  public var algorithms: [CollectiveAlgorithm] {
    switch self {
    case .allReduce: [.ring, .tree, .hierarchical]
    case .reduceScatter, .allGather: [.ring, .hierarchical]
    case .allToAll: [.ring]
    }
  }
}

/// The constants of collectives on one kind of cluster.
///
/// A link gives a collective its share of the nominal bandwidth, and never more than it was measured to
/// reach.
public struct CollectiveConstants: Hashable, Sendable {
  /// Nominal bytes per second and direction, and what was reached of them.
  public var networkBandwidth: Double
  public var networkReached: Double
  public var nvlinkBandwidth: Double
  public var nvlinkReached: Double
  /// Share of the network card's bandwidth that large messages reach, and seconds of a hop between nodes
  /// where a group does not say how far apart its nodes are.
  public var networkShare: Double
  public var networkLatency: Double
  /// Seconds of a hop inside a node.
  public var nvlinkLatency: Double
  /// Share of NVLink that a ring of many reaches; two ranks reach less by `nvlinkPairLoss` / 2.
  public var nvlinkShare: Double
  public var nvlinkPairLoss: Double
  /// Seconds below which no all-reduce gets: a fixed part and one per rank, which is hops and grows with
  /// the link's latency.
  public var nvlinkFloor: Double
  public var nvlinkFloorPerRank: Double
  /// Seconds that an all-reduce takes beside its bytes, likewise.
  public var nvlinkStart: Double
  public var nvlinkStartPerRank: Double

  /// Bytes per second of a rank's way to other nodes, and of its NVLink among some ranks.
  var networkRate: Double { min(networkReached, networkBandwidth * networkShare) }
  func nvlinkRate(_ ranks: Int) -> Double {
    min(
      nvlinkReached,
      nvlinkBandwidth * nvlinkShare * (1 - nvlinkPairLoss / Double(max(2, ranks))))
  }
}

/// A group of ranks: how many, how many of them share a node, and how far apart its nodes are.
public struct CollectiveGroup: Hashable, Sendable {
  public var ranks: Int
  public var ranksPerNode: Int
  /// Seconds of a hop from one of its nodes to the next; nil for that of the constants.
  public var networkLatency: Double?

  public init(ranks: Int, ranksPerNode: Int, networkLatency: Double? = nil) {
    precondition(ranks > 0 && ranksPerNode > 0, "A group has ranks.")
    self.ranks = ranks
    self.ranksPerNode = min(ranks, ranksPerNode)
    self.networkLatency = networkLatency
  }

  /// Nodes that the group touches.
  public var nodes: Int { ceilingDivision(ranks, ranksPerNode) }
}

/// What a collective does at once: bytes on a rank's links, and what it takes beside them.
struct CollectivePhase: Hashable, Sendable {
  /// Bytes that leave a rank over NVLink, and through its adapter.
  var inside: Double
  var outside: Double
  /// Seconds beside the bytes, and seconds below which it does not get.
  var start: Double
  var floor = 0.0
}

/// The time of collectives by latency and bandwidth per tier, without contention.
///
/// Every rank of a node is taken to have a network card of its own. `CollectiveContention` puts the same
/// phases on the links of a described cluster.
public struct CollectiveCost: Sendable {
  let constants: CollectiveConstants

  public init(_ constants: CollectiveConstants) {
    self.constants = constants
  }

  /// Adds up `bytes` of every rank and leaves the sum on every rank; the fastest algorithm if nil.
  public func allReduce(
    bytes: Double, group: CollectiveGroup, algorithm: CollectiveAlgorithm? = nil
  ) -> Cost {
    cost(.allReduce, bytes: bytes, group: group, algorithm: algorithm)
  }

  /// Adds up `bytes` of every rank and leaves each rank its part of the sum.
  public func reduceScatter(bytes: Double, group: CollectiveGroup) -> Cost {
    cost(.reduceScatter, bytes: bytes, group: group)
  }

  /// Leaves `bytes` (of all parts together) on every rank.
  public func allGather(bytes: Double, group: CollectiveGroup) -> Cost {
    cost(.allGather, bytes: bytes, group: group)
  }

  /// Every rank sends `bytes` in equal parts to all ranks, itself included, directly.
  public func allToAll(bytes: Double, group: CollectiveGroup) -> Cost {
    cost(.allToAll, bytes: bytes, group: group)
  }

  /// Any collective; by the fastest of its algorithms if none is named.
  public func cost(
    _ operation: CollectiveOperation, bytes: Double, group: CollectiveGroup,
    algorithm: CollectiveAlgorithm? = nil
  ) -> Cost {
    let costs = (algorithm.map { [$0] } ?? operation.algorithms).map { algorithm in
      phases(operation, bytes: bytes, group: group, by: algorithm)
        .map { cost(of: $0, group) }.reduce(Cost.none, +)
    }
    return costs.min { $0.seconds < $1.seconds } ?? .none
  }

  /// One message between two ranks, over NVLink inside a node and over the network otherwise.
  ///
  /// - Parameter latency: seconds of its way; nil for that of the link, or of the network.
  public func send(bytes: Double, insideNode: Bool, latency: Double? = nil) -> Cost {
    let rate = insideNode ? constants.nvlinkRate(2) : constants.networkRate
    let latency = latency ?? (insideNode ? constants.nvlinkLatency : constants.networkLatency)
    let moving = bytes / rate
    let limit: Limit = insideNode ? .nvlink : .infiniBand
    return Cost(seconds: latency + moving, limitedBy: latency > moving ? .latency : limit)
  }

  private func cost(of phase: CollectivePhase, _ group: CollectiveGroup) -> Cost {
    let inside = phase.inside / constants.nvlinkRate(group.ranksPerNode)
    let outside = phase.outside / constants.networkRate
    return Self.cost(
      of: phase, moving: max(inside, outside), limit: outside > inside ? .infiniBand : .nvlink)
  }

  /// A phase whose bytes take `moving` seconds.
  static func cost(of phase: CollectivePhase, moving: Double, limit: Limit) -> Cost {
    Cost(
      seconds: max(phase.floor, phase.start + moving),
      limitedBy: moving > phase.start ? limit : .latency)
  }

  /// What a collective does, one thing after the other; nothing in a group of one.
  func phases(
    _ operation: CollectiveOperation, bytes: Double, group: CollectiveGroup,
    by algorithm: CollectiveAlgorithm
  ) -> [CollectivePhase] {
    if group.ranks == 1 { return [] }
    if operation == .allToAll { return [allToAll(bytes, group)] }
    let passes = operation.passes
    if group.nodes == 1 { return [insideNode(bytes, ranks: group.ranks, passes)] }
    switch algorithm {
    case .ring: return [ring(bytes, group, passes)]
    case .tree: return [group.nodes < 4 ? ring(bytes, group, passes) : tree(bytes, group)]
    case .hierarchical:
      let rail = CollectiveGroup(
        ranks: group.nodes, ranksPerNode: 1, networkLatency: group.networkLatency)
      let across = ring(bytes / Double(group.ranksPerNode), rail, passes)
      return group.ranksPerNode == 1
        ? [across] : [insideNode(bytes, ranks: group.ranksPerNode, passes), across]
    }
  }

  private func allToAll(_ bytes: Double, _ group: CollectiveGroup) -> CollectivePhase {
    let part = bytes / Double(group.ranks)
    return CollectivePhase(
      inside: part * Double(group.ranksPerNode - 1),
      outside: part * Double(group.ranks - group.ranksPerNode),
      start: constants.nvlinkStart + (group.nodes > 1 ? hop(group) : constants.nvlinkLatency))
  }

  /// Seconds of a hop between two nodes of a group.
  private func hop(_ group: CollectiveGroup) -> Double {
    group.networkLatency ?? constants.networkLatency
  }

  /// A ring inside one node: one pass is a reduce-scatter or an all-gather, two an all-reduce.
  private func insideNode(_ bytes: Double, ranks: Int, _ passes: Int) -> CollectivePhase {
    if ranks == 1 { return CollectivePhase(inside: 0, outside: 0, start: 0) }
    let half = Double(passes) / 2
    let count = Double(ranks)
    return CollectivePhase(
      inside: Double(passes) * (count - 1) / count * bytes, outside: 0,
      start: half * (constants.nvlinkStart + constants.nvlinkStartPerRank * count),
      floor: half * (constants.nvlinkFloor + constants.nvlinkFloorPerRank * count))
  }

  /// What an empty collective takes inside a node.
  private func innerStart(_ group: CollectiveGroup, _ passes: Int) -> Double {
    let phase = insideNode(0, ranks: group.ranksPerNode, passes)
    return max(phase.floor, phase.start)
  }

  /// Every ring passes each rank's NVLink once, and enters and leaves a node through the same adapter.
  private func ring(_ bytes: Double, _ group: CollectiveGroup, _ passes: Int) -> CollectivePhase {
    let (count, lanes) = (Double(group.ranks), Double(group.ranksPerNode))
    let sent = Double(passes) * (count - 1) / count * bytes
    let hops = Double(passes) * Double(group.nodes - 1) * hop(group)
    return CollectivePhase(
      inside: group.ranksPerNode > 1 ? sent : 0, outside: sent / lanes,
      start: hops + innerStart(group, passes))
  }

  /// A rank inside a tree has all bytes on their way up and on their way down.
  private func tree(_ bytes: Double, _ group: CollectiveGroup) -> CollectivePhase {
    let depth = Double.log2(Double(group.nodes)).rounded(.up)
    return CollectivePhase(
      inside: group.ranksPerNode > 1 ? 2 * bytes : 0,
      outside: 2 * bytes / Double(group.ranksPerNode),
      start: 2 * depth * hop(group) + innerStart(group, 2))
  }
}
