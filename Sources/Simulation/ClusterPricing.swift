import Clusters
import Costs
import Documents
import Models
import Plans
import Programs

/// Prices of a plan on a cluster, from the cost model.
///
/// Kernels of fixed size are priced once per kind and kept; those of routed rows are priced at whole
/// blocks of rows.
public struct ClusterPricing: Pricing {
  let cluster: Cluster
  let plan: Plan
  /// The device with the constants that kernels are priced by.
  public private(set) var device: DeviceModel
  private(set) var kernels: KernelPricing
  private(set) var exchange: ExchangePricing
  /// Multiprocessors of exchanges; 0 where there are none and the plan reserves none.
  let communicationSMs: Int
  private let collectives: CollectiveCost
  private let distances: GroupDistances
  /// Nil where closed forms say all about links.
  let sharedLinks: SharedLinks?
  private let messageEnds: MessageEnds
  private let keyValueReplicas: Int

  /// Prices for a plan of a model on a cluster.
  ///
  /// - Throws: `ConfigurationError` if the cluster's file lacks a constant.
  public init(_ cluster: Cluster, plan: Plan, architecture: Architecture) throws(ConfigurationError)
  {
    try self.init(cluster, plan: plan, architecture: architecture, sharing: nil)
  }

  /// The same, with what other steps have asked of the device.
  package init(
    _ cluster: Cluster, plan: Plan, architecture: Architecture, sharing book: PriceBook?
  ) throws(ConfigurationError) {
    self.cluster = cluster
    self.plan = plan
    device =
      if let book { try book.model(of: cluster.device) } else { try DeviceModel(cluster.device) }
    keyValueReplicas = LoweringSetting(plan, target: .device).keyValueReplicas(of: architecture)
    distances = GroupDistances(plan, keyValueReplicas: keyValueReplicas, on: cluster)
    let usual = try plan.usualCommunicationSMs(on: cluster, for: architecture)?.count
    communicationSMs = plan.communicationSMs ?? usual ?? 0
    kernels = KernelPricing(
      cluster.device, device, plan: plan, communicationSMs: communicationSMs)
    let constants = try CollectiveConstants(cluster)
    exchange = try ExchangePricing(
      cluster, plan, architecture, constants, farthest: distances.farthestExpert,
      multiprocessors: communicationSMs)
    collectives = CollectiveCost(constants)
    sharedLinks = SharedLinks(cluster, plan, constants)
    messageEnds = MessageEnds(cluster, plan)
  }

  /// The same prices with kernels at another clock, hertz.
  package func running(at clock: Double) -> ClusterPricing { running(at: clock, sharing: nil) }

  /// The same with prices that other steps have asked for at this clock.
  func running(at clock: Double, sharing book: PriceBook?) -> ClusterPricing {
    var pricing = self
    pricing.device.loadedClock = clock
    func made() -> KernelPricing {
      KernelPricing(
        cluster.device, pricing.device, plan: plan, communicationSMs: communicationSMs)
    }
    pricing.kernels =
      book?.kernels(
        KernelPricing.Basis(
          cluster.device, clock: clock, plan, communicationSMs: communicationSMs), made) ?? made()
    return pricing
  }

  /// The prices of programs of inference.
  func serving() -> ClusterPricing {
    var pricing = self
    pricing.kernels.serves = true
    return pricing
  }

  /// The same prices with exchanges at one end of what their multiprocessors move.
  func exchanging(at end: MultiprocessorRate.End) -> ClusterPricing {
    var pricing = self
    pricing.exchange = exchange.at(end)
    return pricing
  }

  /// The library that multiplies the operands of the plan's linear maps.
  public var library: MatmulLibrary? {
    plan.precision.linearOperands == .e4m3
      ? device.libraryOfFP8(plan.precision.scaling, chosen: plan.library)
      : device.library(for: .bf16, chosen: plan.library)
  }

  /// Refuses to offload where the cluster's file does not say what joins device and host.
  func checkOffload() throws(PlanError) {
    guard !plan.offload.isNothing, cluster.device.hostLink == nil else { return }
    throw .cannotSimulate(
      key: "offload",
      value: "{activations: \(plan.offload.activations), optimizer: \(plan.offload.optimizer)}",
      rule: "needs device.host-link, which \(cluster.name) does not describe")
  }

  /// Refuses a library that the cluster's file does not describe.
  func checkLibrary() throws(PlanError) {
    guard let chosen = plan.library else { return }
    let scaling = plan.precision.scaling
    if chosen.isFP8, scaling != .microscaling, chosen.scalesTensors != scaling.isOfTensors {
      throw .cannotSimulate(
        key: "library", value: chosen.rawValue,
        rule: "multiplies FP8 with one scale a \(chosen.scalesTensors ? "tensor" : "block"), and "
          + "precision.fp8-scaling is \(scaling.rawValue)")
    }
    guard device.matmuls[chosen] == nil else { return }
    let known = device.libraries(for: chosen.precision)
      .filter { $0.scalesTensors == (scaling.isOfTensors && $0.isFP8) }.map(\.rawValue)
    throw .cannotSimulate(
      key: "library", value: chosen.rawValue,
      rule: "is not among the matrix products that \(cluster.name) describes for "
        + "\(cluster.device.name)"
        + (known.isEmpty ? "" : "; there is \(known.joined(separator: ", "))"))
  }

  /// Refuses sums in a switch where no switch adds up, or too few ranks of a node take part.
  func checkAlgorithm() throws(PlanError) {
    guard plan.collectiveAlgorithm == .inSwitch, plan.replicas > 1 else { return }
    func refused(_ rule: String) -> PlanError {
      .cannotSimulate(key: "collective-algorithm", value: "in-switch", rule: rule)
    }
    guard let least = collectives.leastRanksInSwitch else {
      throw refused(
        "needs switches that add up, and \(cluster.name) has no node.collectives.in-switch")
    }
    let ranks = group(.gradient).ranksPerNode
    guard ranks < least else { return }
    throw refused(
      "needs \(least) ranks of a node in every group of data ranks (node.collectives.in-switch."
        + "from-ranks), and \(ranks == 1 ? "1 takes" : "\(ranks) take") part")
  }

  /// The rows of one exchange where every rank receives the same; those of experts are the rows of all
  /// ranks that hold slices of them.
  public func balancedRows(_ architecture: Architecture) -> (received: Int, routed: Int, sent: Int)
  {
    exchange.balancedRows(architecture)
  }

  public func seconds(of operation: Operation, rows: ExchangeRows, isOverlapped: Bool) -> Double {
    seconds(of: operation, rows: rows, isOverlapped: isOverlapped, channels: 0)
  }

  public func seconds(
    of operation: Operation, rows: ExchangeRows, isOverlapped: Bool, channels: Int
  ) -> Double {
    if case .awaited = operation.kernel { return hostSeconds(of: operation) }
    return kernels.seconds(
      of: operation, rows: rows, isOverlapped: isOverlapped, channels: channels)
  }

  /// Those of NCCL's collectives, by rings, trees and in the switch alike (16 channels of NVLS on an H200,
  /// stas00/ml-engineering network/README.md); none in a group of one.
  public func channels(of transfer: Transfer) -> Int {
    switch transfer.kind {
    case .allGather(let of), .reduceScatter(let of), .allReduce(let of):
      group(of).ranks > 1 ? collectives.channels(of: group(of)) : 0
    default: 0
    }
  }

  /// Multiprocessors that collectives over copies of the parameters may take, however many there are and
  /// whatever groups they are divided into.
  package var channelsOfCopies: Set<Int> {
    collectives.channels(ofRanksApart: plan.tensorParallel)
  }

  public func price(ofExchange transfer: Transfer, rows: ExchangeRows, isOverlapped: Bool)
    -> ExchangePrice
  {
    exchange.price(transfer, rows: rows, isOverlapped: isOverlapped)
  }

  // MARK: Collectives and messages

  public func seconds(ofCollective transfer: Transfer, stage: Int) -> Double {
    let bytes = Double(ExchangeRows()(transfer.rows)) * Double(transfer.bytesPerRow)
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
    let bytes = Double(ExchangeRows()(transfer.rows)) * Double(transfer.bytesPerRow)
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

  public func seconds(
    ofCollective transfer: Transfer, stage: Int, rank: Int, linkSlowness: LinkSlowness
  ) -> Double {
    sharedLinks?.seconds(ofCollective: transfer, rank: rank)
      ?? seconds(ofCollective: transfer, stage: stage)
      * linkSlowness(crossesNodes: crossesNodes(transfer))
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
  private func secondsOfShift(bytes: Double, _ group: CollectiveGroup) -> Double {
    let isInside = group.ranks <= group.ranksPerNode
    let neighbour = isInside ? 1 : plan.tensorParallel * (group.ranks - 1)
    let latency = group.networkLatency ?? cluster.latency(from: 0, to: neighbour)
    return collectives.startOfSend(insideNode: isInside, latency: latency)
      + collectives.secondsOfSend(bytes: bytes, insideNode: isInside)
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

  private func group(_ kind: TransferKind.Group) -> CollectiveGroup {
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

  /// Kernels over routed rows are priced at whole tiles.
  public var rowsPerBlock: Int { KernelPricing.rowsPerBlock }

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
  fileprivate var isOverDataRanks: Bool {
    switch self {
    case .gradient, .expertGradient, .sharedEmbedding, .sharedHead, .gradientShards,
      .gradientReplicas, .expertShards, .expertReplicas:
      true
    case .tensor, .expertTensor, .keyValue, .context, .position, .world: false
    }
  }
}
