/// An order of uneven stages that was planned from their costs.
public struct AutomaticSchedule: Hashable, Sendable {
  public var schedule: Schedule
  public var timing: StageTiming
  /// The published order that it is; nil where it was planned.
  public var name: ScheduleName?
  /// The best of the published orders that keep within the limits; nil where none does.
  public var bestNamed: ScheduleName?
  public var bestNamedMakespan: Int?
  /// No order on the same placement ends before.
  public var bound: Int
}

extension Schedule {
  /// The fastest order found for the costs of every stage within the limits of every rank.
  ///
  /// One that is planned by letting every rank take, whenever it is free, the best action that can start, under
  /// many policies, or a published order on the same placement if that is no slower. Nil where none keeps
  /// within the limits.
  ///
  /// - Parameters:
  ///   - pairs: whether a forward and a backward may be one cell.
  /// - Complexity: actions times ranks for each policy.
  public static func automatic(
    on placement: Placement, ranks: Int, microbatches: Int, _ costs: StageCosts, pairs: Bool
  ) -> AutomaticSchedule? {
    let stages = costs.forward.count
    var best: AutomaticSchedule?
    var known: (name: ScheduleName, makespan: Int)?
    let bound = leastMakespan(on: placement, ranks: ranks, microbatches: microbatches, costs)
    func consider(_ schedule: Schedule, _ name: ScheduleName?) {
      guard let timing = StageTiming(schedule, costs), timing.fits(costs) else { return }
      if let name, timing.makespan < known?.makespan ?? .max { known = (name, timing.makespan) }
      guard timing.makespan < best?.timing.makespan ?? .max else { return }
      best = AutomaticSchedule(schedule: schedule, timing: timing, name: name, bound: bound)
    }
    for name in ScheduleName.allCases {
      for style in pairs && name.canMergePairs ? PairStyle.allCases : [.apart] {
        for times in name.isPlanned ? [nil, costs.mean] : [nil] {
          guard
            let schedule = try? name.schedule(
              ranks: ranks, stagesPerRank: name == .dualPipe ? nil : stages / ranks,
              microbatches: microbatches, costs: times, pairs: style),
            schedule.placement == placement, schedule.stageCount == stages
          else { continue }
          consider(schedule, name)
        }
      }
    }
    for policy in ListPolicy.all(ranks: ranks, pairs: pairs && !costs.merged.isEmpty) {
      var planner = ListPlanner(
        placement, ranks: ranks, microbatches: microbatches, costs, policy)
      if let schedule = planner.schedule() { consider(schedule, nil) }
    }
    best?.bestNamed = known?.name
    best?.bestNamedMakespan = known?.makespan
    return best
  }
}

extension Placement {
  /// How many ways microbatches take through the ranks.
  var directions: Int { if case .bidirectional = self { 2 } else { 1 } }
}
