import Clusters
import Costs

/// What collectives of one kind over one measured group take, as `cost` prices them on a cluster: over the links
/// between the first ranks of as many nodes, and with the latency of their paths.
///
/// Groups that the cluster is too small for have no paths there: for these the formulas alone count.
struct GroupPricing: Sendable {
  private let cell: CollectiveCell
  private let ways: [(way: CollectiveWay, loads: CollectiveLoads)]
  /// Seconds of a hop between its nodes; nil inside one, or where the cluster has no such ranks.
  private let latency: Double?

  /// - Parameter cell: one of the group's, of any size.
  init(_ cell: CollectiveCell, on cluster: Cluster, _ constants: CollectiveConstants) {
    self.cell = cell
    let ranks = cluster.firstRanks(cell.ranks, onNodes: cell.nodes)
    latency = ranks.flatMap { cluster.latencyOfHops(among: $0) }
    guard let ranks, let operation = cell.kind.operation else {
      ways = []
      return
    }
    let contention = CollectiveContention(cluster, constants)
    let all = contention.ways(of: operation, in: contention.group(of: ranks), by: nil)
    var loads: [CollectiveAlgorithm: CollectiveLoads] = [:]
    for way in all where loads[way.algorithm] == nil {
      loads[way.algorithm] = contention.loads(operation, by: way.algorithm, over: [ranks])
    }
    ways = all.compactMap { way in loads[way.algorithm].map { (way, $0) } }
  }

  /// Seconds by the fastest way, of so many bytes and by some constants.
  func seconds(_ bytes: Double, _ constants: CollectiveConstants) -> Double {
    guard ways.isEmpty else {
      return ways.reduce(.infinity) {
        min($0, $1.loads.seconds(by: $1.way, bytes: bytes, with: constants))
      }
    }
    if cell.kind == .send {
      return CollectiveCost(constants).send(
        bytes: bytes, insideNode: cell.nodes == 1, latency: latency
      ).seconds
    }
    var cell = cell
    cell.bytes = bytes
    return cell.predictedSeconds(constants)
  }
}

extension CollectiveCell.Kind {
  /// The collective; nil for a message.
  fileprivate var operation: CollectiveOperation? {
    switch self {
    case .allReduce: .allReduce
    case .allGather: .allGather
    case .reduceScatter: .reduceScatter
    case .allToAll: .allToAll
    case .send: nil
    }
  }
}

extension Cluster {
  /// The first ranks of as many nodes; nil where the cluster has fewer of either.
  func firstRanks(_ count: Int, onNodes nodes: Int) -> [Int]? {
    let devices = node.devices.value
    let perNode = (count + nodes - 1) / nodes
    guard nodes <= self.nodes.value, perNode <= devices else { return nil }
    let all = (0..<nodes).flatMap { node in (0..<perNode).map { node * devices + $0 } }
    return Array(all.prefix(count))
  }
}
