import Clusters
import Costs
import Plans
import Programs

/// What goes over links: collectives, shifts, messages.
extension ClusterPricing {
  public func seconds(ofCollective transfer: Transfer, stage: Int) -> Double {
    let bytes = bytes(of: transfer)
    switch transfer.kind {
    case .allGather(let of):
      let group = group(of)
      return seconds(of: .allGather, bytes: bytes * Double(group.ranks), of)
    case .reduceScatter(let of): return seconds(of: .reduceScatter, bytes: bytes, of)
    case .allReduce(let of): return seconds(of: .allReduce, bytes: bytes, of)
    case .shift(let of): return secondsOfShift(bytes: bytes, group(of))
    case .toHost, .fromHost: return kernels.hostSeconds(bytes: bytes)
    default: return 0
    }
  }

  public func load(ofCollective transfer: Transfer) -> LinkLoad {
    let bytes = bytes(of: transfer)
    switch transfer.kind {
    case .allGather(let of): return load(of: .allGather, bytes: bytes * Double(group(of).ranks), of)
    case .reduceScatter(let of): return load(of: .reduceScatter, bytes: bytes, of)
    case .allReduce(let of): return load(of: .allReduce, bytes: bytes, of)
    default: return .none
    }
  }

  private func load(
    of operation: CollectiveOperation, bytes: Double, _ kind: TransferKind.Group
  ) -> LinkLoad {
    let group = group(kind)
    let shares = collectives.shares(
      operation, bytes: bytes, group: group, algorithm: algorithm(of: operation, kind, in: group))
    return LinkLoad(adapter: shares.adapter, link: shares.link)
  }

  public func load(ofCollective transfer: Transfer, stage: Int, over links: LinkSlowness)
    -> LinkLoad
  {
    let load = load(ofCollective: transfer)
    guard sharedLinks != nil, load != .none else { return load }
    // The same bytes in its own time, over what is left of the rank's links.
    let longer =
      seconds(ofCollective: transfer, stage: stage, over: links)
      / seconds(ofCollective: transfer, stage: stage)
    return LinkLoad(
      adapter: min(1, load.adapter * links.exchanges.network / longer),
      link: min(1, load.link * links.exchanges.node / longer))
  }

  /// Where links are degraded or thin, what the flows of all groups of the kind make it take.
  public func seconds(ofCollective transfer: Transfer, stage: Int, over links: LinkSlowness)
    -> Double
  {
    guard let sharedLinks else {
      return seconds(ofCollective: transfer, stage: stage)
        * links(crossesNodes: crossesNodes(transfer))
    }
    if case .shift(let of) = transfer.kind {
      return links.stretch
        * secondsOfShift(
          bytes: bytes(of: transfer), group(of),
          slowness: sharedLinks.slownessOfShift(of, over: links))
    }
    return links.stretch
      * (sharedLinks.seconds(ofCollective: transfer, over: links)
        ?? seconds(ofCollective: transfer, stage: stage))
  }

  private func bytes(of transfer: Transfer) -> Double {
    Double(ExchangeRows()(transfer.rows)) * Double(transfer.bytesPerRow)
  }

  /// By the plan's algorithm over data ranks, by the fastest elsewhere.
  private func seconds(
    of operation: CollectiveOperation, bytes: Double, _ kind: TransferKind.Group
  ) -> Double {
    let group = group(kind)
    let algorithm = algorithm(of: operation, kind, in: group)
    return collectives.cost(operation, bytes: bytes, group: group, algorithm: algorithm).seconds
  }

  private func algorithm(
    of operation: CollectiveOperation, _ kind: TransferKind.Group, in group: CollectiveGroup
  ) -> Costs.CollectiveAlgorithm? {
    kind.isOverDataRanks ? plan.algorithm(of: operation, in: group, collectives) : nil
  }

  /// Every rank of a group sends to the next at once: the slowest way is between nodes where there is one.
  private func secondsOfShift(
    bytes: Double, _ group: CollectiveGroup, slowness: Double = 1
  ) -> Double {
    let isInside = group.ranks <= group.ranksPerNode
    let neighbour = isInside ? 1 : plan.tensorParallel * (group.ranks - 1)
    let latency = group.networkLatency ?? cluster.latency(from: 0, to: neighbour)
    return collectives.startOfSend(insideNode: isInside, latency: latency)
      + collectives.secondsOfSend(bytes: bytes, insideNode: isInside) * slowness
  }

  public func crossesNodes(_ transfer: Transfer) -> Bool {
    switch transfer.kind {
    case .allGather(let of), .reduceScatter(let of), .allReduce(let of), .shift(let of):
      let group = group(of)
      return group.ranks > group.ranksPerNode
    case .counts, .dispatch, .combine, .combineBackward, .dispatchBackward:
      return plan.expertParallel > plan.expertRanksPerNode(on: cluster)
    case .toHost, .fromHost: return false
    }
  }

  func group(_ kind: TransferKind.Group) -> CollectiveGroup {
    var group = size(kind)
    group.networkLatency = distances.hops[kind]
    return group
  }

  /// Of copies that lie `apart` ranks from each other, those that divide their state, or own equal shards.
  private func part(
    of copies: Int, apart: Int, _ size: Int, isShards: Bool
  ) -> CollectiveGroup {
    let perNode = cluster.node.devices.value
    let (ranks, step) = isShards ? (size, apart) : (copies / size, apart * size)
    return CollectiveGroup(ranks: ranks, ranksPerNode: max(1, min(ranks, perNode / step)))
  }

  private func size(_ kind: TransferKind.Group) -> CollectiveGroup {
    let perNode = cluster.node.devices.value
    let directions = plan.isBidirectional ? 2 : 1
    let replicas = plan.dataParallel * plan.contextParallel
    switch kind {
    case .tensor:
      return CollectiveGroup(
        ranks: plan.tensorParallel, ranksPerNode: min(plan.tensorParallel, perNode))
    case .context:
      return CollectiveGroup(
        ranks: plan.contextParallel,
        ranksPerNode: max(1, min(plan.contextParallel, perNode / plan.tensorParallel)))
    case .gradient, .sharedEmbedding, .sharedHead:
      return CollectiveGroup(
        ranks: replicas * directions,
        ranksPerNode: max(1, min(replicas, perNode / plan.tensorParallel)))
    case .gradientShards, .gradientReplicas:
      return part(
        of: replicas, apart: plan.tensorParallel, plan.shardingRanks ?? replicas,
        isShards: kind == .gradientShards)
    case .expertShards, .expertReplicas:
      let apart = plan.expertParallel * plan.expertTensorParallel
      let copies = replicas * plan.tensorParallel / apart
      return part(
        of: copies, apart: apart, plan.expertShardingRanks ?? copies,
        isShards: kind == .expertShards)
    case .keyValue:
      // Consecutive ranks of a tensor group.
      return CollectiveGroup(
        ranks: keyValueReplicas, ranksPerNode: min(keyValueReplicas, perNode))
    case .expertTensor:
      return CollectiveGroup(
        ranks: plan.expertTensorParallel, ranksPerNode: min(plan.expertTensorParallel, perNode))
    case .expertGradient:
      // Copies lie an expert group with its slices apart.
      let apart = plan.expertParallel * plan.expertTensorParallel
      let copies = replicas * plan.tensorParallel / apart
      // Those of the other direction lie on another pipeline position.
      return CollectiveGroup(
        ranks: copies * directions, ranksPerNode: max(1, min(copies, perNode / apart)))
    case .position:
      let ranks = replicas * plan.tensorParallel
      return CollectiveGroup(ranks: ranks, ranksPerNode: min(ranks, perNode))
    case .world:
      return CollectiveGroup(ranks: plan.worldSize, ranksPerNode: min(plan.worldSize, perNode))
    }
  }

  /// A message over the adapters, or inside a node; with scattered sends each rank of a tensor group
  /// carries its part and gathers the others' behind it.
  ///
  /// Where links are as described, all replicas are priced by the longest way among them; else each has its
  /// own way.
  public func price(ofMessage bytes: Int, from: Int, to: Int, replica: Int) -> MessagePrice {
    let ends =
      sharedLinks == nil
      ? messageEnds.farthest(from: from, to: to)
      : messageEnds.pair(from: from, to: to, replica: replica)
    var part = Double(bytes)
    var latency = collectives.startOfSend(insideNode: ends.isInside, latency: ends.latency)
    if plan.scattersPipelineSends {
      latency += collectives.allGather(bytes: part, group: group(.tensor)).seconds
      part /= Double(plan.tensorParallel)
    }
    let moving = collectives.secondsOfSend(bytes: part, insideNode: ends.isInside)
    let slowness =
      sharedLinks?.messageSlowness(from: ends.source, distance: ends.destination - ends.source) ?? 1
    return MessagePrice(
      latency: latency, moving: moving, usesAdapter: !ends.isInside, share: 1 / slowness)
  }

  public func secondsOfAgreement() -> Double {
    plan.worldSize == 1 ? 0 : collectives.allReduce(bytes: 8, group: group(.world)).seconds
  }
}

extension Plan {
  /// How the plan wants an operation over data ranks carried out; nil for the fastest way, also where
  /// the plan's algorithm cannot do it: a tree neither scatters nor gathers, and few ranks of a node do
  /// not make its switch add.
  func algorithm(
    of operation: CollectiveOperation, in group: CollectiveGroup, _ cost: CollectiveCost
  ) -> Costs.CollectiveAlgorithm? {
    collectiveAlgorithm.flatMap { wanted in
      operation.algorithms.first {
        $0.rawValue == wanted.rawValue && cost.canCarryOut(operation, in: group, by: $0)
      }
    }
  }
}

extension TransferKind.Group {
  /// Joins copies of parameters.
  var isOverDataRanks: Bool {
    switch self {
    case .gradient, .expertGradient, .sharedEmbedding, .sharedHead, .gradientShards,
      .gradientReplicas, .expertShards, .expertReplicas:
      true
    case .tensor, .expertTensor, .keyValue, .context, .position, .world: false
    }
  }
}
