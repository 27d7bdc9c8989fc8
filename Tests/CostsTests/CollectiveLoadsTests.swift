import Clusters
import Costs
import Quantities
import Testing

/// Loads that are counted once for all sizes are those of every flow over every link.
@Suite struct CollectiveLoadsTests {
  private struct Flow {
    var source: Int
    var destination: Int
    var bytes: Double
  }

  static let networks: [[String]] = [
    ["network.layers[0].oversubscription=3"],
    ["network.layers[0].oversubscription=7", "network.attachment=node"],
    [
      "network.layers=[{radix: 8, oversubscription: 1}, {radix: 8, oversubscription: 3}, {radix: 16}]",
      "network.latency.cross-pod=5 us",
    ],
    ["network.layers[0].oversubscription=3", "node.link.shared-bandwidth=300 GB/s"],
    ["degraded=[{what: adapter, node: 2, index: 1, share: 0.3}]"],
    ["degraded=[{what: adapter, node: 1, index: 4, share: 0}]"],
  ]

  /// Groups of a rail each, of a node each, of all, of two ranks a node, and of uneven nodes.
  static let groups: [[[Int]]] = {
    let lanes = Array(0..<8)
    let rails: [[Int]] = lanes.map { lane in lanes.map { $0 * 8 + lane } }
    let nodes: [[Int]] = lanes.map { Array($0 * 8..<$0 * 8 + 8) }
    let pairs: [[Int]] = (0..<4).map { pair in rails[2 * pair] + rails[2 * pair + 1] }
    return [
      rails, nodes, pairs, [Array(0..<64)], [Array(0..<13), Array(13..<30), Array(30..<64)],
    ]
  }()

  /// As many rings as the largest node has members, each through all ranks and through one adapter of every
  /// node; or every rank to every other.
  private func flows(
    _ operation: CollectiveOperation, _ group: [Int], _ cluster: Cluster, _ bytes: Double
  ) -> [Flow] {
    let count = Double(group.count)
    if operation == .allToAll {
      return group.flatMap { source in
        group.filter { $0 != source }.map {
          Flow(source: source, destination: $0, bytes: bytes / count)
        }
      }
    }
    let nodes = Dictionary(grouping: group) { cluster.node(of: $0) }.sorted { $0.key < $1.key }
      .map(\.value)
    let lanes = nodes.map(\.count).max() ?? 1
    let passes = operation == .allReduce ? 2.0 : 1
    let part = passes * (count - 1) / count * bytes / Double(lanes)
    return (0..<lanes).flatMap { lane in
      nodes.indices.flatMap { index -> [Flow] in
        let (node, next) = (nodes[index], nodes[(index + 1) % nodes.count])
        var flows: [Flow] = []
        if node.count > 1 {
          flows = node.indices.map {
            Flow(source: node[$0], destination: node[($0 + 1) % node.count], bytes: part)
          }
        }
        if nodes.count > 1 {
          flows.append(
            Flow(
              source: node[lane % node.count], destination: next[lane % next.count], bytes: part))
        }
        return flows
      }
    }
  }

  /// What a phase of whole chunks, or an all-to-all, gets of a link's bandwidth.
  private func share(
    _ link: Link, _ operation: CollectiveOperation, _ group: CollectiveGroup, _ cluster: Cluster,
    _ constants: CollectiveConstants
  ) -> Double {
    let isExchange = operation == .allToAll
    let loss = 1 - constants.pairLoss / Double(max(2, group.ranksPerNode))
    let inside =
      isExchange ? constants.exchange.linkShare : constants.simple.linkShare * loss
    let across =
      isExchange
      ? constants.exchange.networkShare
      : constants.ringShare(group)
    switch link {
    case .deviceOut, .deviceIn, .nodeShared:
      return constants.linkRate(inside) / cluster.node.link.rate.reached.value.value
    case .adapterOut, .adapterIn:
      guard let rate = cluster.node.adapters?.rate else { return 1 }
      return min(1, across * (rate.bandwidth.value / rate.reached.value))
    case .leafUp, .leafDown, .podUp, .podDown:
      guard let rate = cluster.network?.port else { return 1 }
      return min(1, across * (rate.bandwidth.value / rate.reached.value))
    }
  }

  @Test(arguments: networks, groups)
  func loadsAreThoseOfEveryFlow(network: [String], groups: [[Int]]) throws {
    let cluster = try Cluster.shipped("h800-2048-mrft", overrides: ["nodes=8"] + network)
    let constants = try CollectiveConstants(cluster)
    let contention = CollectiveContention(cluster, constants)
    let way = CollectiveWay(.ring)
    for operation in [CollectiveOperation.allReduce, .reduceScatter, .allGather, .allToAll] {
      // So large that a pipeline of chunks is full.
      let bytes = 1e9
      let loads = contention.loads(operation, by: .ring, over: groups)
      let (once, twice) = (
        loads.outcomes(by: way, bytes: bytes), loads.outcomes(by: way, bytes: 2 * bytes)
      )
      #expect(once == contention.times(operation, by: way, bytes: bytes, over: groups))
      var carried: [Link: Double] = [:]
      for group in groups {
        for flow in flows(operation, group, cluster, bytes) {
          for hop in cluster.path(from: flow.source, to: flow.destination).hops {
            carried[hop.link, default: 0] += flow.bytes
          }
        }
      }
      for (index, group) in groups.enumerated() {
        let shape = contention.group(of: group)
        let links = Set(
          flows(operation, group, cluster, bytes).flatMap { flow in
            cluster.path(from: flow.source, to: flow.destination).hops.map(\.link)
          })
        func seconds(_ link: Link) -> Double {
          (carried[link] ?? 0)
            / (cluster.capacity(of: link).value
              * share(link, operation, shape, cluster, constants))
        }
        let slowest = links.map(seconds).max() ?? 0
        // A rank's own part is copied beside what is on the links.
        let own =
          operation == .allToAll && shape.nodes == 1 && shape.ranks > 1
          ? bytes / Double(shape.ranks) / constants.exchange.ownRate : 0
        let moving = twice[index].cost.seconds - once[index].cost.seconds - own
        #expect(abs(moving - slowest) <= 1e-11 * slowest, "\(operation) \(group)")
        let named = try #require(once[index].bottleneck)
        #expect(links.contains(named) && seconds(named) > slowest * (1 - 1e-9))
        #expect(once[index].alike == links.count { seconds($0) > slowest * (1 - 1e-9) })
      }
    }
  }
}
