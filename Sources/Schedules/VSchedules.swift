extension Schedule {
  /// V-Half: stages in a V, planned within about half of 1F1B's memory, `ranks / 2 + 1` pairs of
  /// half-size activations (arXiv:2405.15362).
  static func vHalf(
    ranks: Int, microbatches: Int, costs: PassCosts?, progress: PlanningProgress
  ) -> Schedule {
    planned(
      ranks: ranks, legs: 2, microbatches: microbatches, costs: costs,
      policies: vPolicies(ranks: ranks, held: 2 * (ranks / 2 + 1)), progress: progress)
  }

  /// V-Min: stages in a V, planned within about a third of 1F1B's memory (arXiv:2405.15362).
  ///
  /// On two ranks the pattern needs three half-size activations and a pending weight half.
  static func vMin(
    ranks: Int, microbatches: Int, costs: PassCosts?, progress: PlanningProgress
  ) -> Schedule {
    let held = 2 * ((ranks + 4) / 3)
    return planned(
      ranks: ranks, legs: 2, microbatches: microbatches, costs: costs,
      policies: vPolicies(ranks: ranks, held: held, heldHalves: ranks == 2 ? 6 : 2 * held),
      progress: progress)
  }

  /// ZBV planned for the given costs within its memory, `2 * ranks` half-size activations a rank.
  static func plannedZeroBubbleV(
    ranks: Int, microbatches: Int, costs: PassCosts, progress: PlanningProgress
  ) -> Schedule {
    planned(
      ranks: ranks, legs: 2, microbatches: microbatches, costs: costs,
      policies: vPolicies(ranks: ranks, held: 2 * ranks),
      published: [zeroBubbleV(ranks: ranks, microbatches: microbatches)], progress: progress)
  }

  /// Both building blocks, followed more or less strictly, with weight halves in slots of their own
  /// or only in gaps that (nearly) hold them.
  private static func vPolicies(
    ranks: Int, held: Int, heldHalves: Int? = nil
  ) -> [GreedyPolicy] {
    let heldHalves = heldHalves ?? 2 * held
    let inFlight = [Int](repeating: held, count: ranks)
    let manners: [(lead: Int, weightDelay: Int?, quarters: Int)] = [
      (1, nil, 4), (1, 2, 3), (4, nil, 3), (4, nil, 4), (2, 1, 4), (4, 2, 3), (4, 2, 4), (6, 2, 4),
      (3, 4, 3), (9, 2, 1),
      (6 * VPattern.period, nil, 0),
    ]
    // With fewer microbatches than the pattern needs to unfold, backwards first does as well.
    let plain = GreedyPolicy(
      urgency: GreedyPolicy.Urgency(
        first: Array(repeating: [3, 2, 1, 0], count: ranks), perMicrobatch: 0),
      held: held, heldHalves: heldHalves, inFlight: inFlight, gapQuarters: 2, lead: 3)
    let patterned = [VPattern.half(ranks), .third(ranks)].flatMap { pattern in
      manners.map { lead, weightDelay, quarters in
        GreedyPolicy(
          urgency: pattern.urgency, held: held, heldHalves: heldHalves, inFlight: inFlight,
          gapQuarters: quarters, lead: lead,
          weightUrgency: weightDelay.map {
            GreedyPolicy.WeightUrgency(delay: $0, waits: pattern.waits)
          })
      }
    }
    return patterned + [plain]
  }
}

/// A building block of V schedules: in which slots of a repeating pattern a rank runs its four
/// passes of microbatch 0 (arXiv:2405.15362, section 3 and appendix A).
struct VPattern {
  /// Two forwards, two backwards for input, two backwards for weight.
  static let period = 6

  /// Slots of forward down, forward up, backward up, backward down, for each rank.
  let slots: [[Int]]
  /// How many slots behind each slot of the period a rank is next free for a weight half: it runs
  /// neither a forward nor a backward for input there.
  let waits: [[Int]]

  init(slots: [[Int]]) {
    self.slots = slots
    waits = slots.map { slots in
      let taken = Set(slots.map { $0 % Self.period })
      return (0..<Self.period).map { slot in
        (0..<Self.period).first { !taken.contains((slot + $0) % Self.period) } ?? 0
      }
    }
  }

  /// The pattern of V-Half.
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

  /// The pattern of V-Min.
  static func third(_ ranks: Int) -> VPattern {
    let interval = ranks.isMultiple(of: 3) ? 2 : 0
    return VPattern(
      slots: (0..<ranks).map {
        [$0, 2 * ranks - $0 - 1, 2 * ranks + interval + $0, 4 * ranks + interval - $0 - 1]
      })
  }

  /// The slot of a pass for a microbatch: the earlier, the more urgent.
  var urgency: GreedyPolicy.Urgency {
    GreedyPolicy.Urgency(
      first: slots.map { [$0[0], $0[1], $0[3], $0[2]] }, perMicrobatch: Self.period)
  }
}
