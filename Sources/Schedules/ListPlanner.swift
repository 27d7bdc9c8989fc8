/// What a rank takes first.
struct ListPolicy: Hashable, Sendable {
  /// Which backwards are split into halves.
  ///
  /// One in a pair never is: its forward hides what it waits for.
  enum Split: CaseIterable {
    case none
    /// Of a rank that has no forward left, as at the end of DualPipe.
    case atEnd
    /// All that are in no pair.
    case all
  }

  var split: Split
  /// A forward and a backward that are both there go as one.
  var pairs: Bool
  /// Of several forwards the one of the latest stage goes first, or else of the earliest.
  var goesDeep: Bool
  /// Microbatches that a stage may have under way for every rank behind it, in quarters.
  var depth: Int

  static func all(ranks: Int, pairs: Bool) -> [ListPolicy] {
    Split.allCases.flatMap { split in
      (pairs ? [true, false] : [false]).flatMap { pairs in
        [true, false].flatMap { goesDeep in
          Set([4, 6, 8, 10, 12, 16, 4 * ranks]).sorted().map {
            ListPolicy(split: split, pairs: pairs, goesDeep: goesDeep, depth: $0)
          }
        }
      }
    }
  }
}

/// Lets every rank take the best action that can start, by one policy.
struct ListPlanner {
  /// A stage for the microbatches of one direction.
  private struct Lane {
    var stage: Int
    var rank: Int
    var first: Int
    var count: Int
    var forwards = 0
    /// Backwards, whole ones and input halves.
    var backwards = 0
    /// Microbatches whose weight halves are left, oldest first.
    var weights: [Int] = []
    /// Microbatches that it may have under way.
    var most = 0
  }

  private let costs: StageCosts
  private let policy: ListPolicy
  private var lanes: [Lane] = []
  private var book: ReadyBook
  private var clocks: [Int]
  private var held: [Int]
  private var made: Schedule

  init(
    _ placement: Placement, ranks: Int, microbatches: Int, _ costs: StageCosts,
    _ policy: ListPolicy
  ) {
    (self.costs, self.policy) = (costs, policy)
    made = Schedule(
      ranks: Array(repeating: [], count: ranks), stageCount: costs.forward.count,
      microbatchCount: microbatches, placement: placement)
    book = ReadyBook(made, costs)
    clocks = Array(repeating: 0, count: ranks)
    held = clocks
    let directions = placement.directions
    for direction in 0..<directions {
      let (first, count) = (
        direction * (microbatches / directions), microbatches / directions
      )
      for stage in costs.forward.indices {
        let behind = costs.forward.count - stage
        lanes.append(
          Lane(
            stage: stage,
            rank: placement.rank(
              ofStage: stage, microbatch: first, microbatchCount: microbatches), first: first,
            count: count, most: max(1, (behind * policy.depth + 3) / 4)))
      }
    }
  }

  /// The order; nil where the limits leave no way on.
  mutating func schedule() -> Schedule? {
    while lanes.contains(where: { $0.backwards < $0.count || !$0.weights.isEmpty }) {
      var best: (start: Int, rank: Int, cell: Cell)?
      for rank in clocks.indices {
        guard let (start, cell) = choice(rank) else { continue }
        if start < best?.start ?? .max { best = (start, rank, cell) }
      }
      guard let best else { return nil }
      carryOut(best.cell, best.rank, best.start)
    }
    return made
  }

  /// What a rank does next, and when that starts.
  private func choice(_ rank: Int) -> (start: Int, cell: Cell)? {
    let own = lanes.indices.filter { lanes[$0].rank == rank }
    let backward = earliest(own.compactMap { nextBackward(lanes[$0]) }, rank)
    let forward = earliest(forwards(own, rank), rank)
    let now = [backward?.start, forward?.start].compactMap(\.self).min()
    // A weight half fills a gap, and makes room.
    if let weight = own.compactMap({ nextWeight(lanes[$0]) }).first,
      now.map({ $0 - clocks[rank] >= costs.backwardWeight[weight.stage] }) ?? true
    {
      return (clocks[rank], .run(weight))
    }
    if let backward, let forward, let pair = pair(forward, backward) { return pair }
    if let backward, backward.start <= forward?.start ?? .max {
      return (backward.start, .run(alone(backward.action, own)))
    }
    return forward.map { ($0.start, .run($0.action)) }
  }

  /// A forward and a backward as one, if merging gains more than waiting for the later of them costs.
  private func pair(
    _ forward: (start: Int, action: Action), _ backward: (start: Int, action: Action)
  ) -> (start: Int, cell: Cell)? {
    let (first, second) = (forward.action, backward.action)
    guard policy.pairs, (first.microbatch, first.stage) != (second.microbatch, second.stage)
    else { return nil }
    let cell = Cell.overlapped(forward: first, backward: second)
    let gained =
      costs.forward[first.stage] + costs.backward[second.stage] - costs.duration(of: cell)
    guard abs(forward.start - backward.start) <= gained else { return nil }
    return (max(forward.start, backward.start), cell)
  }

  /// A backward that is in no pair, whole or its input half.
  private func alone(_ backward: Action, _ own: [Int]) -> Action {
    let isSplit =
      switch policy.split {
      case .none: false
      case .atEnd: own.allSatisfy { lanes[$0].forwards == lanes[$0].count }
      case .all: true
      }
    return Action(
      isSplit ? .backwardInput : .backward, stage: backward.stage,
      microbatch: backward.microbatch)
  }

  private func earliest(_ actions: [Action], _ rank: Int) -> (start: Int, action: Action)? {
    var best: (start: Int, action: Action)?
    for action in actions {
      guard let ready = book.ready(action) else { continue }
      let start = max(clocks[rank], ready)
      if start < best?.start ?? .max { best = (start, action) }
    }
    return best
  }

  private func nextBackward(_ lane: Lane) -> Action? {
    guard lane.backwards < lane.count else { return nil }
    return Action(.backward, stage: lane.stage, microbatch: lane.first + lane.backwards)
  }

  private func nextWeight(_ lane: Lane) -> Action? {
    lane.weights.first.map { Action(.backwardWeight, stage: lane.stage, microbatch: $0) }
  }

  /// Forwards that the limits admit: a stage leaves room for one microbatch of each later stage of its rank.
  private func forwards(_ own: [Int], _ rank: Int) -> [Action] {
    let order = policy.goesDeep ? Array(own.reversed()) : own
    return order.compactMap { index in
      let lane = lanes[index]
      guard lane.forwards < lane.count, lane.forwards - lane.backwards < lane.most else {
        return nil
      }
      let later = own.filter {
        lanes[$0].stage > lane.stage && lanes[$0].forwards == lanes[$0].backwards
      }.reduce(0) { $0 + costs.kept[lanes[$1].stage] }
      guard held[rank] + costs.kept[lane.stage] + later <= costs.limits[rank] else { return nil }
      return Action(.forward, stage: lane.stage, microbatch: lane.first + lane.forwards)
    }
  }

  private mutating func carryOut(_ cell: Cell, _ rank: Int, _ start: Int) {
    made.ranks[rank].append(cell)
    clocks[rank] = start + costs.duration(of: cell)
    book.finish(cell, on: rank, at: clocks[rank])
    for action in cell.actions {
      guard
        let index = lanes.firstIndex(where: {
          $0.stage == action.stage && $0.rank == rank
            && ($0.first..<$0.first + $0.count).contains(action.microbatch)
        })
      else { preconditionFailure("An action has a lane.") }
      switch action.pass {
      case .forward:
        lanes[index].forwards += 1
        held[rank] += costs.kept[action.stage]
      case .backward:
        lanes[index].backwards += 1
        held[rank] -= costs.kept[action.stage]
      case .backwardInput:
        lanes[index].backwards += 1
        lanes[index].weights.append(action.microbatch)
      case .backwardWeight:
        lanes[index].weights.removeFirst()
        held[rank] -= costs.kept[action.stage]
      }
    }
  }
}
