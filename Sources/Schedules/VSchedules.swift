extension Schedule {
  /// V-Half: stages in a V, planned within about half of 1F1B's memory: `ranks / 2 + 1` pairs of
  /// half-size activations (arXiv:2405.15362).
  static func vHalf(ranks: Int, microbatches: Int, costs: PassCosts) -> Schedule {
    plannedV(ranks: ranks, microbatches: microbatches, costs: costs, held: 2 * (ranks / 2 + 1))
  }

  /// V-Min: stages in a V, planned within about a third of 1F1B's memory (arXiv:2405.15362).
  static func vMin(ranks: Int, microbatches: Int, costs: PassCosts) -> Schedule {
    plannedV(ranks: ranks, microbatches: microbatches, costs: costs, held: 2 * ((ranks + 4) / 3))
  }

  /// ZBV planned for the given costs within its memory, `2 * ranks` half-size activations a rank.
  static func plannedZeroBubbleV(ranks: Int, microbatches: Int, costs: PassCosts) -> Schedule {
    plannedV(
      ranks: ranks, microbatches: microbatches, costs: costs, held: 2 * ranks,
      published: [zeroBubbleV(ranks: ranks, microbatches: microbatches)])
  }

  private static func plannedV(
    ranks: Int, microbatches: Int, costs: PassCosts, held: Int, published: [Schedule] = []
  ) -> Schedule {
    var candidates = published
    for policy in policies(ranks: ranks, held: held) {
      for assumed in [
        costs, PassCosts(forward: 1, backwardInput: 1, backwardWeight: 1, transfer: 0),
      ] {
        var planner = GreedyPlanner(
          ranks: ranks, legs: 2, microbatches: microbatches, costs: assumed, policy: policy)
        if let planned = planner.plan() { candidates.append(planned) }
      }
    }
    guard let best = best(of: candidates, for: costs) else {
      preconditionFailure("A V schedule can always be planned.")
    }
    return best
  }

  private static func policies(ranks: Int, held: Int) -> [GreedyPlanner.Policy] {
    var policies: [GreedyPlanner.Policy] = []
    for pattern in [VPattern.half(ranks), .third(ranks)] {
      for quarters in [0, 2, 4] {
        policies.append(
          GreedyPlanner.Policy(
            urgency: pattern.urgency, held: { _ in held }, inFlight: { _ in held },
            heldHalves: { _ in 2 * held }, gapQuarters: quarters))
      }
    }
    return policies
  }
}

/// A building block of V schedules: in which of the slots of a repeating pattern of six a rank
/// runs its four passes of microbatch 0 (arXiv:2405.15362, section 3.3).
struct VPattern {
  /// Slots of forward down, forward up, backward up, backward down, for each rank.
  var slots: [[Int]]

  static func half(_ ranks: Int) -> VPattern {
    let interval = ranks.isMultiple(of: 2) ? 3 : 0
    return VPattern(
      slots: (0..<ranks).map {
        [
          2 * $0, 3 * ranks - $0 - 2, 3 * ranks + interval + 2 * $0 - 1,
          6 * ranks + interval - $0 - 2,
        ]
      })
  }

  static func third(_ ranks: Int) -> VPattern {
    let interval = ranks.isMultiple(of: 3) ? 2 : 0
    return VPattern(
      slots: (0..<ranks).map {
        [$0, 2 * ranks - $0 - 1, 2 * ranks + interval + $0, 4 * ranks + interval - $0 - 1]
      })
  }

  /// The slot of a pass for a microbatch: the earlier, the more urgent.
  @Sendable func urgency(_ pass: Action.Pass, _ leg: Int, _ rank: Int, _ microbatch: Int) -> Int {
    slots[rank][pass == .forward ? leg : 3 - leg] + 6 * microbatch
  }
}
