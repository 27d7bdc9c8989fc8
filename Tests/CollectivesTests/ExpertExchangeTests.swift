import Collectives
import TestSupport
import Testing

private struct Row: Hashable {
  var origin: Int
  var index: Int
}

@Suite struct ExpertExchangeTests {
  /// Rows to up to `ranks` ranks on at most `nodes` nodes each; some go nowhere.
  private func routes(
    _ placement: Placement, nodes: Int, ranks: Int, seed: UInt64
  ) -> [[[Int]]] {
    var generator = SplitMix64(state: seed)
    return (0..<placement.groupSize).map { _ in
      (0..<20).map { _ in
        let allowed = Set(placement.members.indices.shuffled(using: &generator).prefix(nodes))
        let candidates = (0..<placement.groupSize).filter { allowed.contains(placement.nodes[$0]) }
        return Array(candidates.shuffled(using: &generator).prefix(ranks)).sorted()
      }
    }
  }

  /// Rows that a message carries, by what it says about them.
  private func rows(
    _ content: Message.Content, _ routes: [[[Int]]], _ placement: Placement
  ) -> Set<Row> {
    func rows(_ origin: Int, where goes: (Int) -> Bool) -> Set<Row> {
      Set(
        routes[origin].enumerated().filter { $0.element.contains(where: goes) }
          .map { Row(origin: origin, index: $0.offset) })
    }
    switch content {
    case .rowsForNode(let origin, let node):
      return rows(origin) { placement.nodes[$0] == node }
    case .rowsForRank(let origin, let rank):
      return rows(origin) { $0 == rank }
    case .range, .block:
      Issue.record("an expert exchange carries rows")
      return []
    }
  }

  @Test(arguments: [[1], [4], [4, 4], [8, 8, 8, 8], [3, 1, 2], [2, 5]], [1, 2, 4])
  func everyRowReachesItsRanks(nodeSizes: [Int], nodeLimit: Int) {
    let placement = Placement(nodeSizes: nodeSizes)
    let routes = routes(placement, nodes: nodeLimit, ranks: 8, seed: 7)
    let counts = RowCounts(routes: routes, on: placement)
    let exchange = ExpertExchange(counts, rowBytes: 10, on: placement)
    var held = routes.enumerated().map { origin, rows in
      Set(rows.indices.map { Row(origin: origin, index: $0) })
    }
    for round in exchange.dispatch.rounds {
      let before = held
      for message in round {
        let rows = rows(message.content, routes, placement)
        #expect(rows.isSubset(of: before[message.source]), "a rank sends what it has")
        #expect(message.bytes == rows.count * 10)
        held[message.destination].formUnion(rows)
      }
    }
    for (origin, rows) in routes.enumerated() {
      for (index, ranks) in rows.enumerated() {
        for rank in ranks { #expect(held[rank].contains(Row(origin: origin, index: index))) }
      }
    }
  }

  /// A row crosses to a node once, whatever the number of its ranks there.
  @Test func bytesBetweenNodesCountNodes() {
    let placement = Placement(nodeSizes: [8, 8, 8, 8])
    let routes = routes(placement, nodes: 4, ranks: 8, seed: 3)
    let counts = RowCounts(routes: routes, on: placement)
    let exchange = ExpertExchange(counts, rowBytes: 1, on: placement)
    let expected = routes.enumerated().reduce(0) { sum, entry in
      entry.element.reduce(sum) { sum, ranks in
        let nodes = Set(ranks.map { placement.nodes[$0] })
        return sum + nodes.subtracting([placement.nodes[entry.offset]]).count
      }
    }
    let (dispatch, combine) = (exchange.dispatch, exchange.combine)
    #expect(dispatch.rounds[0].reduce(0) { $0 + $1.bytes } == expected)
    #expect(dispatch.phases.map(\.pattern) == [.acrossNodes, .withinNodes])
    #expect(combine.phases.map(\.pattern) == [.withinNodes, .acrossNodes])
    #expect(combine.rounds[1].reduce(0) { $0 + $1.bytes } == expected)
    #expect(combine.totalBytes == dispatch.totalBytes)
    for message in dispatch.rounds[0] {
      #expect(placement.locals[message.source] == placement.locals[message.destination])
    }
  }

  /// What a rank knows by itself, the rows that it sends and receives, gives its own messages as they are in
  /// the whole exchange.
  @Test func aRankKnowsItsOwnMessages() {
    let rows = [[2, 0, 3], [1, 4, 0], [0, 5, 6]]
    let placement = Placement(nodeSizes: [3])
    let whole = ExpertExchange(RowCounts(toRank: rows), rowBytes: 10, on: placement)
    for own in 0..<3 {
      let part = ExpertExchange(
        RowCounts(sent: rows[own], received: rows.map { $0[own] }, at: own), rowBytes: 10,
        on: placement)
      for (known, all) in [
        (part.directDispatch, whole.directDispatch), (part.directCombine, whole.directCombine),
      ] {
        let (mine, expected) = (
          known.messages(of: own, inRound: 0), all.messages(of: own, inRound: 0)
        )
        func sources(_ messages: [Message]) -> [Int] {
          messages.map {
            if case .block(let offset, _) = $0.content { offset } else { -1 }
          }
        }
        func targets(_ messages: [Message]) -> [Int] {
          messages.map {
            if case .block(_, let offset) = $0.content { offset } else { -1 }
          }
        }
        #expect(sources(mine.sent) == sources(expected.sent))
        #expect(targets(mine.received) == targets(expected.received))
        #expect(mine.sent.map(\.bytes) == expected.sent.map(\.bytes))
        #expect(mine.received.map(\.bytes) == expected.received.map(\.bytes))
        #expect(known.ownBlock(of: own) == all.ownBlock(of: own))
        #expect(all.ownBlock(of: own).bytes == 10 * rows[own][own])
      }
    }
  }

  @Test func directExchangeSendsARowOncePerRank() {
    let placement = Placement(nodeSizes: [2, 2])
    let routes = routes(placement, nodes: 2, ranks: 3, seed: 11)
    let counts = RowCounts(routes: routes, on: placement)
    let exchange = ExpertExchange(counts, rowBytes: 6, on: placement)
    let remote = routes.enumerated().reduce(0) { sum, entry in
      entry.element.reduce(sum) { $0 + $1.count(where: { $0 != entry.offset }) }
    }
    #expect(exchange.directDispatch.totalBytes == remote * 6)
    #expect(exchange.directCombine.totalBytes == remote * 6)
    for message in exchange.directDispatch.messages(inRound: 0) {
      #expect(message.bytes == counts.toRank[message.source][message.destination] * 6)
    }
  }

  @Test func hierarchicalAllToAllMovesEveryBlock() {
    let placement = Placement(nodeSizes: [2, 3])
    let bytes = (0..<5).map { source in (0..<5).map { source == $0 ? 0 : 1 + source + $0 } }
    let rounds = ExpertExchange.hierarchicalAllToAll(bytes, on: placement)
    for source in 0..<5 {
      for destination in 0..<5 where source != destination {
        let direct = rounds.rounds[1].filter {
          $0.content == .rowsForRank(origin: source, rank: destination)
        }
        let gateway = placement.counterpart(of: source, on: placement.nodes[destination])
        #expect(direct.map(\.bytes) == (gateway == destination ? [] : [bytes[source][destination]]))
      }
    }
  }
}
