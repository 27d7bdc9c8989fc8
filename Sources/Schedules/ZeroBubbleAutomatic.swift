extension Schedule {
  /// ZB-1P: planned for the given costs within the memory of 1F1B, `ranks` activations a rank
  /// (arXiv:2401.10241, section 3).
  static func zeroBubble1P(ranks: Int, microbatches: Int, costs: PassCosts?) -> Schedule {
    let inFlights: [@Sendable (Int) -> Int] = [
      { ranks - $0 }, { ranks - $0 / 2 }, { _ in ranks },
    ]
    return planned(
      ranks: ranks, legs: 1, microbatches: microbatches, costs: costs,
      policies: inFlights.flatMap { inFlight in
        policies(held: ranks, heldHalves: { _ in 2 * ranks }, inFlight: inFlight)
      },
      published: [zeroBubbleH1(ranks: ranks, microbatches: microbatches)])
  }

  /// ZB-2P: planned for the given costs within twice the memory of 1F1B, counting half of an
  /// activation as free after its backward for input (arXiv:2401.10241, section 3).
  ///
  /// Up to `2 * ranks` microbatches, half an activation less does as well.
  static func zeroBubble2P(ranks: Int, microbatches: Int, costs: PassCosts?) -> Schedule {
    let spared = microbatches > 2 * ranks ? 0 : 1
    let inFlights: [@Sendable (Int) -> Int] = [
      { 2 * (ranks - $0) - 1 }, { 2 * (ranks - $0) }, { _ in 2 * ranks },
      { 2 * (ranks - $0) - ($0 < ranks / 2 ? 0 : 1) },
    ]
    return planned(
      ranks: ranks, legs: 1, microbatches: microbatches, costs: costs,
      policies: inFlights.flatMap { inFlight in
        [2 * ranks, 3 * ranks, 4 * ranks].flatMap { held in
          policies(held: held, heldHalves: { _ in 4 * ranks - spared }, inFlight: inFlight)
        }
      },
      published: [zeroBubbleH2(ranks: ranks, microbatches: microbatches)])
  }

  /// Backwards before forwards and the other way round, with more or less patience.
  private static func policies(
    held: Int, heldHalves: @escaping @Sendable (Int) -> Int,
    inFlight: @escaping @Sendable (Int) -> Int
  ) -> [GreedyPlanner.Policy] {
    [Action.Pass.backwardInput, .forward].flatMap { first in
      [(0, false), (0, true), (4, false)].map { quarters, spares in
        GreedyPlanner.Policy(
          urgency: { pass, _, _, _ in pass == first ? 0 : 1 }, held: held, heldHalves: heldHalves,
          inFlight: inFlight, gapQuarters: quarters, sparesShortGaps: spares, lead: 1)
      }
    }
  }
}
