import Costs
import Plans
import Programs
import Schedules
import Synchronization

/// Collectives and shifts over links that are degraded or thin: the flows of `CollectiveContention`.
extension SharedLinks {
  /// All groups of a kind, and each rank's own among them.
  struct Groups {
    var members: [[Int]]
    var number: [Int]
  }

  struct Counted: Hashable {
    var operation: CollectiveOperation
    var group: TransferKind.Group
    var algorithm: Costs.CollectiveAlgorithm
  }

  struct Reduction: Hashable {
    var operation: CollectiveOperation
    var group: TransferKind.Group
    var bytes: Double
  }

  // MARK: Times

  /// Seconds of a collective of a rank with such links, while all groups of its kind carry out theirs; nil
  /// for what is none.
  func seconds(ofCollective transfer: Transfer, over links: LinkSlowness) -> Double? {
    guard let (operation, kind) = transfer.kind.collective else { return nil }
    let rank = example(of: links)
    let groups = groups(kind)
    var bytes = Double(ExchangeRows()(transfer.rows)) * Double(transfer.bytesPerRow)
    if operation == .allGather { bytes *= Double(groups.members[0].count) }
    let reduction = Reduction(operation: operation, group: kind, bytes: bytes)
    let group = groups.number[rank]
    if let seconds = known.withLock({ $0.collectives[reduction] }) { return seconds[group] }
    let seconds = seconds(of: reduction)
    known.withLock { $0.collectives[reduction] = seconds }
    return seconds[group]
  }

  /// By what the bytes of a shift take longer for a rank with such links, while all ranks send to the next of
  /// their groups.
  func slownessOfShift(_ kind: TransferKind.Group, over links: LinkSlowness) -> Double {
    slownessOfShift(kind)[example(of: links)]
  }

  private func slownessOfShift(_ kind: TransferKind.Group) -> [Double] {
    if let slowness = known.withLock({ $0.shifts[kind] }) { return slowness }
    var next = Array(0..<plan.worldSize)
    for group in groups(kind).members {
      for (place, rank) in group.enumerated() { next[rank] = group[(place + 1) % group.count] }
    }
    let slowness = slowness(of: next)
    known.withLock { $0.shifts[kind] = slowness }
    return slowness
  }

  /// By the plan's algorithm over data ranks, else by that whose slowest group is fastest; by group.
  private func seconds(of reduction: Reduction) -> [Double] {
    let choices = ways(of: reduction.operation, reduction.group).map { way in
      loads(of: reduction.operation, reduction.group, by: way.algorithm)
        .outcomes(by: way, bytes: reduction.bytes).map(\.cost.seconds)
    }
    return choices.min { ($0.max() ?? 0) < ($1.max() ?? 0) } ?? []
  }

  private func ways(
    of operation: CollectiveOperation, _ kind: TransferKind.Group
  ) -> [CollectiveWay] {
    let shapes = groups(kind).members.map { contention.group(of: $0) }
    guard let most = shapes.max(by: { $0.ranksPerNode < $1.ranksPerNode }) else { return [] }
    return contention.ways(
      of: operation, in: most,
      by: kind.isOverDataRanks ? plan.algorithm(of: operation, in: most, contention.formula) : nil)
  }

  /// What all groups of a kind put on links at once.
  private func loads(
    of operation: CollectiveOperation, _ kind: TransferKind.Group,
    by algorithm: Costs.CollectiveAlgorithm
  ) -> CollectiveLoads {
    // A gather puts on links what a scatter does.
    let operation = operation == .allGather ? .reduceScatter : operation
    let counted = Counted(operation: operation, group: kind, algorithm: algorithm)
    if let loads = known.withLock({ $0.loads[counted] }) { return loads }
    let loads = contention.loads(operation, by: algorithm, over: groups(kind).members)
    known.withLock { $0.loads[counted] = loads }
    return loads
  }

  // MARK: Ranks that are alike

  /// How the links of each rank of the world differ from healthy ones while these transfers go over them.
  ///
  /// Ranks with the same answer have the same times of all of them.
  func slowness(_ transfers: some Sequence<Transfer>) -> [LinkSlowness] {
    let before = known.withLock { $0.slowness }
    if !before.isEmpty { return before }
    var traits = [[Int]](repeating: [], count: plan.worldSize)
    for (operation, kind) in Self.distinct(transfers.compactMap(\.kind.collective)) {
      let groups = groups(kind)
      for algorithm in Set(ways(of: operation, kind).map(\.algorithm)) {
        let alike = loads(of: operation, kind, by: algorithm).alike
        for rank in traits.indices { traits[rank].append(alike[groups.number[rank]]) }
      }
    }
    for kind in Set(transfers.compactMap(\.kind.shifted)) {
      for (rank, factor) in slownessOfShift(kind).enumerated() {
        traits[rank].append(Int(bitPattern: UInt(Float(factor).bitPattern)))
      }
    }
    return number(traits)
  }

  private func number(_ traits: [[Int]]) -> [LinkSlowness] {
    var numbers: [[Int]: Int] = [:]
    var examples: [Int] = []
    let slowness = zip(traits, exchangeStretch()).enumerated().map { rank, links in
      var slowness = LinkSlowness()
      slowness.exchanges = links.1
      if let known = numbers[links.0] {
        slowness.alike = known
      } else {
        slowness.alike = examples.count
        numbers[links.0] = examples.count
        examples.append(rank)
      }
      return slowness
    }
    known.withLock { ($0.slowness, $0.examples) = (slowness, examples) }
    return slowness
  }

  private static func distinct(
    _ collectives: [(CollectiveOperation, TransferKind.Group)]
  ) -> [(CollectiveOperation, TransferKind.Group)] {
    Dictionary(grouping: collectives) { [$0.0 == .allReduce ? 1 : 0, Int($0.1.rawValue)] }
      .sorted { $0.key.lexicographicallyPrecedes($1.key) }.compactMap(\.value.first)
  }

  /// A rank whose collectives take as long; the first of the world before they were compared.
  private func example(of links: LinkSlowness) -> Int {
    known.withLock { $0.examples.isEmpty ? 0 : $0.examples[links.alike] }
  }

  // MARK: Groups

  /// All groups of a kind, each once.
  private func groups(_ kind: TransferKind.Group) -> Groups {
    if let groups = known.withLock({ $0.groups[kind] }) { return groups }
    var number = [Int](repeating: -1, count: plan.worldSize)
    var members: [[Int]] = []
    for rank in 0..<plan.worldSize where number[rank] < 0 {
      for group in groups(kind, around: rank) {
        for member in group { number[member] = members.count }
        members.append(group)
      }
    }
    let groups = Groups(members: members, number: number)
    known.withLock { $0.groups[kind] = groups }
    return groups
  }

  /// The group of a rank, and those that its copies of the parameters are divided into beside it.
  private func groups(_ kind: TransferKind.Group, around rank: Int) -> [[Int]] {
    let mesh = plan.mesh
    let positions = plan.pipelineParallel
    let position = mesh.coordinates(of: rank).pipeline
    let placement: Placement =
      plan.isBidirectional
      ? .bidirectional(ranks: positions) : .fixed(Array(0..<positions))
    func copies() -> [Int] {
      mesh.gradientGroup(ofStages: [position], placement: placement, rank: rank)
    }
    func experts() -> [Int] {
      mesh.expertGradientGroup(ofStage: position, placement: placement, rank: rank)
    }
    switch kind {
    case .tensor: return [mesh.group(.tensor, of: rank)]
    case .context: return [mesh.group(.context, of: rank)]
    case .expertTensor: return [mesh.group(.expertTensor, of: rank)]
    case .keyValue:
      // Consecutive ranks of a tensor group.
      let own = mesh.group(.tensor, of: rank)
      let place = (own.firstIndex(of: rank) ?? 0) / keyValueReplicas * keyValueReplicas
      return [Array(own[place..<min(own.count, place + keyValueReplicas)])]
    case .position:
      let ranks = plan.worldSize / positions
      return [Array(position * ranks..<(position + 1) * ranks)]
    case .world: return [Array(0..<plan.worldSize)]
    // Priced as over the copies of one position, as where links are healthy.
    case .gradient, .sharedEmbedding, .sharedHead: return [copies()]
    case .gradientShards: return plan.shardingGroups(of: copies(), ofExperts: false).dividing
    case .gradientReplicas: return plan.shardingGroups(of: copies(), ofExperts: false).equal
    case .expertGradient: return [experts()]
    case .expertShards: return plan.shardingGroups(of: experts(), ofExperts: true).dividing
    case .expertReplicas: return plan.shardingGroups(of: experts(), ofExperts: true).equal
    }
  }
}

extension TransferKind {
  /// What it does among the ranks of a group, if it is a collective.
  fileprivate var collective: (CollectiveOperation, Group)? {
    switch self {
    case .allGather(let of): (.allGather, of)
    case .reduceScatter(let of): (.reduceScatter, of)
    case .allReduce(let of): (.allReduce, of)
    default: nil
    }
  }

  /// The group within which every rank sends to the next.
  fileprivate var shifted: Group? {
    if case .shift(let of) = self { of } else { nil }
  }
}
