import Programs

/// Reductions and gathers of a step, which ranks come to in different orders.
///
/// All reductions of a step are started before the first is waited for, and so are all gathers; those of a
/// bucket start inside of the action that completes it, which hands them over when it has been carried out.
/// Once all ranks have come to all of a round, they are put on the ranks' data streams in the order in which they
/// become ready; a stream carries one after another.
struct CollectiveBook {
  private struct Key: Hashable {
    var round: Int
    var stage: Int
    var group: TransferKind.Group
    /// Tells the groups of a kind apart; 0 where one replica stands for all.
    var part: Int
    /// Tells a stage's buckets apart.
    var segment: Int
  }

  private struct Entry {
    var members: [Int] = []
    /// What its members have to scatter first.
    var behind: Set<Int> = []
    /// Decides between entries that become ready at once, folded or not: first holder, stage, transfer.
    var order: [Int]
    var ready: Int64 = 0
    var duration: Int64
    var moving: Int64 = -1
    var end: Int64 = -1
  }

  private let input: StepInput
  private let isFolded: Bool
  private var entries: [Entry] = []
  private var rounds: [Int] = []
  private var known: [Key: Int] = [:]
  private var streamEnd: [Int64]
  /// What each rank has come to last, −1 for nothing.
  private var last: [Int]
  /// Entries of a round that some rank has not come to, or that no rank has come to.
  private var missing: [Int]

  /// - Parameters:
  ///   - replicas: how many of every position are simulated.
  ///   - isFolded: one of them stands for all.
  init(_ input: StepInput, replicas: Int, isFolded: Bool) {
    self.input = input
    self.isFolded = isFolded
    streamEnd = Array(repeating: 0, count: input.ranks.count * replicas)
    last = Array(repeating: -1, count: streamEnd.count)
    // Every rank comes once to each transfer of the reduce program of its stages, and of the update
    // program or that which gathers ahead of the forward.
    missing = [0, 0]
    for rank in input.ranks {
      for stage in rank.stages {
        missing[0] += input.stages[stage].reduce.transfers.count * replicas
        let gathers = input.stages[stage].update.transfers + input.stages[stage].gather.transfers
        missing[1] += gathers.count * replicas
      }
    }
  }

  /// A rank comes to a collective; gives its number, and whether it is the last one of the round.
  mutating func arrive(
    _ rank: Int, replica: Int, _ transfer: Transfer, number: Int, stage: Int, at time: Int64,
    duration: Int64
  ) -> (index: Int, completes: Bool) {
    let round: Int
    let group: TransferKind.Group
    switch transfer.kind {
    case .allGather(let of): (round, group) = (1, of)
    case .reduceScatter(let of), .allReduce(let of): (round, group) = (0, of)
    default: preconditionFailure("Only gradients and parameters are reduced and gathered.")
    }
    let part = isFolded ? 0 : input.part(of: replica, group)
    // All uses of a shared tensor meet in one collective, whichever stages they lie on.
    let isShared = group == .sharedEmbedding || group == .sharedHead
    let key = Key(
      round: round, stage: isShared ? -1 : stage, group: group, part: part,
      segment: isShared ? -1 : transfer.segment)
    let index: Int
    if let found = known[key] {
      index = found
    } else {
      index = entries.count
      known[key] = index
      entries.append(
        Entry(order: order(stage, number) + [part], duration: duration))
      rounds.append(round)
    }
    if group == .gradientReplicas || group == .expertReplicas {
      entries[index].behind.insert(last[rank])
    }
    last[rank] = index
    entries[index].members.append(rank)
    entries[index].ready = max(entries[index].ready, time)
    // The member with the slowest links ends it.
    entries[index].duration = max(entries[index].duration, duration)
    missing[round] -= 1
    return (index, missing[round] == 0)
  }

  private func order(_ stage: Int, _ number: Int) -> [Int] {
    let holder = input.holders[stage].min() ?? 0
    return [holder, input.ranks[holder].stages.firstIndex(of: stage) ?? 0, number]
  }

  /// When the bytes of a collective begin to move and when they are through; nil until that is known.
  mutating func end(of index: Int) -> (moving: Int64, end: Int64)? {
    if entries[index].end < 0 {
      guard missing[rounds[index]] == 0 else { return nil }
      settle(rounds[index])
    }
    return (entries[index].moving, entries[index].end)
  }

  private mutating func settle(_ round: Int) {
    for index in entries.indices where rounds[index] == round {
      // The largest of a set is the same in any order.
      for before in entries[index].behind {
        entries[index].ready = max(entries[index].ready, entries[before].ready)
      }
    }
    let order = entries.indices.filter { rounds[$0] == round }
      .sorted { first, second in
        let (first, second) = (entries[first], entries[second])
        if first.ready != second.ready { return first.ready < second.ready }
        return first.order.lexicographicallyPrecedes(second.order)
      }
    for index in order {
      var moving = entries[index].ready
      for member in entries[index].members { moving = max(moving, streamEnd[member]) }
      entries[index].moving = moving
      entries[index].end = moving + entries[index].duration
      for member in entries[index].members { streamEnd[member] = entries[index].end }
    }
  }
}

extension StepInput {
  /// Tells the groups of a kind apart that carry out a collective of one position: replicas with the same
  /// number meet in it.
  func part(of replica: Int, _ group: TransferKind.Group) -> Int {
    switch group {
    case .expertGradient: replica % (plan.expertParallel * plan.expertTensorParallel)
    case .gradientShards, .gradientReplicas:
      part(
        of: replica, plan.tensorParallel, plan.shardingRanks ?? 1,
        isShards: group == .gradientShards)
    case .expertShards, .expertReplicas:
      part(
        of: replica, plan.expertParallel * plan.expertTensorParallel, plan.expertShardingRanks ?? 1,
        isShards: group == .expertShards)
    case .keyValue: replica / keyValueReplicas
    default: replica % plan.tensorParallel
    }
  }

  /// The number of a sharding group whose copies lie `apart` replicas from each other, or of the ranks that
  /// own the same shard.
  private func part(of replica: Int, _ apart: Int, _ size: Int, isShards: Bool) -> Int {
    isShards ? replica / (apart * size) * apart + replica % apart : replica % (apart * size)
  }
}
