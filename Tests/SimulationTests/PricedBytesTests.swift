import Clusters
import Collectives
import Costs
import Testing

/// Collectives are told twice: as flows that are priced, and as rounds of messages that run.
@Suite struct PricedBytesTests {
  /// An operation, a way in which it is priced, and its rounds over nodes of eight.
  private struct Telling {
    var operation: CollectiveOperation
    var algorithm: CollectiveAlgorithm
    var rounds: any Rounds
  }

  private static let bytes = 1 << 30

  private static func tellings(_ placement: Placement) -> [Telling] {
    let ranks = placement.groupSize
    let chunks = Chunks(bytes: bytes, parts: ranks, unit: 1)
    var all: [Telling] = []
    for (operation, collective) in [
      (CollectiveOperation.allReduce, Collective.allReduce), (.reduceScatter, .reduceScatter),
      (.allGather, .allGather),
    ] {
      for (priced, run) in [
        (CollectiveAlgorithm.ring, Algorithm.ring), (.hierarchical, .hierarchical),
      ] {
        all.append(
          Telling(
            operation: operation, algorithm: priced,
            rounds: collective.rounds(run, chunks, on: placement, unit: 1)))
      }
    }
    let blocks = Array(repeating: Array(repeating: bytes / ranks, count: ranks), count: ranks)
    all.append(
      Telling(
        operation: .allToAll, algorithm: .ring, rounds: AllToAll(blocks, inOneRound: true)))
    return all
  }

  /// Bytes that the busiest node sends to others.
  private static func leaving(_ rounds: any Rounds, _ placement: Placement) -> Int {
    var sent = Array(repeating: 0, count: placement.members.count)
    for round in 0..<rounds.roundCount {
      for index in 0..<rounds.messageCount(inRound: round) {
        let message = rounds.message(index, inRound: round)
        let node = placement.nodes[message.source]
        if node != placement.nodes[message.destination] { sent[node] += message.bytes }
      }
    }
    return sent.max() ?? 0
  }

  /// Over adapters of a fiftieth nothing else counts, and twice the bytes take as much longer as the
  /// bytes need that leave a node.
  @Test(arguments: [2, 3, 4, 8]) func bytesThatLeaveANode(nodes: Int) throws {
    let cluster = try Cluster.shipped(
      "h800-2048",
      overrides: ["node.adapters.bandwidth=1 GB/s", "node.adapters.reached=1 GB/s"])
    let constants = try CollectiveConstants(cluster)
    let contention = CollectiveContention(cluster, constants)
    let placement = Placement(nodeSizes: Array(repeating: 8, count: nodes))
    let ranks = Array(0..<8 * nodes)
    for telling in Self.tellings(placement) {
      func seconds(_ bytes: Int) throws -> Double {
        let outcome = contention.times(
          telling.operation, by: CollectiveWay(telling.algorithm), bytes: Double(bytes),
          over: [ranks])[0]
        return try #require(outcome.phases.last)
      }
      let share =
        telling.operation == .allToAll
        ? constants.exchange.networkShare : constants.rings.networkShare
      let longer = try seconds(2 * Self.bytes) - seconds(Self.bytes)
      let priced = longer * 8 * 1e9 * share
      let sent = Double(Self.leaving(telling.rounds, placement))
      #expect(
        abs(priced / sent - 1) < 1e-6,
        "\(telling.operation) by \(telling.algorithm) over \(nodes) nodes: \(priced), not \(sent)")
    }
  }
}
