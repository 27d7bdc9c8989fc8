extension Schedule {
  /// ZB-1P: planned for the given costs within the memory of 1F1B, `ranks` activations a rank
  /// (arXiv:2401.10241, section 3).
  static func zeroBubble1P(ranks: Int, microbatches: Int, costs: PassCosts) -> Schedule {
    let handmade = zeroBubbleH1(ranks: ranks, microbatches: microbatches)
    var candidates = [handmade]
    for policy in policies(
      halves: { 2 * ranks - $0 }, held: { _ in ranks }, inFlight: { ranks - $0 })
    {
      var planner = GreedyPlanner(
        ranks: ranks, legs: 1, microbatches: microbatches, costs: costs, policy: policy)
      if let planned = planner.plan() { candidates.append(planned) }
    }
    return best(of: candidates, for: costs) ?? handmade
  }

  /// ZB-2P: planned for the given costs within twice the memory of 1F1B, counting half of an
  /// activation as free after its backward for input (arXiv:2401.10241, section 3).
  static func zeroBubble2P(ranks: Int, microbatches: Int, costs: PassCosts) -> Schedule {
    let handmade = zeroBubbleH2(ranks: ranks, microbatches: microbatches)
    var candidates = [handmade]
    let inFlights: [@Sendable (Int) -> Int] = [
      { 2 * (ranks - $0) - 1 }, { 2 * (ranks - $0) }, { 2 * ranks - $0 }, { _ in 2 * ranks },
    ]
    for inFlight in inFlights {
      for held in [2 * ranks - 1, 2 * ranks, 3 * ranks] {
        for policy in policies(halves: { 4 * ranks - $0 }, held: { _ in held }, inFlight: inFlight)
        {
          var planner = GreedyPlanner(
            ranks: ranks, legs: 1, microbatches: microbatches, costs: costs, policy: policy)
          if let planned = planner.plan() { candidates.append(planned) }
        }
      }
    }
    return best(of: candidates, for: costs) ?? handmade
  }

  /// Backwards before forwards and the other way round, with more or less patience.
  private static func policies(
    halves: @escaping @Sendable (Int) -> Int, held: @escaping @Sendable (Int) -> Int,
    inFlight: @escaping @Sendable (Int) -> Int
  ) -> [GreedyPlanner.Policy] {
    [Action.Pass.backwardInput, .forward].flatMap { first in
      (0...4).map { quarters in
        GreedyPlanner.Policy(
          urgency: { pass, _, _, _ in pass == first ? 0 : 1 }, held: held, inFlight: inFlight,
          heldHalves: halves, gapQuarters: quarters)
      }
    }
  }
}
