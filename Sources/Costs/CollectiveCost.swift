import RealModule

/// The algorithm of a collective, as closed forms see it.
public enum CollectiveAlgorithm: String, Hashable, Sendable, CaseIterable {
  /// One ring through all ranks, as many side by side as a node has cards.
  case ring
  /// Double binary trees between nodes.
  case tree
  /// Inside the nodes, then between ranks of the same number, then inside again.
  case hierarchical
}

/// The constants of collectives on one kind of cluster.
public struct CollectiveConstants: Hashable, Sendable {
  /// Nominal bytes per second and direction.
  public var networkBandwidth: Double
  public var nvlinkBandwidth: Double
  /// Share of the network card's bandwidth that large messages reach, and seconds of a hop.
  public var networkShare: Double
  public var networkLatency: Double
  /// Share of NVLink that a ring of many reaches; two ranks reach less by `nvlinkPairLoss` / 2.
  public var nvlinkShare: Double
  public var nvlinkPairLoss: Double
  /// Seconds below which no all-reduce gets: a fixed part and one per rank.
  public var nvlinkFloor: Double
  public var nvlinkFloorPerRank: Double
  /// Seconds that an all-reduce takes beside its bytes.
  public var nvlinkStart: Double
  public var nvlinkStartPerRank: Double
}

/// A group of ranks: how many, and how many of them share a node.
public struct CollectiveGroup: Hashable, Sendable {
  public var ranks: Int
  public var ranksPerNode: Int

  public init(ranks: Int, ranksPerNode: Int) {
    precondition(ranks > 0 && ranksPerNode > 0, "A group has ranks.")
    self.ranks = ranks
    self.ranksPerNode = min(ranks, ranksPerNode)
  }

  /// Nodes that the group touches.
  public var nodes: Int { ceilingDivision(ranks, ranksPerNode) }
}

/// The time of collectives by latency and bandwidth per tier, without contention.
///
/// Every rank of a node is taken to have a network card of its own.
public struct CollectiveCost: Sendable {
  private let constants: CollectiveConstants

  public init(_ constants: CollectiveConstants) {
    self.constants = constants
  }

  /// Adds up `bytes` of every rank and leaves the sum on every rank; the fastest algorithm if nil.
  public func allReduce(
    bytes: Double, group: CollectiveGroup, algorithm: CollectiveAlgorithm? = nil
  ) -> Cost {
    if group.ranks == 1 { return .none }
    if group.nodes == 1 { return insideNode(bytes: bytes, ranks: group.ranks, passes: 2) }
    if let algorithm { return allReduce(bytes, group, by: algorithm) }
    let costs = CollectiveAlgorithm.allCases.map { allReduce(bytes, group, by: $0) }
    return costs.min { $0.seconds < $1.seconds } ?? .none
  }

  /// Adds up `bytes` of every rank and leaves each rank its part of the sum.
  public func reduceScatter(bytes: Double, group: CollectiveGroup) -> Cost {
    onePass(bytes: bytes, group: group)
  }

  /// Leaves `bytes` (of all parts together) on every rank.
  public func allGather(bytes: Double, group: CollectiveGroup) -> Cost {
    onePass(bytes: bytes, group: group)
  }

  /// Every rank sends `bytes` in equal parts to all ranks, itself included, directly.
  public func allToAll(bytes: Double, group: CollectiveGroup) -> Cost {
    if group.ranks == 1 { return .none }
    let part = bytes / Double(group.ranks)
    let inside = part * Double(group.ranksPerNode - 1) / nvlinkRate(group.ranksPerNode)
    let outside = part * Double(group.ranks - group.ranksPerNode) / networkRate
    let start = constants.nvlinkStart + (group.nodes > 1 ? constants.networkLatency : 0)
    let limit: Limit = outside > inside ? .infiniBand : .nvlink
    let moving = max(inside, outside)
    return Cost(seconds: start + moving, limitedBy: start > moving ? .latency : limit)
  }

  /// One message between two ranks, over NVLink inside a node and over the network otherwise.
  public func send(bytes: Double, insideNode: Bool) -> Cost {
    let rate = insideNode ? nvlinkRate(2) : networkRate
    let latency = constants.networkLatency
    let moving = bytes / rate
    let limit: Limit = insideNode ? .nvlink : .infiniBand
    return Cost(seconds: latency + moving, limitedBy: latency > moving ? .latency : limit)
  }

  private var networkRate: Double { constants.networkBandwidth * constants.networkShare }

  private func nvlinkRate(_ ranks: Int) -> Double {
    constants.nvlinkBandwidth * constants.nvlinkShare
      * (1 - constants.nvlinkPairLoss / Double(max(2, ranks)))
  }

  /// A ring inside one node: one pass is a reduce-scatter or an all-gather, two an all-reduce.
  private func insideNode(bytes: Double, ranks: Int, passes: Int) -> Cost {
    if ranks == 1 { return .none }
    let half = Double(passes) / 2
    let count = Double(ranks)
    let moving = Double(passes) * (count - 1) / count * bytes / nvlinkRate(ranks)
    let start = half * (constants.nvlinkStart + constants.nvlinkStartPerRank * count)
    let floor = half * (constants.nvlinkFloor + constants.nvlinkFloorPerRank * count)
    return Cost(
      seconds: max(floor, start + moving), limitedBy: moving > start ? .nvlink : .latency)
  }

  private func onePass(bytes: Double, group: CollectiveGroup) -> Cost {
    if group.ranks == 1 { return .none }
    if group.nodes == 1 { return insideNode(bytes: bytes, ranks: group.ranks, passes: 1) }
    let ring = betweenRanks(bytes, group, passes: 1)
    let stacked = hierarchical(bytes, group, passes: 1)
    return ring.seconds <= stacked.seconds ? ring : stacked
  }

  private func allReduce(
    _ bytes: Double, _ group: CollectiveGroup, by algorithm: CollectiveAlgorithm
  ) -> Cost {
    switch algorithm {
    case .ring: betweenRanks(bytes, group, passes: 2)
    case .hierarchical: hierarchical(bytes, group, passes: 2)
    case .tree: tree(bytes, group)
    }
  }

  private func betweenRanks(_ bytes: Double, _ group: CollectiveGroup, passes: Int) -> Cost {
    let count = Double(group.ranks)
    let network = networkRate * Double(group.ranksPerNode)
    let rate = min(network, nvlinkRate(group.ranksPerNode))
    let moving = Double(passes) * (count - 1) / count * bytes / rate
    let hops = Double(passes) * Double(group.nodes - 1) * constants.networkLatency
    let inner = insideNode(bytes: 0, ranks: group.ranksPerNode, passes: passes).seconds
    let start = hops + inner
    let limit: Limit =
      start > moving ? .latency : group.ranksPerNode > 1 && rate < network ? .nvlink : .infiniBand
    return Cost(seconds: start + moving, limitedBy: limit)
  }

  private func hierarchical(_ bytes: Double, _ group: CollectiveGroup, passes: Int) -> Cost {
    let inside = insideNode(bytes: bytes, ranks: group.ranksPerNode, passes: passes)
    let rail = CollectiveGroup(ranks: group.nodes, ranksPerNode: 1)
    let part = bytes / Double(group.ranksPerNode)
    return inside + betweenRanks(part, rail, passes: passes)
  }

  private func tree(_ bytes: Double, _ group: CollectiveGroup) -> Cost {
    let depth = Double.log2(Double(group.nodes)).rounded(.up)
    let network = networkRate * Double(group.ranksPerNode)
    let rate = min(network, nvlinkRate(group.ranksPerNode))
    let moving = 2 * bytes / rate
    let inner = insideNode(bytes: 0, ranks: group.ranksPerNode, passes: 2).seconds
    let start = 2 * depth * constants.networkLatency + inner
    return Cost(
      seconds: start + moving, limitedBy: start > moving ? .latency : .infiniBand)
  }
}
