/// Makes an order by letting every rank, whenever it is free, take the best action that can start.
///
/// Backwards for weight fill the gaps. A bound on what a rank holds keeps memory in check. The
/// planner walks a virtual clock on all ranks at once, so that what it decides fits its costs.
struct GreedyPlanner {
  /// What a rank prefers, and how much it may hold.
  struct Policy {
    /// Of the actions that can start, the one of lowest urgency starts first. Arguments: pass, leg
    /// (0 down, 1 up), rank, microbatch.
    var urgency: @Sendable (Action.Pass, Int, Int, Int) -> Int
    /// The most activations that a rank may hold, each from its forward to its backward for weight.
    var held: @Sendable (_ rank: Int) -> Int
    /// The most activations of the first leg that may wait for their backward for input.
    var inFlight: @Sendable (_ rank: Int) -> Int
    /// Twice the most that a rank may hold if half an activation goes at the backward for input.
    var heldHalves: @Sendable (_ rank: Int) -> Int
    /// A weight half starts if the known gap is at least this many quarters of its length.
    var gapQuarters: Int
  }

  let ranks: Int
  let legs: Int
  let microbatches: Int
  let costs: PassCosts
  let policy: Policy

  private var forwards: [Int]
  private var inputs: [Int]
  private var weights: [Int]
  private var activations: [[Int]]
  private var gradients: [[Int]]
  private var pending: [[Int]]
  private var busyUntil: [Int]
  private var wakes: [Int]
  private var cells: [[Cell]]

  private static let never = Int.max

  init(ranks: Int, legs: Int, microbatches: Int, costs: PassCosts, policy: Policy) {
    self.ranks = ranks
    self.legs = legs
    self.microbatches = microbatches
    self.costs = costs
    self.policy = policy
    let stages = ranks * legs
    let unknown = [Int](repeating: Self.never, count: microbatches)
    forwards = [Int](repeating: 0, count: stages)
    inputs = forwards
    weights = forwards
    activations = [[Int]](repeating: unknown, count: stages)
    activations[0] = [Int](repeating: 0, count: microbatches)
    gradients = [[Int]](repeating: unknown, count: stages)
    pending = [[Int]](repeating: [], count: ranks)
    busyUntil = [Int](repeating: 0, count: ranks)
    wakes = busyUntil
    cells = [[Cell]](repeating: [], count: ranks)
  }

  private func rank(_ stage: Int) -> Int { stage < ranks ? stage : 2 * ranks - 1 - stage }
  private func stage(_ leg: Int, _ rank: Int) -> Int { leg == 0 ? rank : 2 * ranks - 1 - rank }

  /// The planned schedule, or nothing if the bounds leave no way on.
  mutating func plan() -> Schedule? {
    var remaining = 3 * ranks * legs * microbatches
    while remaining > 0 {
      guard let rank = wakes.indices.min(by: { wakes[$0] < wakes[$1] }) else { return nil }
      let now = wakes[rank]
      if now == Self.never { return nil }
      let (choice, next) = bestStart(rank, now)
      if let choice {
        start(choice.pass, choice.stage, rank, now)
        remaining -= 1
      } else if let stage = pending[rank].first,
        next == Self.never || 4 * (next - now) >= policy.gapQuarters * costs.backwardWeight
      {
        pending[rank].removeFirst()
        start(.backwardWeight, stage, rank, now)
        remaining -= 1
      } else {
        wakes[rank] = next
      }
    }
    return Schedule(
      ranks: cells, stageCount: ranks * legs, microbatchCount: microbatches,
      placement: legs == 1
        ? .looped(ranks: ranks, stagesPerRank: 1) : .vShaped(ranks: ranks))
  }

  /// The most urgent forward or backward for input that can start now, and when the next input
  /// arrives that is known of.
  private func bestStart(
    _ rank: Int, _ now: Int
  ) -> (choice: (pass: Action.Pass, stage: Int)?, next: Int) {
    var best: (pass: Action.Pass, stage: Int)?
    var lowest = Int.max
    var next = Self.never
    for leg in 0..<legs {
      let stage = stage(leg, rank)
      for (pass, index, arrivals) in [
        (Action.Pass.forward, forwards[stage], activations[stage]),
        (Action.Pass.backwardInput, inputs[stage], gradients[stage]),
      ] where index < microbatches && arrivals[index] != Self.never {
        if pass == .forward && !mayHold(leg, rank) { continue }
        next = min(next, arrivals[index])
        let urgency = policy.urgency(pass, leg, rank, index)
        if arrivals[index] <= now && urgency < lowest {
          lowest = urgency
          best = (pass, stage)
        }
      }
    }
    return (best, next)
  }

  /// Whether the bounds admit one more forward. On two legs the way up keeps one place to itself,
  /// since everything on the way down waits for it in the end.
  private func mayHold(_ leg: Int, _ rank: Int) -> Bool {
    var held = 0
    var halves = 0
    for leg in 0..<legs {
      let stage = stage(leg, rank)
      held += forwards[stage] - weights[stage]
      halves += 2 * forwards[stage] - inputs[stage] - weights[stage]
    }
    if held >= policy.held(rank) || halves + 2 > policy.heldHalves(rank) { return false }
    if leg == 1 { return true }
    let stage = stage(0, rank)
    if legs == 2 && forwards[stage] - weights[stage] >= policy.held(rank) - 1 { return false }
    return forwards[stage] - inputs[stage] < policy.inFlight(rank)
  }

  private mutating func start(_ pass: Action.Pass, _ stage: Int, _ rank: Int, _ now: Int) {
    var end = now
    switch pass {
    case .forward, .backward:
      end += costs.forward
      let microbatch = forwards[stage]
      cells[rank].append(.forward(stage, microbatch))
      forwards[stage] += 1
      if stage == ranks * legs - 1 {
        gradients[stage][microbatch] = end
      } else {
        activations[stage + 1][microbatch] = arrival(from: rank, at: stage + 1, end)
      }
    case .backwardInput:
      end += costs.backwardInput
      let microbatch = inputs[stage]
      cells[rank].append(.backwardInput(stage, microbatch))
      inputs[stage] += 1
      pending[rank].append(stage)
      if stage > 0 {
        gradients[stage - 1][microbatch] = arrival(from: rank, at: stage - 1, end)
      }
    case .backwardWeight:
      end += costs.backwardWeight
      cells[rank].append(.backwardWeight(stage, weights[stage]))
      weights[stage] += 1
    }
    wakes[rank] = end
    busyUntil[rank] = end
  }

  /// When `stage` has what ends at `end`; wakes its rank.
  private mutating func arrival(from source: Int, at stage: Int, _ end: Int) -> Int {
    let target = rank(stage)
    if target == source { return end }
    let arrival = end + costs.transfer
    wakes[target] = min(wakes[target], max(arrival, busyUntil[target]))
    return arrival
  }
}

extension PassCosts {
  /// What the automatic schedules plan with when nothing is known: a backward of twice the forward,
  /// its input half the larger because of attention, and transfers that cost little.
  static let usual = PassCosts(forward: 20, backwardInput: 24, backwardWeight: 16, transfer: 1)
}

extension Schedule {
  /// The best of `candidates`: the shortest step, then the shortest stay of the busiest rank, then
  /// the least memory; the first of equals.
  static func best(of candidates: [Schedule], for costs: PassCosts) -> Schedule? {
    var best: (schedule: Schedule, key: [Double])?
    for candidate in candidates {
      guard let timing = try? ScheduleTiming(validated: candidate, times: PassTimes(costs)) else {
        continue
      }
      let key = [
        timing.makespan, timing.longestRankSpan,
        timing.peakActivations.max() ?? 0, timing.peakActivations.reduce(0, +),
      ]
      if let best, !key.lexicographicallyPrecedes(best.key) { continue }
      best = (candidate, key)
    }
    return best?.schedule
  }
}
