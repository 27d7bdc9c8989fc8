/// The transfers of a collective between ranks of a cluster, phase by phase as `CollectiveCost` has
/// them.
struct CollectiveFlows {
  /// Ranks of the group by node, in ascending order; the last node may have fewer than the others.
  private let members: [[Int]]
  private let operation: CollectiveOperation
  private let algorithm: CollectiveAlgorithm
  private let bytes: Double
  /// Shares of the bytes that take different ways out of a node.
  private let lanes: Int

  /// The flows of one group.
  ///
  /// - Parameter members: its ranks by node.
  init(
    _ operation: CollectiveOperation, by algorithm: CollectiveAlgorithm, bytes: Double,
    members: [[Int]]
  ) {
    self.operation = operation
    self.algorithm = algorithm
    self.bytes = bytes
    self.members = members
    lanes = members.map(\.count).max() ?? 1
  }

  private var ranks: Int { members.reduce(0) { $0 + $1.count } }
  private var nodes: Int { members.count }

  var phaseCount: Int {
    if ranks == 1 { return 0 }
    return operation != .allToAll && algorithm == .hierarchical && nodes > 1 && lanes > 1 ? 2 : 1
  }

  /// Calls `body` with source, destination and bytes of every flow of a phase; all of them run at once.
  func forEach(inPhase phase: Int, _ body: (Int, Int, Double) -> Void) {
    if operation == .allToAll { return allToAll(body) }
    if algorithm == .inSwitch { return sumInSwitch(body) }
    if nodes == 1 { return ring(members, bytes, body) }
    switch algorithm {
    case .ring, .inSwitch: ring(members, bytes, body)
    case .tree: tree(body)
    case .hierarchical:
      if phase == 0, lanes > 1 {
        for node in members { ring([node], bytes, body) }
      } else {
        for lane in 0..<lanes {
          ring(members.map { [$0[lane % $0.count]] }, bytes / Double(lanes), body)
        }
      }
    }
  }

  private func allToAll(_ body: (Int, Int, Double) -> Void) {
    let all = members.flatMap { $0 }
    let part = bytes / Double(all.count)
    for source in all {
      for destination in all where destination != source { body(source, destination, part) }
    }
  }

  /// As many rings side by side as the largest node has members, each through all ranks.
  ///
  /// A ring enters and leaves a node through the same adapter, so that it stays on its rail (NCCL's
  /// documentation, `NCCL_CROSS_NIC=0`): the rank beside that adapter takes what comes in, and the last
  /// one of the node hands back to it what goes out.
  private func ring(
    _ members: [[Int]], _ bytes: Double, _ body: (Int, Int, Double) -> Void
  ) {
    let count = members.reduce(0) { $0 + $1.count }
    guard count > 1 else { return }
    let lanes = members.map(\.count).max() ?? 1
    let sent =
      Double(operation.passes) * Double(count - 1) / Double(count) * bytes / Double(lanes)
    for lane in 0..<lanes {
      for (node, ranks) in members.enumerated() {
        if ranks.count > 1 {
          for (place, rank) in ranks.enumerated() {
            body(rank, ranks[(place + 1) % ranks.count], sent)
          }
        }
        guard members.count > 1 else { continue }
        let next = members[(node + 1) % members.count]
        body(ranks[lane % ranks.count], next[lane % next.count], sent)
      }
    }
  }

  /// Up and down two binary trees of nodes, half of the bytes each, and along a chain inside nodes.
  ///
  /// A node is inside one tree and a leaf of the other (Sanders, Speck and Träff, "Two-tree algorithms
  /// for full bandwidth broadcast, reduction and scan", Parallel Computing 35, 2009). The chain begins at
  /// the rank beside the adapter, which joins the parent, and ends at the rank that joins the children and
  /// hands their bytes on to the adapter's (NCCL's split trees).
  private func tree(_ body: (Int, Int, Double) -> Void) {
    let part = bytes / Double(lanes)
    for ranks in members where ranks.count > 1 {
      for (place, rank) in ranks.enumerated() {
        let next = ranks[(place + 1) % ranks.count]
        body(rank, next, bytes)
        body(next, rank, bytes)
      }
    }
    betweenNodes(part, body)
  }

  /// Every rank's bytes through the switch of its node, and its part of the sum to all others of it.
  private func sumInSwitch(_ body: (Int, Int, Double) -> Void) {
    for ranks in members where ranks.count > 1 {
      for (place, rank) in ranks.enumerated() {
        body(rank, ranks[(place + 1) % ranks.count], bytes * (1 + 1 / Double(lanes)))
      }
    }
    if nodes > 1 { betweenNodes(bytes / Double(lanes), body) }
  }

  /// The edges of the two trees, one pair of trees a lane.
  private func betweenNodes(_ part: Double, _ body: (Int, Int, Double) -> Void) {
    for lane in 0..<lanes {
      func lead(_ node: Int) -> Int { members[node][lane % members[node].count] }
      for (child, parent) in Self.edges(nodes) {
        // The second tree is the first one with every node in the place of the next.
        for tree in 0..<2 {
          let (low, high) = (lead((child + tree) % nodes), lead((parent + tree) % nodes))
          body(low, high, part / 2)
          body(high, low, part / 2)
        }
      }
    }
  }

  /// Child and parent of every edge of a binary tree in whose order of places leaves and inner nodes
  /// alternate.
  static func edges(_ nodes: Int) -> [(child: Int, parent: Int)] {
    (1..<nodes + 1).compactMap { place in
      let bit = place & -place
      let below = place ^ bit
      let parent = below | bit << 1
      if parent <= nodes { return (place - 1, parent - 1) }
      return below > 0 ? (place - 1, below - 1) : nil
    }
  }
}
