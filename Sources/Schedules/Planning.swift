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

/// Says how far a plan is, as a share from 0 to 1, each time that it has tried something.
public typealias PlanningProgress = (Double) -> Void

extension Schedule {
  /// Plans with every policy for every set of costs that may come true, and for passes that are all
  /// alike, and keeps the best: the shortest step, then the shortest stay of the busiest rank, then
  /// the least memory; the first of equals.
  ///
  /// Under several sets of costs, times add up.
  ///
  /// - Parameters:
  ///   - legs: 1 for stages in a line, 2 for stages in a V.
  ///   - published: known orders that take part, with all of their backwards split.
  static func planned(
    ranks: Int, legs: Int, microbatches: Int, costs: PassCosts?, policies: [GreedyPolicy],
    published: [Schedule] = [], progress: PlanningProgress = { _ in }
  ) -> Schedule {
    let wanted = costs.map { [$0] } ?? PassCosts.usual
    var assumed = wanted
    if !wanted.contains(PassCosts.usual[0]) { assumed.append(PassCosts.usual[0]) }
    var choice = OrderChoice()
    for schedule in published {
      let order = PlannedOrder(schedule, legs: legs)
      choice.consider(order, order.timer(wanted), schedule)
    }
    var tried = 0
    for costs in assumed {
      var done: [(policy: GreedyPolicy, limits: GreedyPolicy.Limits)] = []
      for policy in policies {
        tried += 1
        defer { progress(Double(tried) / Double(assumed.count * policies.count)) }
        if done.contains(where: { $0.policy.covers(policy, having: $0.limits) }) { continue }
        var planner = GreedyPlanner(
          ranks: ranks, legs: legs, microbatches: microbatches, costs: costs, policy: policy,
          judged: wanted)
        if let planned = planner.plan(within: choice.makespan) {
          choice.consider(planned.order, planned.timer)
        }
        done.append((policy, planner.limits))
      }
    }
    guard let best = choice.schedule else {
      preconditionFailure("Some policy always finds a schedule.")
    }
    return best
  }
}

/// The best of the orders that were considered.
private struct OrderChoice {
  private var best: (order: PlannedOrder, published: Schedule?, key: [Int])?

  /// The best order as a schedule: as it was published, if it was.
  var schedule: Schedule? { best.map { $0.published ?? $0.order.schedule } }

  /// How long the best step takes, its times added up.
  var makespan: Int { best?.key[0] ?? .max }

  mutating func consider(_ order: PlannedOrder, _ timer: OrderTimer, _ published: Schedule? = nil) {
    let peaks = order.peakActivations
    let span = timer.span
    let key = [span.makespan, span.longestOfRanks, peaks.max() ?? 0, peaks.reduce(0, +)]
    if let best, !key.lexicographicallyPrecedes(best.key) { return }
    best = (order, published, key)
  }
}
