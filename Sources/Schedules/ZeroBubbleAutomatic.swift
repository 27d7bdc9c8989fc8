extension Schedule {
  /// ZB-1P: planned for the given costs within the memory of 1F1B, `ranks` activations a rank
  /// (arXiv:2401.10241, section 3).
  static func zeroBubble1P(
    ranks: Int, microbatches: Int, costs: PassCosts?, progress: PlanningProgress
  ) -> Schedule {
    let inFlights: [(Int) -> Int] = [{ ranks - $0 }, { ranks - $0 / 2 }, { _ in ranks }]
    return planned(
      ranks: ranks, legs: 1, microbatches: microbatches, costs: costs,
      policies: inFlights.flatMap { inFlight in
        policies(held: ranks, heldHalves: 2 * ranks, inFlight: (0..<ranks).map(inFlight))
      },
      published: [zeroBubbleH1(ranks: ranks, microbatches: microbatches)], progress: progress)
  }

  /// ZB-2P: planned for the given costs within twice the memory of 1F1B, counting half of an
  /// activation as free after its backward for input (arXiv:2401.10241, section 3).
  ///
  /// Up to `2 * ranks` microbatches, half an activation less does as well.
  static func zeroBubble2P(
    ranks: Int, microbatches: Int, costs: PassCosts?, progress: PlanningProgress
  ) -> Schedule {
    let spared = microbatches > 2 * ranks ? 0 : 1
    let inFlights: [(Int) -> Int] = [
      { 2 * (ranks - $0) - 1 }, { 2 * (ranks - $0) }, { _ in 2 * ranks },
      { 2 * (ranks - $0) - ($0 < ranks / 2 ? 0 : 1) },
    ]
    return planned(
      ranks: ranks, legs: 1, microbatches: microbatches, costs: costs,
      policies: inFlights.flatMap { inFlight in
        [2 * ranks, 3 * ranks, 4 * ranks].flatMap { held in
          policies(
            held: held, heldHalves: 4 * ranks - spared, inFlight: (0..<ranks).map(inFlight))
        }
      },
      published: [zeroBubbleH2(ranks: ranks, microbatches: microbatches)], progress: progress)
  }

  /// Backwards before forwards and the other way round, with more or less patience.
  private static func policies(
    held: Int, heldHalves: Int, inFlight: [Int]
  ) -> [GreedyPolicy] {
    // Forward, a leg that is not there, backward for input.
    [[1, 0, 0, 0], [0, 0, 1, 0]].flatMap { urgencies in
      [(0, false), (0, true), (4, false)].map { quarters, spares in
        GreedyPolicy(
          urgency: GreedyPolicy.Urgency(
            first: Array(repeating: urgencies, count: inFlight.count), perMicrobatch: 0),
          held: held, heldHalves: heldHalves, inFlight: inFlight, gapQuarters: quarters,
          sparesShortGaps: spares, lead: 1)
      }
    }
  }
}
