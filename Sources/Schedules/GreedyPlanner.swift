/// Makes an order by letting every rank, whenever it is free, take the best action that can start.
///
/// Backwards for weight fill the gaps. A bound on what a rank holds keeps memory in check. The
/// planner walks a virtual clock on all ranks at once, so that what it decides fits its costs.
struct GreedyPlanner {
  /// What a rank prefers, and how much it may hold.
  struct Policy {
    /// The lower, the sooner: of pass, leg (0 down, 1 up), rank and microbatch.
    var urgency: @Sendable (Action.Pass, Int, Int, Int) -> Int
    /// The most activations that a rank may hold, each from its forward to its backward for weight.
    var held: Int
    /// Twice the most that a rank may hold if half an activation goes at the backward for input.
    var heldHalves: @Sendable (_ rank: Int) -> Int
    /// The most activations of the first leg that may wait for their backward for input.
    var inFlight: @Sendable (_ rank: Int) -> Int
    /// A weight half fills a gap if the gap that is known of has this many quarters of its length.
    var gapQuarters: Int
    /// Whether a rank leaves a gap open that is too short for a weight half as long as it has idled
    /// less than the rank that idled most, which costs nothing.
    var sparesShortGaps = false
    /// How much less urgent than the rank's most urgent next action one may be that overtakes it.
    ///
    /// A rank that has run all forwards of the first leg overtakes at will, and its weight halves
    /// only fill gaps.
    var lead: Int
    /// The urgency of a weight half, from the rank and the urgency of its input half; without it,
    /// weight halves only fill gaps.
    var weightUrgency: (@Sendable (_ rank: Int, _ input: Int) -> Int)?
  }

  let ranks: Int
  let legs: Int
  let microbatches: Int
  let costs: PassCosts
  let policy: Policy

  private var forwards: [Int]
  private var inputs: [Int]
  private var weights: [Int]
  /// When inputs are there, by stage and microbatch.
  private var activations: [Int]
  private var gradients: [Int]
  /// Weight halves whose input half is done, oldest first, with the urgency of that half.
  private var pending: [[(stage: Int, urgency: Int)]]
  private var busyUntil: [Int]
  /// How long each rank has waited since its first action.
  private var idle: [Int]
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
    forwards = [Int](repeating: 0, count: stages)
    inputs = forwards
    weights = forwards
    activations = [Int](repeating: Self.never, count: stages * microbatches)
    gradients = activations
    for microbatch in 0..<microbatches { activations[microbatch] = 0 }
    pending = Array(repeating: [], count: ranks)
    busyUntil = [Int](repeating: 0, count: ranks)
    wakes = busyUntil
    idle = busyUntil
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
      } else if let oldest = pending[rank].first, fills(next, rank, now) {
        start(.backwardWeight, oldest.stage, rank, now)
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

  /// Whether a rank uses the time until `next` for a weight half.
  private func fills(_ next: Int, _ rank: Int, _ now: Int) -> Bool {
    if next == Self.never { return true }
    let gap = next - now
    if gap >= costs.backwardWeight { return true }
    if policy.sparesShortGaps, let most = idle.max(), gap <= most - idle[rank] { return false }
    return 4 * gap >= policy.gapQuarters * costs.backwardWeight
  }

  /// The most urgent action that can start now, and when the next input arrives that is known of.
  private func bestStart(
    _ rank: Int, _ now: Int
  ) -> (choice: (pass: Action.Pass, stage: Int)?, next: Int) {
    let isDraining = forwards[rank] == microbatches
    var first = Int.max
    if !isDraining {
      forEachNext(rank, now, withWeights: true) { _, _, urgency, _ in first = min(first, urgency) }
    }
    var best: (pass: Action.Pass, stage: Int)?
    var lowest = Int.max
    var next = Self.never
    forEachNext(rank, now, withWeights: !isDraining) { pass, stage, urgency, ready in
      if !isDraining && urgency - first > policy.lead { return }
      next = min(next, ready)
      if ready > now || urgency >= lowest { return }
      lowest = urgency
      best = (pass, stage)
    }
    return (best, next)
  }

  /// What a rank has to do next on each leg, as far as its bounds admit it: pass, stage, urgency and
  /// when its input is there, which is `never` while that is unknown.
  private func forEachNext(
    _ rank: Int, _ now: Int, withWeights: Bool, _ body: (Action.Pass, Int, Int, Int) -> Void
  ) {
    for leg in 0..<legs {
      let stage = stage(leg, rank)
      let forward = forwards[stage]
      if forward < microbatches && mayHold(leg, rank) {
        body(
          .forward, stage, policy.urgency(.forward, leg, rank, forward),
          activations[stage * microbatches + forward])
      }
      let input = inputs[stage]
      if input < microbatches {
        body(
          .backwardInput, stage, policy.urgency(.backwardInput, leg, rank, input),
          gradients[stage * microbatches + input])
      }
    }
    if withWeights, let weightUrgency = policy.weightUrgency,
      let oldest = pending[rank].first
    {
      body(.backwardWeight, oldest.stage, weightUrgency(rank, oldest.urgency), now)
    }
  }

  /// Whether the bounds admit one more forward.
  ///
  /// On two legs the way up keeps one place to itself, since everything on the way down waits for
  /// it in the end.
  private func mayHold(_ leg: Int, _ rank: Int) -> Bool {
    var held = 0
    var halves = 0
    for leg in 0..<legs {
      let stage = stage(leg, rank)
      held += forwards[stage] - weights[stage]
      halves += 2 * forwards[stage] - inputs[stage] - weights[stage]
    }
    let halvesBound = policy.heldHalves(rank)
    if held >= policy.held || halves + 2 > halvesBound { return false }
    if leg == 1 { return true }
    let stage = stage(0, rank)
    if legs == 2 {
      let halvesDown = 2 * forwards[stage] - inputs[stage] - weights[stage]
      if forwards[stage] - weights[stage] >= policy.held - 1 || halvesDown + 4 > halvesBound {
        return false
      }
    }
    return forwards[stage] - inputs[stage] < policy.inFlight(rank)
  }

  private mutating func start(_ pass: Action.Pass, _ stage: Int, _ rank: Int, _ now: Int) {
    if !cells[rank].isEmpty { idle[rank] += now - busyUntil[rank] }
    var end = now
    switch pass {
    case .forward, .backward:
      end += costs.forward
      let microbatch = forwards[stage]
      cells[rank].append(.forward(stage, microbatch))
      forwards[stage] += 1
      if stage == ranks * legs - 1 {
        gradients[stage * microbatches + microbatch] = end
      } else {
        activations[(stage + 1) * microbatches + microbatch] = arrival(
          from: rank, at: stage + 1, end)
      }
    case .backwardInput:
      end += costs.backwardInput
      let microbatch = inputs[stage]
      cells[rank].append(.backwardInput(stage, microbatch))
      inputs[stage] += 1
      let leg = stage < ranks ? 0 : 1
      pending[rank].append((stage, policy.urgency(.backwardInput, leg, rank, microbatch)))
      if stage > 0 {
        gradients[(stage - 1) * microbatches + microbatch] = arrival(from: rank, at: stage - 1, end)
      }
    case .backwardWeight:
      end += costs.backwardWeight
      pending[rank].removeFirst()
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
