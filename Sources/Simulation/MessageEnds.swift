import Clusters
import Plans
import Synchronization

/// The ranks at the ends of messages between pipeline positions, of the replica whose way is longest.
///
/// Neighbours of some replicas share a node or a leaf switch, those of others do not. A step ends with its
/// slowest replica, and where a rank stands for all that do the same it stands for that one, too.
final class MessageEnds: Sendable {
  struct Pair: Hashable, Sendable {
    var source: Int
    var destination: Int
    var isInside: Bool
    /// Seconds of the way from one to the other.
    var latency: Double
  }

  private struct Positions: Hashable {
    var from: Int
    var to: Int
  }

  private let cluster: Cluster
  /// Ranks of one pipeline position.
  private let replicas: Int
  private let known = Mutex<[Positions: Pair]>([:])

  init(_ cluster: Cluster, _ plan: Plan) {
    self.cluster = cluster
    replicas = plan.worldSize / plan.pipelineParallel
  }

  /// The ends in one replica.
  func pair(from: Int, to: Int, replica: Int) -> Pair {
    let source = from * replicas + replica
    let destination = to * replicas + replica
    return Pair(
      source: source, destination: destination,
      isInside: cluster.node(of: source) == cluster.node(of: destination),
      latency: cluster.latency(from: source, to: destination))
  }

  /// The ends in the first of the replicas that cross nodes, if any do, and have the largest latency.
  func farthest(from: Int, to: Int) -> Pair {
    let positions = Positions(from: from, to: to)
    if let pair = known.withLock({ $0[positions] }) { return pair }
    var farthest = pair(from: from, to: to, replica: 0)
    for replica in 1..<max(1, replicas) {
      let other = pair(from: from, to: to, replica: replica)
      if (other.isInside ? 0 : 1, other.latency) > (farthest.isInside ? 0 : 1, farthest.latency) {
        farthest = other
      }
    }
    known.withLock { $0[positions] = farthest }
    return farthest
  }
}
