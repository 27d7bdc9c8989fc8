/// An order of uneven stages that was planned from their costs.
public struct AutomaticSchedule: Hashable, Sendable {
  public var schedule: Schedule
  public var timing: StageTiming
  /// The published order that it is; nil where it was planned.
  public var name: ScheduleName?
  /// The best of the published orders that keep within the limits; nil where none does.
  public var bestNamed: ScheduleName?
  public var bestNamedMakespan: Int?
  /// No order on the same placement ends before.
  public var bound: Int
}

extension Schedule {
  /// The fastest order found for the costs of every stage within the limits of every rank.
  ///
  /// One that is planned by letting every rank take, whenever it is free, the best action that can start, under
  /// many policies, or a published order on the same placement if that is no slower. Nil where none keeps
  /// within the limits.
  ///
  /// - Parameters:
  ///   - pairs: whether a forward and a backward may be one cell.
  /// - Complexity: actions times ranks for each policy.
  public static func automatic(
    on placement: Placement, ranks: Int, microbatches: Int, _ costs: StageCosts, pairs: Bool
  ) -> AutomaticSchedule? {
    let stages = costs.forward.count
    var best: AutomaticSchedule?
    var known: (name: ScheduleName, makespan: Int)?
    let bound = leastMakespan(on: placement, ranks: ranks, microbatches: microbatches, costs)
    func consider(_ schedule: Schedule, _ name: ScheduleName?) {
      guard let timing = StageTiming(schedule, costs), timing.fits(costs) else { return }
      if let name, timing.makespan < known?.makespan ?? .max { known = (name, timing.makespan) }
      guard timing.makespan < best?.timing.makespan ?? .max else { return }
      best = AutomaticSchedule(schedule: schedule, timing: timing, name: name, bound: bound)
    }
    for name in ScheduleName.allCases {
      for style in pairs && name.canMergePairs ? PairStyle.allCases : [.apart] {
        for times in name.isPlanned ? [nil, costs.mean] : [nil] {
          guard
            let schedule = try? name.schedule(
              ranks: ranks, stagesPerRank: name == .dualPipe ? nil : stages / ranks,
              microbatches: microbatches, costs: times, pairs: style),
            schedule.placement == placement, schedule.stageCount == stages
          else { continue }
          consider(schedule, name)
        }
      }
    }
    for policy in ListPolicy.all(ranks: ranks, pairs: pairs && !costs.merged.isEmpty) {
      var planner = ListPlanner(
        placement, ranks: ranks, microbatches: microbatches, costs, policy)
      if let schedule = planner.schedule() { consider(schedule, nil) }
    }
    best?.bestNamed = known?.name
    best?.bestNamedMakespan = known?.makespan
    return best
  }

  /// No order on a placement ends before: every rank waits for the shortest way to one of its stages and then
  /// has its own work, and one microbatch goes down and up.
  public static func leastMakespan(
    on placement: Placement, ranks: Int, microbatches: Int, _ costs: StageCosts
  ) -> Int {
    let stages = costs.forward.count
    func shortest(_ forward: Int, _ backward: Int) -> Int {
      costs.merged.isEmpty
        ? costs.forward[forward] + costs.backward[backward]
        : min(costs.forward[forward] + costs.backward[backward], costs.merged[forward][backward])
    }
    var ways = [0]
    for stage in 0..<stages { ways.append(ways[stage] + costs.forward[stage]) }
    var work = [Int](repeating: 0, count: ranks)
    var heads = [Int](repeating: .max, count: ranks)
    for rank in 0..<ranks {
      var pairs = (forwards: [Int](), backwards: [Int]())
      for stage in 0..<stages {
        for microbatch in [0, microbatches - 1].prefix(placement.directions) {
          let holder = placement.rank(
            ofStage: stage, microbatch: microbatch, microbatchCount: microbatches)
          guard holder == rank else { continue }
          heads[rank] = min(heads[rank], ways[stage])
          let count = microbatches / placement.directions
          let halves = min(
            costs.backward[stage], costs.backwardInput[stage] + costs.backwardWeight[stage])
          work[rank] += count * (costs.forward[stage] + halves)
          pairs.forwards.append(stage)
          pairs.backwards.append(stage)
        }
      }
      guard !costs.merged.isEmpty else { continue }
      // Of a pair the most that merging saves, for every pass that may be part of one.
      let saved =
        pairs.forwards.flatMap { forward in
          pairs.backwards.map {
            costs.forward[forward] + costs.backward[$0] - shortest(forward, $0)
          }
        }.max() ?? 0
      let passes = microbatches / placement.directions * pairs.forwards.count
      work[rank] -= saved * passes
    }
    let alone = ways[stages] + costs.backwardInput.reduce(0, +)
    let ranksAlone = work.indices.map { heads[$0] == .max ? 0 : heads[$0] + work[$0] }.max() ?? 0
    return max(min(alone, ways[stages] + costs.backward.reduce(0, +)), ranksAlone)
  }
}

extension Placement {
  /// How many ways microbatches take through the ranks.
  var directions: Int { if case .bidirectional = self { 2 } else { 1 } }
}

/// What a rank takes first.
struct ListPolicy: Hashable, Sendable {
  /// Backwards are split, and weight halves go where nothing else can.
  var splits: Bool
  /// A forward and a backward that are both there go as one.
  var pairs: Bool
  /// Of several forwards the one of the latest stage goes first, or else of the earliest.
  var goesDeep: Bool
  /// Microbatches that a stage may have under way for every rank behind it, in quarters.
  var depth: Int

  static func all(ranks: Int, pairs: Bool) -> [ListPolicy] {
    [false, true].flatMap { splits in
      (pairs ? [true, false] : [false]).flatMap { pairs in
        [true, false].flatMap { goesDeep in
          [4, 6, 8, 10, 12, 16, 4 * ranks].map {
            ListPolicy(splits: splits, pairs: pairs, goesDeep: goesDeep, depth: $0)
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
    var inputs = 0
    var weights = 0
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
    var left = lanes.reduce(0) { $0 + $1.count * (policy.splits ? 3 : 2) }
    while left > 0 {
      var best: (start: Int, rank: Int, cell: Cell)?
      for rank in clocks.indices {
        guard let (start, cell) = choice(rank) else { continue }
        if start < best?.start ?? .max { best = (start, rank, cell) }
      }
      guard let best else { return nil }
      carryOut(best.cell, best.rank, best.start)
      left -= best.cell.actions.count
    }
    return made
  }

  /// What a rank does next, and when that starts.
  private func choice(_ rank: Int) -> (start: Int, cell: Cell)? {
    let own = lanes.indices.filter { lanes[$0].rank == rank }
    let backward = earliest(own.compactMap { nextBackward(lanes[$0]) }, rank)
    let forward = earliest(forwards(own, rank), rank)
    let weight = policy.splits ? own.compactMap { nextWeight(lanes[$0]) }.first : nil
    let now = [backward?.start, forward?.start].compactMap(\.self).min()
    // A weight half fills a gap, and makes room.
    if let weight, now.map({ $0 - clocks[rank] >= costs.backwardWeight[weight.stage] }) ?? true {
      return (clocks[rank], .run(weight))
    }
    if policy.pairs, let backward, let forward, backward.action.pass == .backward,
      (backward.action.microbatch, backward.action.stage)
        != (forward.action.microbatch, forward.action.stage)
    {
      let start = max(backward.start, forward.start)
      let later = costs.duration(
        of: .overlapped(forward: forward.action, backward: backward.action))
      let gained =
        costs.forward[forward.action.stage] + costs.backward[backward.action.stage] - later
      if start - min(backward.start, forward.start) <= gained {
        return (start, .overlapped(forward: forward.action, backward: backward.action))
      }
    }
    guard let backward else { return forward.map { ($0.start, .run($0.action)) } }
    guard let forward, forward.start < backward.start else {
      return (backward.start, .run(backward.action))
    }
    return (forward.start, .run(forward.action))
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
    guard lane.inputs < lane.count else { return nil }
    return Action(
      policy.splits ? .backwardInput : .backward, stage: lane.stage,
      microbatch: lane.first + lane.inputs)
  }

  private func nextWeight(_ lane: Lane) -> Action? {
    guard lane.weights < lane.inputs else { return nil }
    return Action(.backwardWeight, stage: lane.stage, microbatch: lane.first + lane.weights)
  }

  /// Forwards that the limits admit: a stage leaves room for one microbatch of each later stage of its rank.
  private func forwards(_ own: [Int], _ rank: Int) -> [Action] {
    let order = policy.goesDeep ? Array(own.reversed()) : own
    return order.compactMap { index in
      let lane = lanes[index]
      guard lane.forwards < lane.count, lane.forwards - lane.inputs < lane.most else { return nil }
      let later = own.filter {
        lanes[$0].stage > lane.stage && lanes[$0].forwards == lanes[$0].inputs
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
        lanes[index].inputs += 1
        lanes[index].weights += 1
        held[rank] -= costs.kept[action.stage]
      case .backwardInput: lanes[index].inputs += 1
      case .backwardWeight:
        lanes[index].weights += 1
        held[rank] -= costs.kept[action.stage]
      }
    }
  }
}
