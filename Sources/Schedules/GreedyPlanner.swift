/// Makes an order by letting every rank, whenever it is free, take the best action that can start.
///
/// Backwards for weight fill the gaps. A bound on what a rank holds keeps memory in check. The
/// planner walks a virtual clock on all ranks at once, so that what it decides fits its costs.
///
/// - Complexity: O(actions · log ranks).
struct GreedyPlanner {
  private let ranks: Int
  private let legs: Int
  private let microbatches: Int
  /// See `PlannedOrder.pitch`.
  private let pitch: Int
  private let costs: PassCosts
  private let policy: GreedyPolicy
  /// The policy's urgencies of microbatch 0, four for each rank, and its waits of weight halves.
  private let firstUrgencies: [Int]
  private let weightWaits: [Int]

  private var lanes: [Lane]
  private var stages: [Stage]
  /// When inputs are there, by stage and microbatch.
  private var activations: [Int]
  private var gradients: [Int]
  /// Input halves of each rank in their order.
  private var inputHalves: [InputHalf]
  /// The most that a rank has waited since its first action.
  private var mostIdle = 0
  /// Which of the policy's limits have decided anything so far.
  private(set) var limits = GreedyPolicy.Limits()
  /// When each rank looks for its next action.
  private var wakes: EarliestRank
  private var order: PlannedOrder
  /// What the order comes to under the costs that it will be judged by.
  private var timer: OrderTimer

  private static let never = Int.max

  /// What is known of a rank.
  private struct Lane {
    var turns = 0
    var busyUntil = 0
    /// How long it has waited since its first action.
    var idle = 0
    /// Activations that it holds, and twice as many if half of one goes at the backward for input.
    var held = 0
    var heldHalves = 0
    /// Input halves and weight halves that it has run.
    var inputHalves = 0
    var weightHalves = 0
  }

  /// How many of each pass a stage has run.
  private struct Stage {
    var forwards = 0
    var inputs = 0
    var weights = 0
  }

  private struct InputHalf {
    var leg = 0
    var urgency = 0
  }

  /// A pass, by its place in `PlannedOrder.passes`, on a leg.
  private struct Turn {
    var pass: Int
    var leg: Int
  }

  private static let forward = 0
  private static let input = 1
  private static let weight = 2

  /// - Parameter judged: the costs by which the order will be judged.
  init(
    ranks: Int, legs: Int, microbatches: Int, costs: PassCosts, policy: GreedyPolicy,
    judged: [PassCosts]
  ) {
    self.ranks = ranks
    self.legs = legs
    self.microbatches = microbatches
    self.costs = costs
    self.policy = policy
    firstUrgencies = Array(policy.urgency.first.joined())
    weightWaits = Array((policy.weightUrgency?.waits ?? []).joined())
    lanes = Array(repeating: Lane(), count: ranks)
    stages = Array(repeating: Stage(), count: ranks * legs)
    order = PlannedOrder(ranks: ranks, legs: legs, microbatches: microbatches)
    pitch = order.pitch
    activations = [Int](repeating: Self.never, count: ranks * legs * pitch)
    gradients = activations
    for microbatch in 0..<microbatches { activations[microbatch] = 0 }
    inputHalves = Array(repeating: InputHalf(), count: ranks * legs * microbatches)
    wakes = EarliestRank(ranks: ranks)
    timer = OrderTimer(order, judged)
  }

  /// The planned order with its times, or nothing if the bounds leave no way on or the step, its times
  /// added up, would take longer than `longest`.
  mutating func plan(within longest: Int) -> (order: PlannedOrder, timer: OrderTimer)? {
    var remaining = order.turns.count
    while remaining > 0 {
      let rank = wakes.rank
      let now = wakes[rank]
      if now == Self.never { return nil }
      let (best, next) = bestStart(rank, now)
      var choice = best
      if choice == nil, let oldest = oldestPending(rank), fills(next, rank, now) {
        choice = Turn(pass: Self.weight, leg: oldest.leg)
      }
      guard let choice else {
        wakes[rank] = next
        continue
      }
      start(choice, rank, now)
      remaining -= 1
      if timer.leastMakespans[rank] > longest { return nil }
    }
    return (order, timer)
  }

  /// The input half that has waited longest for its weight half.
  @inline(__always)
  private func oldestPending(_ rank: Int) -> InputHalf? {
    guard lanes[rank].weightHalves < lanes[rank].inputHalves else { return nil }
    return inputHalves[rank * legs * microbatches + lanes[rank].weightHalves]
  }

  /// Whether a rank uses the time until `next` for a weight half.
  @inline(__always)
  private mutating func fills(_ next: Int, _ rank: Int, _ now: Int) -> Bool {
    if next == Self.never { return true }
    let gap = next - now
    if gap >= costs.backwardWeight { return true }
    limits.metShortGap = true
    if policy.sparesShortGaps, gap <= mostIdle - lanes[rank].idle { return false }
    return 4 * gap >= policy.gapQuarters * costs.backwardWeight
  }

  /// The most urgent action that can start now, and when the next input arrives that is known of.
  @inline(__always)
  private func bestStart(_ rank: Int, _ now: Int) -> (choice: Turn?, next: Int) {
    let isDraining = stages[rank].forwards == microbatches
    var first = Int.max
    if !isDraining {
      forEachNext(rank, now, withWeights: true) { _, urgency, _ in first = min(first, urgency) }
    }
    var best: Turn?
    var lowest = Int.max
    var next = Self.never
    forEachNext(rank, now, withWeights: !isDraining) { turn, urgency, ready in
      if !isDraining && urgency - first > policy.lead { return }
      next = min(next, ready)
      if ready > now || urgency >= lowest { return }
      lowest = urgency
      best = turn
    }
    return (best, next)
  }

  /// What a rank has to do next on each leg, as far as its bounds admit it: what, its urgency and when
  /// its input is there, which is `never` while that is unknown.
  @inline(__always)
  private func forEachNext(
    _ rank: Int, _ now: Int, withWeights: Bool, _ body: (Turn, Int, Int) -> Void
  ) {
    for leg in 0..<legs {
      let stage = order.stage(leg, rank)
      let done = stages[stage]
      if done.forwards < microbatches && mayHold(leg, rank, done) {
        body(
          Turn(pass: Self.forward, leg: leg), urgency(Self.forward, leg, rank, done.forwards),
          activations[stage * pitch + done.forwards])
      }
      if done.inputs < microbatches {
        body(
          Turn(pass: Self.input, leg: leg), urgency(Self.input, leg, rank, done.inputs),
          gradients[stage * pitch + done.inputs])
      }
    }
    if withWeights, !weightWaits.isEmpty, let delay = policy.weightUrgency?.delay,
      let oldest = oldestPending(rank)
    {
      let slot = oldest.urgency + delay
      let wait = weightWaits[VPattern.period * rank + slot % VPattern.period]
      body(Turn(pass: Self.weight, leg: oldest.leg), slot + wait, now)
    }
  }

  /// The policy's urgency of a forward or a backward for input.
  @inline(__always)
  private func urgency(_ pass: Int, _ leg: Int, _ rank: Int, _ microbatch: Int) -> Int {
    firstUrgencies[4 * rank + 2 * pass + leg] + policy.urgency.perMicrobatch * microbatch
  }

  /// Whether the bounds admit one more forward on a leg whose stage has `done` so much.
  ///
  /// On two legs the way up keeps one place to itself, since everything on the way down waits for
  /// it in the end.
  @inline(__always)
  private func mayHold(_ leg: Int, _ rank: Int, _ done: Stage) -> Bool {
    if lanes[rank].held >= policy.held || lanes[rank].heldHalves + 2 > policy.heldHalves {
      return false
    }
    if leg == 1 { return true }
    if legs == 2 {
      let halvesDown = 2 * done.forwards - done.inputs - done.weights
      if done.forwards - done.weights >= policy.held - 1 || halvesDown + 4 > policy.heldHalves {
        return false
      }
    }
    return done.forwards - done.inputs < policy.inFlight[rank]
  }

  private mutating func start(_ turn: Turn, _ rank: Int, _ now: Int) {
    var lane = lanes[rank]
    if lane.turns > 0 {
      lane.idle += now - lane.busyUntil
      mostIdle = max(mostIdle, lane.idle)
    }
    order.set(turn.pass, turn.leg, at: lane.turns, ofRank: rank)
    lane.turns += 1
    let stage = order.stage(turn.leg, rank)
    let microbatch: Int
    switch turn.pass {
    case Self.forward:
      microbatch = stages[stage].forwards
      stages[stage].forwards += 1
      lane.held += 1
      lane.heldHalves += 2
      limits.mostHeld = max(limits.mostHeld, lane.held)
      lane.busyUntil = now + costs.forward
    case Self.input:
      microbatch = stages[stage].inputs
      stages[stage].inputs += 1
      inputHalves[rank * legs * microbatches + lane.inputHalves] = InputHalf(
        leg: turn.leg, urgency: urgency(Self.input, turn.leg, rank, microbatch))
      lane.inputHalves += 1
      lane.heldHalves -= 1
      lane.busyUntil = now + costs.backwardInput
    default:
      microbatch = stages[stage].weights
      stages[stage].weights += 1
      lane.weightHalves += 1
      lane.held -= 1
      lane.heldHalves -= 1
      lane.busyUntil = now + costs.backwardWeight
    }
    lanes[rank] = lane
    wakes[rank] = lane.busyUntil
    timer.append(turn.pass, rank: rank, stage: stage, microbatch: microbatch)
    if turn.pass != Self.weight {
      handOn(isForward: turn.pass == Self.forward, rank, stage, microbatch, lane.busyUntil)
    }
  }

  /// Gives what a pass made to the stage that reads it.
  private mutating func handOn(
    isForward: Bool, _ rank: Int, _ stage: Int, _ microbatch: Int, _ end: Int
  ) {
    if !isForward {
      guard stage > 0 else { return }
      gradients[(stage - 1) * pitch + microbatch] = arrival(from: rank, at: stage - 1, end)
    } else if stage == ranks * legs - 1 {
      gradients[stage * pitch + microbatch] = end
    } else {
      activations[(stage + 1) * pitch + microbatch] = arrival(
        from: rank, at: stage + 1, end)
    }
  }

  /// When `stage` has what ends at `end`; wakes its rank.
  private mutating func arrival(from source: Int, at stage: Int, _ end: Int) -> Int {
    let target = stage < ranks ? stage : 2 * ranks - 1 - stage
    if target == source { return end }
    let arrival = end + costs.transfer
    let wake = max(arrival, lanes[target].busyUntil)
    if wake < wakes[target] { wakes[target] = wake }
    return arrival
  }
}
