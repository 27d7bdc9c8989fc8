/// Reduce-scatter in two rounds: within each node first, then once across nodes.
///
/// A chunk's contributions are folded on every node by the member that stands in for the chunk's owner, and
/// the owner folds one partial sum per node; each chunk crosses between nodes (nodes - 1) times
/// instead of (n - members of a node) times. Run backwards it is the all-gather. Nodes may be uneven.
public struct HierarchicalScatter: Rounds {
  private let chunks: Chunks
  private let placement: Placement
  /// Where the messages of each node begin in the first round, and behind them their number.
  private let starts: [Int]

  /// A reduce-scatter, after which position p has chunk p.
  public init(_ chunks: Chunks, _ placement: Placement) {
    precondition(chunks.count == placement.groupSize, "one chunk per position")
    self.chunks = chunks
    self.placement = placement
    starts = placement.members.reduce(into: [0]) {
      $0.append($0[$0.count - 1] + chunks.count * ($1.count - 1))
    }
  }

  public var groupSize: Int { placement.groupSize }

  public var roundCount: Int { 2 }

  public var phases: [Phase] { [Phase(0..<1, .withinNodes), Phase(1..<2, .acrossNodes)] }

  public func messageCount(inRound round: Int) -> Int {
    round == 0 ? starts[placement.members.count] : groupSize * (placement.members.count - 1)
  }

  public func message(_ index: Int, inRound round: Int) -> Message {
    round == 0 ? withinNode(index) : acrossNodes(index)
  }

  private func withinNode(_ index: Int) -> Message {
    let node = lastStart(notAfter: index, starts)
    let members = placement.members[node]
    let (chunk, other) = (index - starts[node]).quotientAndRemainder(
      dividingBy: members.count - 1)
    let local = placement.locals[chunk] % members.count
    let source = members[(local + other + 1) % members.count]
    return Message(from: source, to: members[local], chunks[chunk], .contributes)
  }

  private func acrossNodes(_ index: Int) -> Message {
    let nodes = placement.members.count
    let (chunk, other) = index.quotientAndRemainder(dividingBy: nodes - 1)
    let node = (placement.nodes[chunk] + other + 1) % nodes
    let source = placement.counterpart(of: chunk, on: node)
    return Message(from: source, to: chunk, chunks[chunk], .contributes)
  }
}

/// The last entry of ascending starts that is not after the index, and has something after it.
func lastStart(notAfter index: Int, _ starts: [Int]) -> Int {
  var (low, high) = (0, starts.count - 1)
  while high - low > 1 {
    let middle = (low + high) / 2
    if starts[middle] <= index { low = middle } else { high = middle }
  }
  return low
}

/// All-reduce within each node, then around a ring of nodes, then within each node again.
///
/// The vector is cut into as many lanes as the smallest node has members; member l of every node
/// gathers lane l, and the l-th members of all nodes reduce it around a ring of their own, all lanes at
/// once. A node of N sends 2 (N - 1)/N of the vector to others.
struct LaneRing: Rounds {
  private let bytes: Int
  private let unit: Int
  private let lanes: Chunks
  private let placement: Placement

  init(bytes: Int, unit: Int, _ placement: Placement) {
    self.bytes = bytes
    self.unit = unit
    self.placement = placement
    let count = placement.members.map(\.count).min() ?? 1
    lanes = Chunks(bytes: bytes, parts: count, unit: unit)
  }

  var groupSize: Int { placement.groupSize }

  private var nodes: Int { placement.members.count }

  var roundCount: Int { 2 * (nodes - 1) }

  var phases: [Phase] { roundCount == 0 ? [] : [Phase(0..<roundCount, .acrossNodes)] }

  func messageCount(inRound round: Int) -> Int { nodes * lanes.count }

  func message(_ index: Int, inRound round: Int) -> Message {
    let (lane, node) = index.quotientAndRemainder(dividingBy: nodes)
    let parts = Chunks(bytes: lanes[lane].count, parts: nodes, unit: unit)
    let gathers = round >= nodes - 1
    let ring = gathers ? Ring.allGather(parts) : Ring.reduceScatter(parts)
    var message = ring.message(node, inRound: gathers ? round - (nodes - 1) : round)
    message.source = placement.members[message.source][lane]
    message.destination = placement.members[message.destination][lane]
    if case .range(let offset) = message.content {
      message.content = .range(offset: lanes.offset(lane) + offset)
    }
    return message
  }

  /// The whole all-reduce.
  static func allReduce(bytes: Int, unit: Int, _ placement: Placement) -> ChainedRounds {
    let ring = LaneRing(bytes: bytes, unit: unit, placement)
    let gather = placement.members.flatMap { members in
      (0..<ring.lanes.count).flatMap { lane in
        members.filter { $0 != members[lane] }.map {
          Message(from: $0, to: members[lane], ring.lanes[lane], .contributes)
        }
      }
    }
    let within = ListedRounds(
      groupSize: placement.groupSize, gather.isEmpty ? [] : [gather], pattern: .withinNodes)
    return ChainedRounds(
      groupSize: placement.groupSize, [within, ring, ReversedRounds(within)])
  }

  /// From the root to one member of each node along a tree, then along trees within the nodes.
  static func broadcast(bytes: Int, root: Int, _ placement: Placement) -> ListedRounds {
    let nodes = placement.members.count
    let home = placement.nodes[root]
    let leaders = (0..<nodes).map { step in
      step == 0 ? root : placement.counterpart(of: root, on: (home + step) % nodes)
    }
    let across = Tree.broadcast(bytes: bytes, along: leaders)
    var within: [[Message]] = []
    for leader in leaders {
      let others = placement.members[placement.nodes[leader]].filter { $0 != leader }
      let rounds = Tree.broadcast(bytes: bytes, along: [leader] + others)
      for (index, round) in rounds.enumerated() {
        if index == within.count { within.append([]) }
        within[index] += round
      }
    }
    return ListedRounds(
      groupSize: placement.groupSize, across + within,
      patterns: across.map { _ in .acrossNodes } + within.map { _ in .withinNodes })
  }
}
