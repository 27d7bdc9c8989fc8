import Clusters
import Costs
import Plans
import Programs
import Quantities
import Schedules
import Synchronization

/// How the ranks of a plan share the links of a cluster that has degraded or thin ones.
///
/// Compared is the described cluster with the same one where nothing is degraded and every layer of
/// switches has full uplinks. All ranks are taken to do the same at the same time: to exchange, to send to
/// the next or the previous position, to reduce.
final class SharedLinks: Sendable {
  private let cluster: Cluster
  private let ideal: Cluster
  private let plan: Plan
  private let contention: CollectiveContention
  private let known = Mutex<Known>(Known())

  private struct Known {
    /// By the distance between source and destination.
    var messages: [Int: [Double]] = [:]
    /// By whether they are of experts.
    var groups: [Bool: Groups] = [:]
    var loads: [Counted: CollectiveLoads] = [:]
    /// Seconds by group.
    var collectives: [Reduction: [Double]] = [:]
  }

  /// All groups of a kind, and each rank's own among them.
  private struct Groups {
    var members: [[Int]]
    var number: [Int]
  }

  private struct Counted: Hashable {
    var operation: CollectiveOperation
    var isExpert: Bool
    var algorithm: Costs.CollectiveAlgorithm
  }

  private struct Reduction: Hashable {
    var operation: CollectiveOperation
    var isExpert: Bool
    var bytes: Double
  }

  /// Nil where no link is degraded or shared: then closed forms are exact.
  init?(_ cluster: Cluster, _ plan: Plan, _ constants: CollectiveConstants) {
    if cluster.isUniform, cluster.hasUnsharedLinks { return nil }
    self.cluster = cluster
    ideal = cluster.withFullLinks
    self.plan = plan
    contention = CollectiveContention(cluster, constants)
  }

  // MARK: Exchanges

  /// How much slower the links of each rank are while all ranks exchange.
  ///
  /// Every rank sends over the network to its counterpart half of its expert group's nodes away, of the
  /// world's where the group is in one node, and to its neighbour inside the node. A failed adapter, a slow link and thin uplinks all show as a lower
  /// rate.
  func exchangeSlowness() -> [LinkSlowness] {
    let network = slowness(of: networkPeers)
    let inside = slowness(of: nodePeers)
    return zip(network, inside).map { LinkSlowness(network: $0, node: $1) }
  }

  private func slowness(of peers: [Int]) -> [Double] {
    var slowness = [Double](repeating: 1, count: peers.count)
    for (rank, factor) in factors(peers).enumerated() where factor > 1 {
      // Both ends notice.
      slowness[rank] = max(slowness[rank], factor)
      slowness[peers[rank]] = max(slowness[peers[rank]], factor)
    }
    return slowness
  }

  /// By what every rank's flow to its peer is slower while all of them are under way; 1 if it is not.
  private func factors(_ peers: [Int]) -> [Double] {
    zip(Self.rates(ideal, peers), Self.rates(cluster, peers)).map { described, left in
      // Less than a billionth is rounding.
      let factor = described / left
      return factor > 1 + 1e-9 ? factor : 1
    }
  }

  /// Bytes per second of every rank's flow to its peer while all of them are under way.
  private static func rates(_ cluster: Cluster, _ peers: [Int]) -> [Double] {
    var sharing = FairSharing(cluster)
    var numbers: [Int] = []
    for (rank, peer) in peers.enumerated() where rank != peer {
      let path = cluster.path(from: rank, to: peer)
      // Flows so large that none ends before the rates are read.
      sharing.begin(bytes: ByteCount(Int64(1) << 50), over: path.hops.lazy.map(\.id))
      numbers.append(rank)
    }
    var rates = [Double](repeating: 1, count: peers.count)
    for (rate, rank) in zip(sharing.rates(), numbers) { rates[rank] = rate.value }
    return rates
  }

  /// The rank of the same number half of the expert group's, or else the world's, nodes away.
  private var networkPeers: [Int] {
    let perNode = cluster.node.devices.value
    let group = max(1, plan.expertParallel * plan.expertTensorParallel / perNode)
    let world = max(1, plan.worldSize / perNode)
    let span = group > 1 ? group : world
    return (0..<plan.worldSize).map { rank in
      let node = rank / perNode
      let peer = node / span * span + (node % span + max(1, span / 2)) % span
      let other = peer * perNode + rank % perNode
      return other < plan.worldSize ? other : rank
    }
  }

  /// The next rank of the node.
  private var nodePeers: [Int] {
    let perNode = min(cluster.node.devices.value, plan.worldSize)
    return (0..<plan.worldSize).map { rank in
      let first = rank / perNode * perNode
      let other = first + (rank - first + 1) % perNode
      return other < plan.worldSize ? other : rank
    }
  }

  // MARK: Messages

  /// By what a message from a rank to the one `distance` further is slower while all ranks send as far.
  func messageSlowness(from rank: Int, distance: Int) -> Double {
    if let factors = known.withLock({ $0.messages[distance] }) { return factors[rank] }
    let peers = (0..<plan.worldSize).map { source in
      (0..<plan.worldSize).contains(source + distance) ? source + distance : source
    }
    let factors = factors(peers)
    known.withLock { $0.messages[distance] = factors }
    return factors[rank]
  }

  // MARK: Reductions

  /// Seconds of a rank's collective over the ranks that share its parameters, while all groups of its
  /// kind carry out theirs; nil for other collectives.
  func seconds(ofCollective transfer: Transfer, rank: Int) -> Double? {
    let bytes = Double(ExchangeRows()(transfer.rows)) * Double(transfer.bytesPerRow)
    let reduction: Reduction
    switch transfer.kind {
    case .reduceScatter(let of):
      guard let isExpert = of.isOfExperts else { return nil }
      reduction = Reduction(operation: .reduceScatter, isExpert: isExpert, bytes: bytes)
    case .allReduce(let of):
      guard let isExpert = of.isOfExperts else { return nil }
      reduction = Reduction(operation: .allReduce, isExpert: isExpert, bytes: bytes)
    case .allGather(let of):
      guard let isExpert = of.isOfExperts else { return nil }
      let parts = Double(groups(ofExperts: isExpert).members[0].count)
      reduction = Reduction(operation: .allGather, isExpert: isExpert, bytes: bytes * parts)
    default: return nil
    }
    let group = groups(ofExperts: reduction.isExpert).number[rank]
    if let seconds = known.withLock({ $0.collectives[reduction] }) { return seconds[group] }
    let seconds = seconds(of: reduction)
    known.withLock { $0.collectives[reduction] = seconds }
    return seconds[group]
  }

  /// By the plan's algorithm, else by that whose slowest group is fastest; by group.
  private func seconds(of reduction: Reduction) -> [Double] {
    let groups = groups(ofExperts: reduction.isExpert).members
    let most = groups.map { contention.group(of: $0) }.max { $0.ranksPerNode < $1.ranksPerNode }
    let ways = most.map {
      contention.ways(
        of: reduction.operation, in: $0, by: plan.algorithm(of: reduction.operation))
    }
    let choices = (ways ?? []).map { way in
      loads(of: reduction, by: way.algorithm).outcomes(by: way, bytes: reduction.bytes)
        .map(\.cost.seconds)
    }
    return choices.min { ($0.max() ?? 0) < ($1.max() ?? 0) } ?? []
  }

  /// What all groups of a kind put on links at once.
  private func loads(
    of reduction: Reduction, by algorithm: Costs.CollectiveAlgorithm
  ) -> CollectiveLoads {
    let counted = Counted(
      operation: reduction.operation, isExpert: reduction.isExpert, algorithm: algorithm)
    if let loads = known.withLock({ $0.loads[counted] }) { return loads }
    let loads = contention.loads(
      reduction.operation, by: algorithm,
      over: groups(ofExperts: reduction.isExpert).members)
    known.withLock { $0.loads[counted] = loads }
    return loads
  }

  /// All groups of ranks that hold the same parameters, each once.
  private func groups(ofExperts isExpert: Bool) -> Groups {
    if let groups = known.withLock({ $0.groups[isExpert] }) { return groups }
    let mesh = plan.mesh
    let positions = plan.pipelineParallel
    let placement: Placement =
      plan.isBidirectional
      ? .bidirectional(ranks: positions) : .fixed(Array(0..<positions))
    var number = [Int](repeating: -1, count: plan.worldSize)
    var members: [[Int]] = []
    for rank in 0..<plan.worldSize where number[rank] < 0 {
      let position = mesh.coordinates(of: rank).pipeline
      let group =
        isExpert
        ? mesh.expertGradientGroup(ofStage: position, placement: placement, rank: rank)
        : mesh.gradientGroup(ofStages: [position], placement: placement, rank: rank)
      for member in group { number[member] = members.count }
      members.append(group)
    }
    let groups = Groups(members: members, number: number)
    known.withLock { $0.groups[isExpert] = groups }
    return groups
  }
}

extension TransferKind.Group {
  /// Whether it reduces parameters of experts or those of every rank; nil for other groups.
  fileprivate var isOfExperts: Bool? {
    switch self {
    case .gradient: false
    case .expertGradient: true
    default: nil
    }
  }
}
