/// Times an order under several sets of costs while it is made: every action starts as soon as the order
/// lets it, as `DryRun` has it.
struct OrderTimer {
  private let ranks: Int
  /// See `PlannedOrder.pitch`.
  private let pitch: Int
  private let lastStage: Int
  /// How many sets of costs there are; those of one thing lie next to each other.
  private let count: Int
  /// By pass, as its place in `PlannedOrder.passes`.
  private let durations: [Int]
  private let transfers: [Int]
  /// When the input of a stage's forward and of its backward is there, by stage and microbatch.
  private var activations: [Int]
  private var gradients: [Int]
  /// When each rank began and when it is through so far.
  private var firsts: [Int]
  private var clocks: [Int]
  /// The shortest time that the step can take with the actions so far, as far as each rank shows it, added
  /// up over the sets of costs: what the rank has to do, and what it has waited.
  private(set) var leastMakespans: [Int]

  private static let never = Int.max

  /// A timer that has seen nothing of an order yet.
  init(_ order: PlannedOrder, _ costs: [PassCosts]) {
    let (ranks, legs, microbatches) = (order.ranks, order.legs, order.microbatches)
    self.ranks = ranks
    pitch = order.pitch
    lastStage = ranks * legs - 1
    count = costs.count
    durations =
      costs.map(\.forward) + costs.map(\.backwardInput) + costs.map(\.backwardWeight)
    transfers = costs.map(\.transfer)
    activations = Array(
      repeating: Self.never, count: ranks * legs * pitch * costs.count)
    gradients = activations
    for index in 0..<microbatches * costs.count { activations[index] = 0 }
    firsts = Array(repeating: Self.never, count: ranks * costs.count)
    clocks = Array(repeating: 0, count: ranks * costs.count)
    leastMakespans = Array(repeating: durations.reduce(0, +) * legs * microbatches, count: ranks)
  }

  /// From the first action of all ranks to the last, and from the first to the last of the busiest rank,
  /// each added up over the sets of costs.
  var span: (makespan: Int, longestOfRanks: Int) {
    var sum = (makespan: 0, longestOfRanks: 0)
    for index in 0..<count {
      let places = stride(from: index, to: clocks.count, by: count)
      let first = places.map { firsts[$0] }.min() ?? 0
      sum.makespan += (places.map { clocks[$0] }.max() ?? 0) - first
      sum.longestOfRanks += places.map { clocks[$0] - firsts[$0] }.max() ?? 0
    }
    return sum
  }

  /// Whether what a pass reads has been made.
  func isReady(_ pass: Int, stage: Int, microbatch: Int) -> Bool {
    let place = (stage * pitch + microbatch) * count
    return pass == 0
      ? activations[place] != Self.never : pass != 1 || gradients[place] != Self.never
  }

  /// Carries out the next action of a rank.
  mutating func append(_ pass: Int, rank: Int, stage: Int, microbatch: Int) {
    let place = (stage * pitch + microbatch) * count
    // The last stage turns, and a V turns once more on its last rank: nothing is sent there.
    let isTurn = pass == 0 ? stage == ranks - 1 || stage == lastStage : stage == ranks
    var waited = 0
    let isFirst = firsts[rank * count] == Self.never
    for index in 0..<count {
      let clock = clocks[rank * count + index]
      let ready =
        pass == 0 ? activations[place + index] : pass == 1 ? gradients[place + index] : 0
      let start = max(clock, ready)
      waited += start - clock
      if isFirst { firsts[rank * count + index] = start }
      let end = start + durations[pass * count + index]
      clocks[rank * count + index] = end
      let arrival = isTurn ? end : end + transfers[index]
      if pass == 0 {
        if stage == lastStage {
          gradients[place + index] = arrival
        } else {
          activations[place + pitch * count + index] = arrival
        }
      } else if pass == 1, stage > 0 {
        gradients[place - pitch * count + index] = arrival
      }
    }
    leastMakespans[rank] += waited
  }
}

extension PlannedOrder {
  /// Times the whole order.
  func timer(_ costs: [PassCosts]) -> OrderTimer {
    var timer = OrderTimer(self, costs)
    var positions = [Int](repeating: 0, count: ranks)
    var done = [Int](repeating: 0, count: ranks * 2 * Self.passes.count)
    var progress = true
    while progress {
      progress = false
      for rank in 0..<ranks {
        while positions[rank] < turnsPerRank {
          let turn = Int(turns[rank * turnsPerRank + positions[rank]])
          let stage = stage(turn & 1, rank)
          let count = rank * 2 * Self.passes.count + turn
          let microbatch = done[count]
          guard timer.isReady(turn / 2, stage: stage, microbatch: microbatch) else { break }
          timer.append(turn / 2, rank: rank, stage: stage, microbatch: microbatch)
          done[count] += 1
          positions[rank] += 1
          progress = true
        }
      }
    }
    precondition(positions.allSatisfy { $0 == turnsPerRank }, "A planned order comes to its end.")
    return timer
  }
}
