/// How many rows (tokens) each rank of an expert group routes where.
public struct RowCounts: Hashable, Sendable {
  /// `toRank[source][destination]`: rows that go to at least one expert of the destination.
  public var toRank: [[Int]]
  /// `toNode[source][node]`: rows that go to at least one rank of the node.
  public var toNode: [[Int]]

  /// Counts that were recorded or drawn.
  public init(toRank: [[Int]], toNode: [[Int]]) {
    self.toRank = toRank
    self.toNode = toNode
  }

  /// Counts within one node.
  public init(toRank: [[Int]]) {
    self.init(toRank: toRank, toNode: toRank.map { [$0.reduce(0, +)] })
  }

  /// What one rank of a node knows of an exchange: the rows that it sends and those that it receives.
  ///
  /// All others are 0: the rank's own messages are those of the whole exchange, with the same offsets.
  public init(sent: [Int], received: [Int], at position: Int) {
    precondition(sent.count == received.count, "as many ranks send as receive")
    var toRank = [[Int]](repeating: [Int](repeating: 0, count: sent.count), count: sent.count)
    for (source, rows) in received.enumerated() { toRank[source][position] = rows }
    toRank[position] = sent
    self.init(toRank: toRank)
  }

  /// Counts of the routes `routes[source][row]`, the ranks to which each row goes, each listed once.
  public init(routes: [[[Int]]], on placement: Placement) {
    toRank = routes.map { rows in
      var counts = [Int](repeating: 0, count: placement.groupSize)
      for row in rows { for rank in row { counts[rank] += 1 } }
      return counts
    }
    toNode = routes.map { rows in
      var counts = [Int](repeating: 0, count: placement.members.count)
      for row in rows { for node in Set(row.map { placement.nodes[$0] }) { counts[node] += 1 } }
      return counts
    }
  }
}

/// The two exchanges of expert parallelism: rows to the experts' ranks, and results back.
public struct ExpertExchange: Sendable {
  private let counts: RowCounts
  private let rowBytes: Int
  private let placement: Placement

  /// An exchange of rows of this many bytes.
  public init(_ counts: RowCounts, rowBytes: Int, on placement: Placement) {
    precondition(counts.toRank.count == placement.groupSize, "one row of counts per rank")
    precondition(counts.toNode.count == placement.groupSize, "one row of counts per rank")
    self.counts = counts
    self.rowBytes = rowBytes
    self.placement = placement
  }

  /// One message per pair of ranks: a row goes once to every rank that it is routed to.
  public var directDispatch: AllToAll {
    AllToAll(counts.toRank.map { $0.map { $0 * rowBytes } }, inOneRound: true)
  }

  /// The direct dispatch backwards: each rank returns what it was sent, packed in the same order.
  public var directCombine: AllToAll {
    let size = placement.groupSize
    let back = (0..<size).map { source in
      (0..<size).map { counts.toRank[$0][source] * rowBytes }
    }
    return AllToAll(back, inOneRound: true)
  }

  /// A row crosses to each other node once, to the same-numbered member, which passes it on.
  ///
  /// The second round holds the messages within nodes, those of a node's own rows among them
  /// (DeepSeek-V3 technical report, arXiv 2412.19437, section 3.2.2).
  public var dispatch: ListedRounds {
    let size = placement.groupSize
    var across: [Message] = []
    var within: [Message] = []
    for origin in 0..<size {
      for node in placement.members.indices {
        let gateway = gateway(of: origin, on: node)
        let rows = counts.toNode[origin][node]
        if gateway != origin, rows > 0 {
          across.append(
            Message(
              from: origin, to: gateway, bytes: rows * rowBytes,
              .rowsForNode(origin: origin, node: node)))
        }
        for rank in placement.members[node] where rank != gateway {
          guard counts.toRank[origin][rank] > 0 else { continue }
          within.append(
            Message(
              from: gateway, to: rank, bytes: counts.toRank[origin][rank] * rowBytes,
              .rowsForRank(origin: origin, rank: rank)))
        }
      }
    }
    return ListedRounds(
      groupSize: size, [across, within], patterns: [.acrossNodes, .withinNodes])
  }

  /// The dispatch backwards: the gateway adds up the results of its node's ranks for each row, in the
  /// order of ranks, and the origin those of the nodes.
  public var combine: ListedRounds {
    let forth = dispatch
    let back = forth.rounds.reversed().map { round in
      round.map { message in
        Message(
          from: message.destination, to: message.source, bytes: message.bytes, message.content,
          .contributes)
      }
    }
    return ListedRounds(
      groupSize: placement.groupSize, back, patterns: [.withinNodes, .acrossNodes])
  }

  private func gateway(of origin: Int, on node: Int) -> Int {
    placement.counterpart(of: origin, on: node)
  }
}

extension ExpertExchange {
  /// All-to-all by way of one member per node, for blocks without rows in common.
  ///
  /// - Parameter bytes: `bytes[source][destination]`.
  public static func hierarchicalAllToAll(
    _ bytes: [[Int]], on placement: Placement
  ) -> ListedRounds {
    let toNode = bytes.map { row in
      placement.members.map { members in members.reduce(0) { $0 + row[$1] } }
    }
    let counts = RowCounts(toRank: bytes, toNode: toNode)
    return ExpertExchange(counts, rowBytes: 1, on: placement).dispatch
  }
}
