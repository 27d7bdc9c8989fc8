import Clusters
import Quantities

/// Which nodes of a cluster are slow: every node by itself, from the seed and the node's number.
package struct SlowHostDraws {
  private let hosts: SlowHosts?
  private let seed: UInt64
  private let devices: Int

  /// - Parameter seedOffset: how many seeds further than the cluster's.
  package init(_ cluster: Cluster, seedOffset: UInt64) {
    hosts = cluster.slowHosts
    seed = (cluster.slowHosts?.seed ?? 0) &+ seedOffset
    devices = cluster.node.devices.value
  }

  /// Whether seeds give other nodes: not where all or none are slow, or slow ones are as fast.
  var isDrawn: Bool {
    guard let hosts else { return false }
    return hosts.share.value > 0 && hosts.share.value < 1 && hosts.speed.value < 1
  }

  /// How many times what the described device takes that of a rank does.
  package func slowness(of rank: Int) -> Double {
    guard let hosts else { return 1 }
    var first = SeededGenerator(seed: seed)
    var second = SeededGenerator(seed: first.next() ^ UInt64(rank / devices))
    let even = (Double(second.next() >> 12) + 0.5) / 4_503_599_627_370_496
    return even < hosts.share.value ? 1 / hosts.speed.value : 1
  }
}
