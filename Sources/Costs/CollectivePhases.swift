import RealModule

/// What a collective does at once: bytes on a rank's links, and what it takes beside them.
struct CollectivePhase: Hashable, Sendable {
  /// Bytes that leave a rank over its link inside the node, and through its adapter.
  var inside: Double
  var outside: Double
  /// Shares of the nominal links that they reach.
  var linkShare: Double
  var networkShare: Double
  /// Seconds beside the bytes.
  var start: Double
}

/// A way to carry out a collective.
public struct CollectiveWay: Hashable, Sendable {
  public var algorithm: CollectiveAlgorithm
  public var wire: WireProtocol

  public init(_ algorithm: CollectiveAlgorithm, _ wire: WireProtocol = .simple) {
    self.algorithm = algorithm
    self.wire = wire
  }
}

extension CollectiveConstants {
  /// The ways among which NCCL takes the fastest, or those of one algorithm.
  ///
  /// In-switch sums need a switch that adds and enough ranks on every node; hierarchical collectives are
  /// nobody's default. Empty where the cluster cannot carry the algorithm out.
  public func ways(
    of operation: CollectiveOperation, in group: CollectiveGroup,
    by algorithm: CollectiveAlgorithm? = nil
  ) -> [CollectiveWay] {
    if operation == .allToAll { return [CollectiveWay(.ring)] }
    let rings = WireProtocol.allCases.map { CollectiveWay(.ring, $0) }
    let trees = [CollectiveWay(.tree, .lowLatency), CollectiveWay(.tree)]
    switch algorithm {
    case .ring: return rings
    case .tree: return group.nodes > 1 ? trees : rings.map { CollectiveWay(.tree, $0.wire) }
    case .hierarchical: return [CollectiveWay(.hierarchical)]
    case .inSwitch: return sumsInSwitch(group) ? [CollectiveWay(.inSwitch)] : []
    case nil:
      guard operation == .allReduce else { return rings }
      return rings + (group.nodes > 1 ? trees : [])
        + (sumsInSwitch(group) ? [CollectiveWay(.inSwitch)] : [])
    }
  }

  private func sumsInSwitch(_ group: CollectiveGroup) -> Bool {
    guard let inSwitch else { return false }
    return group.ranksPerNode >= inSwitch.fromRanks
  }

  /// What a collective does, one thing after the other; nothing in a group of one.
  func phases(
    _ operation: CollectiveOperation, bytes: Double, group: CollectiveGroup, by way: CollectiveWay
  ) -> [CollectivePhase] {
    if group.ranks == 1 { return [] }
    if operation == .allToAll { return [allToAll(bytes, group)] }
    let passes = operation.passes
    if way.algorithm == .inSwitch { return [sumInSwitch(bytes, group)] }
    if group.nodes == 1 { return [ring(bytes, group, passes, way.wire)] }
    switch way.algorithm {
    case .ring, .inSwitch: return [ring(bytes, group, passes, way.wire)]
    case .tree: return [tree(bytes, group, way.wire)]
    case .hierarchical:
      let rail = CollectiveGroup(
        ranks: group.nodes, ranksPerNode: 1, networkLatency: group.networkLatency)
      let across = ring(bytes / Double(group.ranksPerNode), rail, passes, way.wire)
      let node = CollectiveGroup(ranks: group.ranksPerNode, ranksPerNode: group.ranksPerNode)
      return group.ranksPerNode == 1
        ? [across] : [ring(bytes, node, passes, way.wire), across]
    }
  }

  /// Small messages take the rate of their channels, all at once; large ones that of the links.
  ///
  /// For these the channels of a node have to fill: a chunk is whole before it is taken on. Between nodes they do
  /// so while the network is busy.
  private func allToAll(_ bytes: Double, _ group: CollectiveGroup) -> CollectivePhase {
    let part = bytes / Double(group.ranks)
    let inside =
      beside(part, bytes, isOneNode: group.nodes == 1) + linkLatency - measuredLinkLatency
    let across = group.nodes > 1 ? startAcross + farther(group) : 0
    return CollectivePhase(
      inside: part * Double(group.ranksPerNode - 1),
      outside: part * Double(group.ranks - group.ranksPerNode),
      linkShare: exchange.linkShare, networkShare: exchange.networkShare / waiting(group),
      start: max(0, inside + max(0, across) * waiting(group)))
  }

  /// What an all-to-all between nodes starts later than one inside: where nobody measured it, what a message does.
  package var startAcross: Double {
    exchange.networkStart ?? direct.networkStart - direct.linkStart
  }

  /// Seconds of an all-to-all of messages of `part` bytes, `bytes` of a rank's together, beside those on the links.
  private func beside(_ part: Double, _ bytes: Double, isOneNode: Bool) -> Double {
    let channels = exchange.channels
    guard isOneNode else {
      return part <= exchange.lowLatencyBytes
        ? exchange.lowLatencyStart + part / exchange.lowLatencyRate : exchange.start
    }
    if part <= exchange.lowLatencyBytesInside {
      return exchange.lowLatencyStart
        + channels.lowLatencyLoad(part, of: bytes) / exchange.lowLatencyRate
    }
    return exchange.start + exchange.fill(channels.load(part, of: bytes) * channels.count)
      + part / exchange.ownRate
  }

  /// Every ring passes each rank's link once, and enters and leaves a node through the same adapter.
  ///
  /// One pass is a reduce-scatter or an all-gather, two are an all-reduce.
  private func ring(
    _ bytes: Double, _ group: CollectiveGroup, _ passes: Int, _ wire: WireProtocol
  ) -> CollectivePhase {
    let steps = self.steps(wire)
    let (count, lanes) = (Double(group.ranks), Double(group.ranksPerNode))
    let sent = Double(passes) * (count - 1) / count * bytes
    let hops = group.nodes > 1 ? Double(passes * group.nodes) - Double(passes) : 0
    let inner = Double(passes) * (count - 1) - hops
    // A step of whole chunks posts three times to the network, others once (NCCL's tuning.cc).
    let posts = wire == .simple ? 3.0 : 1
    let step = group.nodes > 1 ? max(self.step(wire), posts * rings.overhead) : self.step(wire)
    let loss = 1 - pairLoss / Double(max(2, group.ranksPerNode))
    // Words and lines carry flags on the network as they do inside.
    let share = wire == .simple ? ringShare(group) : min(ringShare(group), steps.linkShare)
    return CollectivePhase(
      inside: group.ranksPerNode > 1 ? sent : 0, outside: group.nodes > 1 ? sent / lanes : 0,
      linkShare: steps.linkShare * loss,
      networkShare: share / waiting(group),
      start: steps.start + inner * step + hops * hop(wire, group) * waiting(group)
        + steps.fill(bytes))
  }

  /// Up and down two trees of nodes, half of the bytes each, and along a chain inside nodes.
  private func tree(
    _ bytes: Double, _ group: CollectiveGroup, _ wire: WireProtocol
  ) -> CollectivePhase {
    let depth = Double.log2(Double(group.nodes)).rounded(.down)
    let chain = Double(group.ranksPerNode - 1)
    let isLowLatency = wire != .simple
    let wire = isLowLatency ? WireProtocol.lowLatency : .simple
    let steps = self.steps(wire)
    let level = isLowLatency ? trees.lowLatencyLevel : trees.level + trees.fill(bytes)
    let far = max(0, level + farther(group)) * waiting(group)
    return CollectivePhase(
      inside: group.ranksPerNode > 1 ? 2 * bytes : 0,
      outside: Self.treeLoad(group.nodes) * bytes / Double(group.ranksPerNode),
      linkShare: steps.linkShare,
      networkShare: (isLowLatency ? trees.lowLatencyShare : trees.networkShare) / waiting(group),
      start: steps.start + 2 * (chain * step(wire) + depth * far))
  }

  /// The switch reads every rank's bytes and writes every rank's part of the sum to all.
  private func sumInSwitch(_ bytes: Double, _ group: CollectiveGroup) -> CollectivePhase {
    guard let inSwitch else { preconditionFailure("This cluster's switches add nothing up.") }
    let depth = Double.log2(Double(group.nodes)).rounded(.down)
    let isOneNode = group.nodes == 1
    let lanes = Double(group.ranksPerNode)
    let level = max(0, trees.level + trees.fill(bytes) + farther(group)) * waiting(group)
    return CollectivePhase(
      inside: bytes * (1 + 1 / lanes),
      outside: isOneNode ? 0 : Self.treeLoad(group.nodes) * bytes / lanes,
      linkShare: isOneNode ? inSwitch.linkShare : inSwitch.linkShareAcross,
      networkShare: trees.networkShare / waiting(group),
      start: isOneNode
        ? inSwitch.start + inSwitch.fill(bytes) : simple.start + 2 * depth * level)
  }

  /// Bytes that the busiest node of two mirrored binary trees sends, over the message's.
  ///
  /// Half of the message goes up and down each tree. Two nodes are each other's only neighbour; of three,
  /// the one between sends to two; from four on an inner node has a parent and two children, and is a
  /// leaf of the other tree.
  static func treeLoad(_ nodes: Int) -> Double {
    switch nodes {
    case ...1: 0
    case 2: 1
    case 3: 1.5
    default: 2
    }
  }
}
