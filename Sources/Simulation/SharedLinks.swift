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
/// the next or the previous position, to reduce, to gather.
final class SharedLinks: Sendable {
  let cluster: Cluster
  private let ideal: Cluster
  let plan: Plan
  /// Ranks of a tensor group that hold the same key and value head.
  let keyValueReplicas: Int
  let contention: CollectiveContention
  let known = Mutex<Known>(Known())

  struct Known {
    /// By the distance between source and destination.
    var messages: [Int: [Double]] = [:]
    /// By whether they are of experts.
    var groups: [TransferKind.Group: Groups] = [:]
    var loads: [Counted: CollectiveLoads] = [:]
    /// Seconds by group.
    var collectives: [Reduction: [Double]] = [:]
    /// By what shifts within groups of a kind are slower, by rank.
    var shifts: [TransferKind.Group: [Double]] = [:]
    /// By rank, and a rank of each number of those that are alike.
    var slowness: [LinkSlowness] = []
    var examples: [Int] = []
  }

  /// Nil where no link is degraded or shared: then closed forms are exact.
  init?(
    _ cluster: Cluster, _ plan: Plan, _ constants: CollectiveConstants, keyValueReplicas: Int
  ) {
    if cluster.isUniform, cluster.hasUnsharedLinks { return nil }
    self.cluster = cluster
    ideal = cluster.withFullLinks
    self.plan = plan
    self.keyValueReplicas = keyValueReplicas
    contention = CollectiveContention(cluster, constants)
  }

  // MARK: Exchanges

  /// By what bytes take longer over the links of each rank while all ranks exchange.
  ///
  /// Every rank sends over the network to its counterpart half of its expert group's nodes away, of the
  /// world's where the group is in one node, and to its neighbour inside the node. A failed adapter, a slow link
  /// and thin uplinks all show as a lower rate.
  func exchangeStretch() -> [LinkStretch] {
    let network = slowness(of: networkPeers)
    let inside = slowness(of: nodePeers)
    return zip(network, inside).map { LinkStretch(network: $0, node: $1) }
  }

  /// By what each rank's flow to its peer, or from it, is slower.
  func slowness(of peers: [Int]) -> [Double] {
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
    var path: [LinkID] = []
    for (rank, peer) in peers.enumerated() where rank != peer {
      path.removeAll(keepingCapacity: true)
      cluster.forEachLink(from: rank, to: peer) { path.append($0) }
      // Flows so large that none ends before the rates are read.
      sharing.begin(bytes: ByteCount(Int64(1) << 50), over: path)
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
}
