/// The algorithm of a collective, as GPU libraries carry it out: chunks follow each other, so that all
/// links work at once.
public enum CollectiveAlgorithm: String, Hashable, Sendable, CaseIterable {
  /// One ring through all ranks, as many side by side as a node has ranks, each entering and leaving
  /// nodes through an adapter of its own.
  case ring
  /// Double binary trees between nodes, chains inside them.
  case tree
  /// Inside the nodes, then between ranks of the same number, then inside again.
  case hierarchical
  /// Sums that the switch inside a node forms (NVLS), along trees between nodes.
  case inSwitch = "in-switch"
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
    case .allReduce: [.ring, .tree, .hierarchical, .inSwitch]
    case .reduceScatter, .allGather: [.ring, .hierarchical]
    case .allToAll: [.ring]
    }
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

/// The time of collectives by latency and bandwidth per tier, without contention.
///
/// Every rank of a node is taken to have a network card of its own. `CollectiveContention` puts the same
/// phases on the links of a described cluster.
public struct CollectiveCost: Sendable {
  let constants: CollectiveConstants

  public init(_ constants: CollectiveConstants) {
    self.constants = constants
  }

  /// Multiprocessors that the channels of a group's collectives take.
  public func channels(of group: CollectiveGroup) -> Int { constants.channels(group) }

  /// Those of all groups whose ranks lie so far from each other in the order of ranks.
  public func channels(ofRanksApart distance: Int) -> Set<Int> {
    constants.channels(ofRanksPerNode: (constants.ranksOfNode + distance - 1) / distance)
  }

  /// Ranks of a node from which on its switch adds up; nil where none does.
  public var leastRanksInSwitch: Int? { constants.inSwitch?.fromRanks }

  /// Whether the cluster carries an operation out by an algorithm.
  public func canCarryOut(
    _ operation: CollectiveOperation, in group: CollectiveGroup, by algorithm: CollectiveAlgorithm
  ) -> Bool {
    !constants.ways(of: operation, in: group, by: algorithm).isEmpty
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
    let costs = constants.ways(of: operation, in: group, by: algorithm).map { way in
      constants.phases(operation, bytes: bytes, group: group, by: way)
        .map { cost(of: $0) }.reduce(Cost.none, +)
    }
    return costs.min { $0.seconds < $1.seconds } ?? .none
  }

  /// What a collective takes of a rank's adapter and of its link inside the node over its whole time, as
  /// shares of what was reached of them; by the fastest of its algorithms if none is named.
  public func shares(
    _ operation: CollectiveOperation, bytes: Double, group: CollectiveGroup,
    algorithm: CollectiveAlgorithm? = nil
  ) -> (adapter: Double, link: Double) {
    let ways = constants.ways(of: operation, in: group, by: algorithm).map { way in
      let phases = constants.phases(operation, bytes: bytes, group: group, by: way)
      return (phases, phases.map { cost(of: $0).seconds }.reduce(0, +))
    }
    guard let (phases, seconds) = ways.min(by: { $0.1 < $1.1 }), seconds > 0 else { return (0, 0) }
    let (inside, outside) = phases.reduce((0.0, 0.0)) { ($0.0 + $1.inside, $0.1 + $1.outside) }
    return (
      outside > 0 ? outside / constants.networkRate(1) / seconds : 0,
      inside > 0 ? inside / constants.linkRate(1) / seconds : 0
    )
  }

  /// One message between two ranks, over NVLink inside a node and over the network otherwise.
  ///
  /// - Parameter latency: seconds of its way; nil for that of the link, or of the network.
  public func send(bytes: Double, insideNode: Bool, latency: Double? = nil) -> Cost {
    let start = startOfSend(
      insideNode: insideNode,
      latency: latency ?? (insideNode ? constants.linkLatency : constants.networkLatency))
    let moving = secondsOfSend(bytes: bytes, insideNode: insideNode)
    let limit: Limit = insideNode ? .nvlink : .infiniBand
    return Cost(seconds: start + moving, limitedBy: start > moving ? .latency : limit)
  }

  /// Seconds that the bytes of a message take beside its start.
  public func secondsOfSend(bytes: Double, insideNode: Bool) -> Double {
    let direct = constants.direct
    return bytes
      / (insideNode
        ? constants.linkRate(direct.linkShare) : constants.networkRate(direct.networkShare))
  }

  /// Seconds of an empty message whose way takes `latency`.
  public func startOfSend(insideNode: Bool, latency: Double) -> Double {
    let direct = constants.direct
    return insideNode
      ? max(0, direct.linkStart + latency - constants.measuredLinkLatency)
      : max(0, direct.networkStart + latency - constants.measuredNetworkLatency)
  }

  private func cost(of phase: CollectivePhase) -> Cost {
    let (inside, outside) = moving(phase)
    return Self.cost(
      of: phase, moving: max(inside, outside), limit: outside > inside ? .infiniBand : .nvlink)
  }

  /// Seconds that a phase's bytes take over a rank's link, and over its adapter.
  func moving(_ phase: CollectivePhase) -> (inside: Double, outside: Double) {
    (
      phase.inside > 0 ? phase.inside / constants.linkRate(phase.linkShare) : 0,
      phase.outside > 0 ? phase.outside / constants.networkRate(phase.networkShare) : 0
    )
  }

  /// A phase whose bytes take `moving` seconds.
  static func cost(of phase: CollectivePhase, moving: Double, limit: Limit) -> Cost {
    Cost(
      seconds: phase.start + moving,
      limitedBy: moving > phase.start ? limit : .latency)
  }
}
