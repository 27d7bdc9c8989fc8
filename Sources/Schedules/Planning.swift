extension PassCosts {
  /// What an automatic schedule has to be good at when nothing is known: all passes alike, with and
  /// without the price of transfers, and a backward whose input half is the larger one because of
  /// attention.
  static let usual = [
    PassCosts(forward: 20, backwardInput: 20, backwardWeight: 20, transfer: 0),
    PassCosts(forward: 20, backwardInput: 20, backwardWeight: 20, transfer: 1),
    PassCosts(forward: 20, backwardInput: 24, backwardWeight: 16, transfer: 1),
  ]
}

extension Schedule {
  /// Plans with every policy for every set of costs that may come true, and for passes that are all
  /// alike, and keeps the best: see `best(of:for:)`.
  ///
  /// - Parameters:
  ///   - legs: 1 for stages in a line, 2 for stages in a V.
  ///   - published: known orders that take part.
  static func planned(
    ranks: Int, legs: Int, microbatches: Int, costs: PassCosts?,
    policies: [GreedyPlanner.Policy], published: [Schedule] = []
  ) -> Schedule {
    let wanted = costs.map { [$0] } ?? PassCosts.usual
    var assumed = wanted
    if !wanted.contains(PassCosts.usual[0]) { assumed.append(PassCosts.usual[0]) }
    var candidates = published
    var known = Set(published)
    for costs in assumed {
      for policy in policies {
        var planner = GreedyPlanner(
          ranks: ranks, legs: legs, microbatches: microbatches, costs: costs, policy: policy)
        if let planned = planner.plan(), known.insert(planned).inserted {
          candidates.append(planned)
        }
      }
    }
    guard let best = best(of: candidates, for: wanted) else {
      preconditionFailure("Some policy always finds a schedule.")
    }
    return best
  }

  /// The best of `candidates`: the shortest step, then the shortest stay of the busiest rank, then
  /// the least memory; the first of equals.
  ///
  /// Under several sets of costs, times add up.
  private static func best(of candidates: [Schedule], for costs: [PassCosts]) -> Schedule? {
    var best: (schedule: Schedule, key: [Double])?
    for candidate in candidates {
      let spans = costs.map { DryRun(candidate, times: PassTimes($0)).span }
      let peaks = candidate.peakActivations(releasedAtInput: 0)
      let key = [
        spans.reduce(0) { $0 + $1.makespan }, spans.reduce(0) { $0 + $1.longestOfRanks },
        peaks.max() ?? 0, peaks.reduce(0, +),
      ]
      if let best, !key.lexicographicallyPrecedes(best.key) { continue }
      best = (candidate, key)
    }
    return best?.schedule
  }
}
