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
    let count = size(of: shape)
    return finding(standingFor: count) {
      try check(shape, shape.kernels)
      if shape.kernels.tensor > 1, !space.sequenceParallel.contains(false) {
        var divided = shape.kernels
        divided.sequenceParallel = true
        try check(shape, divided)
      }
      let bound = try bounds.bound(of: shape)
      try checkMemory(bound)
      return [
        Entry(
          count: count, seconds: bound.seconds, bytes: bound.bytes, node: .shape(shape))
      ]
    }
  }

  /// Values that say what is worth while when an entry is opened.
  struct Limits: Sendable {
    /// That of the last of the plans that are asked for so far: what is no worse has its allocator replayed at
    /// once.
    var cutoff: Double
    /// What lies above it is left out for good.
    var threshold: Double
  }

  /// What an entry falls apart into, or what became of it.
  func open(_ entry: Entry, _ limits: Limits) -> Finding {
    switch entry.node {
    case .shape(let shape): open(shape, entry)
    case .sketch(let group): bound(family: group, entry)
    case .family(let group): open(family: group, entry)
    case .group(let group): open(group, entry, limits)
    case .candidate(let candidate): bound(candidate, entry)
    case .bounded(let candidate):
      space.bases[candidate.kernels.base].expertLoad == .balanced
        ? simulate(candidate, entry, limits.cutoff) : simulateEven(candidate, entry)
    case .even(let candidate): simulate(candidate, entry, limits.cutoff)
    case .simulated(let plan): verify(plan)
    }
  }

  /// The rules that plans of a shape with such kernels break.
  private func check(_ shape: SearchShape, _ kernels: KernelSetting) throws {
    if let fault = faults[kernels.base] { throw fault }
    var plan = space.bases[kernels.base]
    kernels.apply(to: &plan)
    plan.dataParallel = shape.data
    plan.pipelineParallel = shape.pipeline
    try plan.checkSettings(
      for: architecture, on: .devices(cluster.rankCount),
      multiprocessors: cluster.device.multiprocessors.value)
    try plan.checkExpertSpread(of: architecture, on: cluster)
  }

  private func open(_ shape: SearchShape, _ entry: Entry) -> Finding {
    var all = Finding()
    let counts = [false, true].map { familySize(of: shape, hasPairs: $0) }
    for (kernels, _) in space.kernelFamilies(of: shape) {
      for (hasPairs, count) in zip([false, true], counts) where count > 0 {
        let family = SearchGroup(shape: shape, kernels: kernels, hasPairs: hasPairs)
        all.add(
          finding(standingFor: count) {
            try check(shape, kernels)
            let seconds = try bounds.sketchedSeconds(of: family)
            return [
              Entry(
                count: count, seconds: max(entry.seconds, seconds), bytes: entry.bytes,
                node: .sketch(family))
            ]
          })
      }
    }
    return all
  }

  private func bound(family: SearchGroup, _ entry: Entry) -> Finding {
    finding(standingFor: entry.count) {
      let bound = try bounds.bound(of: family)
      try checkMemory(bound)
      return [
        Entry(
          count: entry.count, seconds: max(entry.seconds, bound.seconds),
          bytes: max(entry.bytes, bound.bytes), node: .family(family))
      ]
    }
  }

  /// A family falls apart into the group that recomputes least and families of those that recompute that and
  /// more: the bound of what recomputes less is one of theirs.
  private func open(family: SearchGroup, _ entry: Entry) -> Finding {
    let extents = space.extents
    func count(_ extent: Recomputation) -> Int {
      guard extents.contains(extent) else { return 0 }
      return space.size(
        of: family.shape, hasPairs: family.hasPairs, family.kernels.recomputing(extent))
    }
    func wholeCount(_ extent: Recomputation) -> Int {
      space.extents(behind: extent).reduce(count(extent)) { $0 + wholeCount($1) }
    }
    let extent = family.kernels.recomputation
    var seconds = entry.seconds
    var all = finding(standingFor: count(extent)) {
      try check(family.shape, family.kernels)
      let bound = try bounds.bound(of: family)
      seconds = max(seconds, bound.seconds)
      try checkMemory(bound)
      guard count(extent) > 0 else { return [] }
      return [
        Entry(
          count: count(extent), seconds: seconds, bytes: max(entry.bytes, bound.bytes),
          node: .group(family))
      ]
    }
    for next in space.extents(behind: extent) where wholeCount(next) > 0 {
      var more = family
      more.kernels.recomputation = next
      let rest = Entry(
        count: wholeCount(next), seconds: seconds, bytes: entry.bytes, node: .family(more))
      if request.opensFamiliesAtOnce {
        all.add(open(family: more, rest))
      } else {
        all.entries.append(rest)
      }
    }
    return all
  }

  private func open(_ group: SearchGroup, _ entry: Entry, _ limits: Limits) -> Finding {
    var all = Finding()
    var quick = QuickBound()
    for (member, sharding) in space.kinds(of: group) {
      let alike: Candidate
      do {
        alike = try bounds.resolved(group.candidate(member))
      } catch {
        all.end(sharding.count, with: error)
        continue
      }
      // To plan a long order takes longer than all the rest, and few of these plans come first.
      let isLate = request.objective != .memory && bounds.hasLongPlanning(alike)
      for part in sharding {
        var candidate = alike
        candidate.member = alike.member.dividing(part)
        do {
          try candidate.plan(in: space).checkSharding()
          try take(candidate, entry, &quick, isLate: isLate, limits, into: &all)
        } catch {
          all.end(1, with: error)
        }
      }
    }
    return all
  }

  /// Looks at a candidate without its schedule; what lies above all that may count becomes no entry.
  private func take(
    _ candidate: Candidate, _ entry: Entry, _ quick: inout QuickBound, isLate: Bool,
    _ limits: Limits, into all: inout Finding
  ) throws {
    let isByMemory = request.objective == .memory
    let bound = try bounds.quickBound(
      of: candidate, &quick, longest: isByMemory ? .infinity : isLate ? 0 : limits.cutoff)
    guard bound.bytes <= room else { return all.end(1, with: Overflow(bytes: bound.bytes)) }
    let seconds = max(entry.seconds, bound.seconds)
    if !isByMemory, seconds > limits.threshold {
      all.leastLeft = min(all.leastLeft ?? .infinity, seconds)
      return
    }
    var own = Entry(
      count: 1, seconds: seconds, bytes: max(entry.bytes, bound.bytes),
      node: .candidate(candidate))
    own.isWithoutKept = isLate
    all.entries.append(own)
  }

  private func bound(_ candidate: Candidate, _ entry: Entry) -> Finding {
    finding(standingFor: 1) {
      if entry.isWithoutKept { try checkMemory(bounds.quickBound(of: candidate)) }
      let bound = try bounds.bound(of: candidate)
      try checkMemory(bound)
      return [
        Entry(
          count: 1, seconds: max(entry.seconds, bound.seconds),
          bytes: max(entry.bytes, bound.bytes), node: .bounded(candidate))
      ]
    }
  }

  private func simulate(_ candidate: Candidate, _ entry: Entry, _ cutoff: Double) -> Finding {
    var found: SearchPlan?
    var simulated: (seconds: Double, bytes: Double)?
    var finding = finding(standingFor: 1) {
      var made = candidate.plan(in: space)
      made.name = space.name(of: made, base: candidate.kernels.base)
      try checkText(of: made)
      let step = try step(of: made)
      let report = step.report()
      simulated = (report.stepSeconds, Double(report.memory.peak))
      try checkPeaks(report, made)
      let plan = SearchPlan(plan: made, report: report, bound: entry.seconds)
      let isSlow = request.longestStep.map { report.stepSeconds > $0 } ?? false
      if !isSlow, plan.value(request.objective) <= cutoff {
        guard let fitting = verified(plan, by: step) else {
          throw Overflow(bytes: Double(report.memory.peak))
        }
        found = fitting
        return []
      }
      return [
        Entry(
          count: 1, seconds: report.stepSeconds, bytes: Double(report.memory.peak),
          node: .simulated(plan))
      ]
    }
    finding.plan = found
    finding.simulated = simulated
    finding.isSimulated = finding.refusals.isEmpty
    return finding
  }

  /// Simulates a plan with equal loads of experts: a tenth of the work, since actions repeat.
  private func simulateEven(_ candidate: Candidate, _ entry: Entry) -> Finding {
    var finding = finding(standingFor: 1) {
      var made = candidate.plan(in: space)
      made.name = space.name(of: made, base: candidate.kernels.base)
      try checkText(of: made)
      made.expertLoad = .balanced
      let report = try step(of: made).report()
      var even = entry
      even.node = .even(candidate)
      let bytes = Double(report.memory.peak)
      even.even = (request.objective == .memory ? bytes : report.stepSeconds, bytes)
      return [even]
    }
    finding.isEven = finding.refusals.isEmpty
    return finding
  }

  func step(of plan: Plan) throws -> PlannedStep {
    var lowered = LoweredStages(sharing: lowered)
    return try PlannedStep(
      architecture: architecture, cluster: cluster, plan: plan, lowered: &lowered)
  }

  /// Refuses what plan files refuse: keys that cannot act beside the others.
  func checkText(of plan: Plan) throws {
    _ = try Plan.read(
      Document(text: plan.yaml, name: plan.name), name: plan.name,
      world: .devices(cluster.rankCount))
  }

  private func verify(_ plan: SearchPlan) -> Finding {
    var finding = Finding()
    finding.plan = verified(plan)
    if finding.plan == nil {
      finding.outOfMemory = 1
      finding.leastOverflow = Double(plan.report.memory.peak)
    }
    return finding
  }

  /// The plan with its allocator replayed; nil where the step does not fit.
  func verified(_ plan: SearchPlan) -> SearchPlan? {
    guard let step = try? step(of: plan.plan) else { return nil }
    return verified(plan, by: step)
  }

  private func verified(_ plan: SearchPlan, by step: PlannedStep) -> SearchPlan? {
    var plan = plan
    plan.report = step.replaying(plan.report)
    return step.fits(plan.report, within: limit) ? plan : nil
  }

  private func checkMemory(_ bound: PlanBound) throws {
    guard bound.bytes > room else { return }
    throw Overflow(bytes: bound.bytes)
  }

  /// Refuses peaks that the allocator cannot serve, whatever it does: those of equal rows, and those of ranks
  /// that are not replayed.
  private func checkPeaks(_ report: StepReport, _ plan: Plan) throws {
    let room = limit - report.memory.reserve
    let peaks = report.stages.filter {
      plan.expertLoad == .balanced || $0.position != report.memory.position
    }.map(\.memory.peak)
    guard let most = peaks.max(), most > room else { return }
    throw Overflow(bytes: Double(most))
  }

  /// The entries that `body` gives, or how so many plans ended with it.
  private func finding(
    standingFor count: Int, _ body: () throws -> [Entry]
  ) -> Finding {
    var finding = Finding()
    do {
      finding.entries = try body()
    } catch {
      finding.end(count, with: error)
    }
    return finding
  }
}

/// A plan needs more memory than there is, at least so much.
private struct Overflow: Error {
  var bytes: Double
}

extension PlanSearch.Finding {
  /// So many plans are none for this reason.
  fileprivate mutating func end(_ count: Int, with error: any Error) {
    switch error {
    case let error as Overflow:
      outOfMemory += count
      leastOverflow = min(leastOverflow ?? .infinity, error.bytes)
    case let error as PlanError: refusals[error.searchReason, default: 0] += count
    case is SearchRefusal:
      refusals["layers-per-stage cuts the model as another alternative does", default: 0] += count
    case let error as ConfigurationError: refusals[error.rule, default: 0] += count
    case let error as ScheduleError: refusals[error.message, default: 0] += count
    default: refusals["\(error)", default: 0] += count
    }
  }

  fileprivate mutating func add(_ other: Self) {
    entries += other.entries
    refusals.merge(other.refusals) { $0 + $1 }
    outOfMemory += other.outOfMemory
    if let bytes = other.leastOverflow { leastOverflow = min(leastOverflow ?? .infinity, bytes) }
  }
}

extension SearchSpace {
  /// A plan's name, with what its base has and not all others have: `dp64 1f1b mbs1 zero1 execution eager`.
  package func name(of plan: Plan, base: Int) -> String {
    guard bases.count > 1 else { return plan.searchName }
    let lines = bases.map { Set($0.yaml.split(separator: "\n").filter { !$0.hasPrefix("name:") }) }
    let own = bases[base].yaml.split(separator: "\n").filter { line in
      lines[base].contains(line) && !lines.allSatisfy { $0.contains(line) }
    }
    return ([plan.searchName] + own.map { $0.replacing(": ", with: " ").drop { $0 == " " } + "" })
      .joined(separator: " ")
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
    parts.append("zero\(zeroStage.rawValue)" + (shardingGroup.map { "/\($0)" } ?? ""))
    switch recomputation {
    case .none: break
    case .firstLayers(let count): parts.append("recompute \(count) layers")
    case .full, .selective: parts.append("recompute \(recomputation.text)")
    case .modules(let modules):
      parts.append(
        "recompute " + (modules.count > 1 ? "\(modules.count) parts" : modules[0].rawValue))
    }
    if layout != .even { parts.append("own layers") }
    if let exchange = overlap.tensorExchange, exchange != .no {
      parts.append(exchange == .yes ? "overlap" : "overlap \(exchange.rawValue)")
    }
    if let isMerged = overlap.expertExchange { parts.append(isMerged ? "merged" : "apart") }
    if expertParallel > 1, let dispatcher { parts.append(dispatcher.rawValue) }
    if let communicationSMs { parts.append("\(communicationSMs) SMs") }
    return parts.joined(separator: " ")
  }
}
