import Clusters
import Documents
import Models
import Plans
import Simulation

/// Every plan of a space simulated, with all that a search knows of it before: what searches are held against.
///
/// Complexity: a simulation of every plan.
package struct ExhaustiveSearch: Sendable {
  /// A plan with the highest of its bounds.
  package struct Found: Sendable {
    package var bound: PlanBound
    package var plan: SearchPlan
  }

  /// Those that break no rule, in the order of the space.
  package let plans: [Found]
  private let architecture: Architecture
  private let cluster: Cluster

  package init(
    _ space: SearchSpace, for architecture: Architecture, on cluster: Cluster, threads: Int = 1
  ) {
    self.architecture = architecture
    self.cluster = cluster
    let search = PlanSearch(space, for: architecture, on: cluster)
    var groups: [SearchGroup] = []
    for shape in space.shapes where search.begin(shape).refusals.isEmpty {
      for kernels in space.kernelSettings(of: shape) {
        groups += [false, true].map {
          SearchGroup(shape: shape, kernels: kernels, hasPairs: $0)
        }
      }
    }
    plans = parallelMap(groups, threads: threads) { group in
      space.members(of: group).compactMap { try? search.simulated(group, $0) }
    }.flatMap { $0 }
  }

  /// The best plans that fit in so many bytes, as `simulate` decides, and take no longer than so many seconds.
  package func best(
    _ count: Int, within limit: Int, longestStep: Double = .infinity,
    by objective: SearchObjective = .time
  ) throws -> [SearchPlan] {
    var best: [SearchPlan] = []
    for found in plans.map(\.plan).sorted(by: { SearchPlan.precedes($0, $1, by: objective) })
    where best.count < count && found.report.stepSeconds <= longestStep {
      let step = try PlannedStep(architecture: architecture, cluster: cluster, plan: found.plan)
      if step.fits(found.report, within: limit) { best.append(found) }
    }
    return best
  }

  /// Bytes that a half of the plans keep to.
  package var middleBytes: Int {
    plans.map { $0.plan.heldBytes + $0.plan.report.memory.reserve }.sorted()[plans.count / 2]
  }
}

extension PlanSearch {
  /// A plan with its bounds at every step of a search, and its simulation.
  ///
  /// - Throws: what it breaks; a part that is recomputed within another one cannot act beside it, and is
  ///   refused in plan files alone.
  fileprivate func simulated(
    _ group: SearchGroup, _ member: SearchMember
  ) throws -> ExhaustiveSearch.Found {
    let candidate = try bounds.resolved(group.candidate(member))
    var family = group
    family.kernels.recomputation = .none
    var all = [
      try bounds.bound(of: group.shape),
      PlanBound(seconds: try bounds.sketchedSeconds(of: family), bytes: 0),
      try bounds.quickBound(of: candidate), try bounds.bound(of: candidate),
    ]
    let own = try bounds.bound(of: group)
    all.append(PlanBound(seconds: 0, bytes: own.bytes))
    // Groups that recompute less bound it, too.
    let less = try ([.none] + space.extents).filter(group.kernels.recomputation.holds).map {
      var less = group
      less.kernels.recomputation = $0
      return try bounds.bound(of: less)
    }
    var plan = candidate.plan(in: space)
    plan.name = space.name(of: plan, base: candidate.kernels.base)
    try checkText(of: plan)
    let step = try step(of: plan)
    let report = step.report(replaysAllocator: true)
    // Bounds of groups are those of plans that fit. What recomputes nothing may hold more than others of the family.
    if Double(report.memory.peak) <= room {
      all += ([own] + less).map { PlanBound(seconds: $0.seconds, bytes: 0) }
    }
    let bound = PlanBound(
      seconds: all.map(\.seconds).max() ?? 0, bytes: all.map(\.bytes).max() ?? 0)
    return .init(
      bound: bound, plan: SearchPlan(plan: plan, report: report, bound: bound.seconds))
  }
}
