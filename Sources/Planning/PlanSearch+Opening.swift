import Clusters
import Documents
import Models
import Plans
import Schedules
import Simulation

/// How a node of the search falls apart into what it stands for.
extension PlanSearch {
  /// A shape's first bound, or why none of its plans is one.
  package func begin(_ shape: SearchShape) -> Finding {
    var plan = space.bases[shape.kernels.base]
    shape.kernels.apply(to: &plan)
    plan.dataParallel = shape.data
    plan.pipelineParallel = shape.pipeline
    return finding(standingFor: { size(of: shape) }) {
      try plan.checkSettings(
        for: architecture, on: .devices(cluster.rankCount),
        multiprocessors: cluster.device.multiprocessors.value)
      try plan.checkExpertSpread(of: architecture, on: cluster)
      return [Entry(bound: try bounds.seconds(of: shape), node: .shape(shape))]
    }
  }

  func open(_ entry: Entry) -> Finding {
    switch entry.node {
    case .shape(let shape): open(shape, entry.bound)
    case .group(let group): open(group, entry.bound)
    case .candidate(let candidate): bound(candidate, entry.bound)
    case .bounded(let candidate): simulate(candidate, entry.bound)
    }
  }

  private func open(_ shape: SearchShape, _ seconds: Double) -> Finding {
    var all = Finding()
    for kernels in space.kernelSettings(of: shape) {
      for hasPairs in [false, true] {
        let count = space.members(of: shape, hasPairs: hasPairs).count
        guard count > 0 else { continue }
        let group = SearchGroup(shape: shape, kernels: kernels, hasPairs: hasPairs)
        let finding = finding(standingFor: { count }) {
          var plan = space.bases[kernels.base]
          kernels.apply(to: &plan)
          plan.dataParallel = shape.data
          plan.pipelineParallel = shape.pipeline
          try plan.checkSettings(
            for: architecture, on: .devices(cluster.rankCount),
            multiprocessors: cluster.device.multiprocessors.value)
          let bound = try bounds.bound(of: group)
          try checkMemory(bound)
          return [Entry(bound: max(seconds, bound.seconds), node: .group(group))]
        }
        all.add(finding)
      }
    }
    return all
  }

  private func open(_ group: SearchGroup, _ seconds: Double) -> Finding {
    var all = Finding()
    for member in space.members(of: group.shape, hasPairs: group.hasPairs) {
      all.add(
        finding(standingFor: { 1 }) {
          let candidate = try bounds.resolved(group.candidate(member))
          let bound = try bounds.quickBound(of: candidate)
          try checkMemory(bound)
          return [Entry(bound: max(seconds, bound.seconds), node: .candidate(candidate))]
        })
    }
    return all
  }

  private func bound(_ candidate: Candidate, _ seconds: Double) -> Finding {
    finding(standingFor: { 1 }) {
      let bound = try bounds.bound(of: candidate)
      try checkMemory(bound)
      return [Entry(bound: max(seconds, bound.seconds), node: .bounded(candidate))]
    }
  }

  private func simulate(_ candidate: Candidate, _ seconds: Double) -> Finding {
    var plan: SearchPlan?
    var finding = finding(standingFor: { 1 }) {
      var made = candidate.plan(in: space)
      made.name = made.searchName
      let step = try PlannedStep(architecture: architecture, cluster: cluster, plan: made)
      let report = step.report()
      try checkMemory(PlanBound(seconds: 0, bytes: Double(report.memory.peak)))
      plan = SearchPlan(plan: made, report: report, bound: seconds)
      return []
    }
    finding.plan = plan
    finding.isSimulated = finding.refusals.isEmpty
    return finding
  }

  private func checkMemory(_ bound: PlanBound) throws {
    guard bound.bytes > Double(limit) else { return }
    throw Overflow(bytes: bound.bytes)
  }

  private struct Overflow: Error {
    var bytes: Double
  }

  /// The entries that `body` gives, or how so many plans ended with it.
  private func finding(
    standingFor count: () -> Int, _ body: () throws -> [Entry]
  ) -> Finding {
    var finding = Finding()
    do {
      finding.entries = try body()
    } catch let error as Overflow {
      finding.outOfMemory = count()
      finding.leastOverflow = error.bytes
    } catch let error as PlanError {
      finding.refusals[error.searchReason] = count()
    } catch is SearchRefusal {
      finding.refusals["layers-per-stage cuts the model as another alternative does"] = count()
    } catch let error as ConfigurationError {
      finding.refusals[error.rule] = count()
    } catch let error as ScheduleError {
      finding.refusals[error.message] = count()
    } catch {
      finding.refusals["\(error)"] = count()
    }
    return finding
  }
}

extension PlanSearch.Finding {
  fileprivate mutating func add(_ other: Self) {
    entries += other.entries
    refusals.merge(other.refusals) { $0 + $1 }
    outOfMemory += other.outOfMemory
    if let bytes = other.leastOverflow { leastOverflow = min(leastOverflow ?? .infinity, bytes) }
  }
}

extension Plan {
  /// What distinguishes a plan that a search found: `tp2 pp4 dp64 1f1b mbs1 zero1`.
  package var searchName: String {
    var parts: [String] = []
    for (name, degree) in [
      ("tp", tensorParallel), ("cp", contextParallel), ("pp", pipelineParallel),
      ("dp", dataParallel), ("ep", expertParallel),
    ] where degree > 1 || name == "dp" { parts.append("\(name)\(degree)") }
    if expertParallel > 1, expertTensorParallel != tensorParallel {
      parts.append("etp\(expertTensorParallel)")
    }
    parts.append(schedule.text + (stagesPerRank > 1 ? "x\(stagesPerRank)" : ""))
    parts.append("mbs\(microbatchSize)")
    parts.append("zero\(zeroStage.rawValue)")
    if recomputation != .none {
      let count = recomputation.modules.count
      parts.append(
        "recompute "
          + (count > 1 ? "\(count) parts" : recomputation.text.filter { !"[]".contains($0) }))
    }
    if layout != .even { parts.append("own layers") }
    if overlap.tensorExchange != nil && overlap.tensorExchange != .no { parts.append("overlap") }
    if expertParallel > 1, let dispatcher { parts.append(dispatcher.rawValue) }
    if let communicationSMs { parts.append("\(communicationSMs) SMs") }
    return parts.joined(separator: " ")
  }
}
