import Clusters
import Quantities

extension ClusterPricing {
  /// How much slower than described the links of each rank are when all ranks use theirs at once.
  ///
  /// Every rank sends to its counterpart half of its expert group's nodes away, over the network, and
  /// to its neighbour inside the node; flows share links max-min fairly. A failed adapter, a slow
  /// link and thin uplinks all show as a lower rate than on the same cluster without them.
  var linkSlowness: [Double] {
    let healthy = cluster.healthy
    let network = slowness(healthy, of: networkPeers)
    let inside = slowness(healthy, of: nodePeers)
    return zip(network, inside).map { max($0, $1) }
  }

  private func slowness(_ healthy: Cluster, of peers: [Int]) -> [Double] {
    let described = Self.rates(healthy, peers)
    let degraded = Self.rates(cluster, peers)
    var slowness = [Double](repeating: 1, count: peers.count)
    for (rank, peer) in peers.enumerated() where peer != rank {
      // Both ends notice; less than a billionth is rounding.
      let factor = described[rank] / degraded[rank]
      guard factor > 1 + 1e-9 else { continue }
      slowness[rank] = max(slowness[rank], factor)
      slowness[peer] = max(slowness[peer], factor)
    }
    return slowness
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
    var rates = [Double](repeating: .infinity, count: peers.count)
    for (rate, rank) in zip(sharing.rates(), numbers) { rates[rank] = rate.value }
    return rates
  }

  /// The rank of the same number half of the expert group's nodes away; itself on one node.
  private var networkPeers: [Int] {
    let perNode = cluster.node.devices.value
    let group = max(1, plan.expertParallel * plan.tensorParallel * plan.contextParallel / perNode)
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

  /// A message between the pipeline ranks of one replica, over the links that really join them.
  public func seconds(ofMessage bytes: Int, from: Int, to: Int, replica: Int) -> Double {
    let described = seconds(ofMessage: bytes, from: from, to: to)
    if cluster.isUniform { return described }
    let stride = plan.worldSize / plan.pipelineParallel
    let (source, destination) = (from * stride + replica, to * stride + replica)
    let healthy = cluster.healthy.path(from: source, to: destination).bandwidth.value
    let left = cluster.path(from: source, to: destination).bandwidth.value
    return described * max(1, healthy / left)
  }
}
