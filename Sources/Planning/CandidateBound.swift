import Clusters
import Models
import Plans
import Programs
import Schedules
import Simulation
import Synchronization

/// At least how long a step takes and how much a rank holds.
package struct PlanBound: Hashable, Sendable {
  package var seconds: Double
  package var bytes: Double
}

/// Bounds of plans, of those that are alike in degrees and kernels, and of all of one shape.
///
/// No bound lies above what the simulation of a plan gives: it leaves out hosts, messages, waiting and
/// workspace, and takes the shorter way wherever two are open.
package struct PlanBounds: Sendable {
  package let space: SearchSpace
  package let architecture: Architecture
  package let cluster: Cluster
  let costs: CostBook
  private let schedules = ScheduleBook()
  private let collectives = CollectiveBook()

  package init(_ space: SearchSpace, _ architecture: Architecture, _ cluster: Cluster) {
    self.space = space
    self.architecture = architecture
    self.cluster = cluster
    costs = CostBook(
      space.bases, architecture, cluster, multiprocessors: space.communicationSMs)
  }

  // MARK: Shapes and groups

  private func microbatches(_ shape: SearchShape) -> Int {
    space.bases[shape.kernels.base].globalBatch / (shape.data * shape.kernels.microbatch)
  }

  /// Products and attention alone, perfectly divided among pipeline ranks: what all plans of a shape have in
  /// common.
  package func seconds(of shape: SearchShape) throws -> Double {
    var plain = shape.kernels
    plain.sequenceParallel = plain.tensor > 1 && space.sequenceParallel.contains(true)
    let units = try costs.costs(plain).units
    let work = units.reduce(0) { $0 + $1.products }
    let largest = units.map(\.products).max() ?? 0
    return Double(microbatches(shape)) * max(largest, work / Double(shape.pipeline))
  }

  /// All passes, perfectly divided among pipeline ranks, and the state of the widest sharding.
  package func bound(of group: SearchGroup) throws -> PlanBound {
    let units = try costs.costs(group.kernels).units
    let positions = Double(group.shape.pipeline)
    var (work, largest) = (0.0, 0.0)
    var (dense, experts) = (ParameterCost(), ParameterCost())
    for unit in units {
      let whole = min(unit.backward, unit.backwardInput + unit.backwardWeight)
      let seconds =
        group.hasPairs
        ? min(unit.forwardKernels, unit.forward)
          + min(unit.backwardKernels, whole) : unit.forward + whole
      work += seconds
      largest = max(largest, seconds)
      dense = dense + unit.dense
      experts = experts + unit.experts
    }
    let zero = space.zeroStages.max { $0.rawValue < $1.rawValue } ?? .nothing
    let (copies, expertCopies) = self.copies(group.kernels, group.shape.data, directions: 2)
    let bytes =
      dense.bytes(zero, copies: copies) + experts.bytes(zero, copies: expertCopies)
    return PlanBound(
      seconds: Double(microbatches(group.shape)) * max(largest, work / positions),
      bytes: bytes / positions)
  }

  private func copies(
    _ kernels: KernelSetting, _ data: Int, directions: Int
  ) -> (dense: Double, experts: Double) {
    let dense = data * kernels.context * directions
    let experts = dense * kernels.tensor / (kernels.expert * kernels.expertTensor)
    return (Double(max(1, dense)), Double(max(1, experts)))
  }

  // MARK: Candidates

  /// The candidate with a balanced layout as counts.
  ///
  /// - Throws: `SearchRefusal` where an earlier layout of the grid cuts the model alike, `PlanError` where there
  ///   are more stages than units.
  package func resolved(_ candidate: Candidate) throws -> Candidate {
    let counts = try unitCounts(candidate, candidate.layout)
    for layout in space.layouts {
      if layout == candidate.layout { break }
      if let other = try? unitCounts(candidate, layout), other == counts {
        throw SearchRefusal.samePlan
      }
    }
    guard candidate.layout == .balanced else { return candidate }
    var resolved = candidate
    resolved.layout = .units(counts)
    return resolved
  }

  /// Units on each stage under a layout.
  private func unitCounts(_ candidate: Candidate, _ layout: Plan.Layout) throws -> [Int] {
    var other = candidate
    other.layout = layout == .balanced ? .even : layout
    let stages = try other.plan(in: space).stageLayout(of: architecture).stages
    return layout == .balanced
      ? try costs.balancedCounts(candidate.kernels, stages: stages.count) : stages.map(\.count)
  }

  /// Loads of the stages of a candidate whose layout is resolved.
  private func loads(_ candidate: Candidate, _ plan: Plan) throws -> [StageLoad] {
    let units = try costs.costs(candidate.kernels).units
    let layout = try plan.stageLayout(of: architecture)
    var first = 0
    return layout.stages.map { stage in
      defer { first += stage.count }
      return StageLoad(units[first..<first + stage.count])
    }
  }

  /// The bound of a candidate without its schedule: the slowest rank with what must go before and behind.
  ///
  /// - Throws: `PlanError` where the layout is none.
  package func quickBound(of candidate: Candidate) throws -> PlanBound {
    let plan = candidate.plan(in: space)
    let loads = try loads(candidate, plan)
    let (positions, count) = (candidate.pipeline, Double(plan.microbatchCount))
    let shape = ScheduleShape(candidate.schedule)
    let directions = shape == .bidirectional ? 2 : 1
    let (copies, expertCopies) = self.copies(
      candidate.kernels, candidate.data, directions: directions)
    var bound = PlanBound(seconds: 0, bytes: 0)
    var (fill, drain) = (0.0, 0.0)
    for rank in 0..<positions {
      let held = shape.stages(of: rank, positions: positions, stages: loads.count)
      var work = 0.0
      var bytes = 0.0
      for stage in held {
        let load = loads[stage]
        work += load.least(inPairs: candidate.schedule.hasPairs) / Double(directions)
        bytes += load.dense.bytes(candidate.zero, copies: copies)
        bytes += load.experts.bytes(candidate.zero, copies: expertCopies)
      }
      let live = shape.live(on: rank, positions: positions, microbatches: plan.microbatchCount)
      bytes += Double(live) * (held.first.map { loads[$0].kept } ?? 0)
      bound.bytes = max(bound.bytes, bytes)
      bound.seconds = max(bound.seconds, fill + count * work + (shape.drains ? drain : 0))
      if shape.fills {
        fill += loads[rank].forward
        drain += loads[rank].backward
      }
    }
    return bound
  }

  /// The bound of a candidate by its schedule.
  ///
  /// - Throws: `PlanError` where the plan is none.
  package func bound(of candidate: Candidate) throws -> PlanBound {
    let plan = candidate.plan(in: space)
    let schedule = try schedules.schedule(of: plan)
    let directions = plan.isBidirectional ? 2 : 1
    let (copies, expertCopies) = self.copies(
      candidate.kernels, candidate.data, directions: directions)
    var loads = try loads(candidate, plan)
    if plan.zeroStage.rawValue >= 2 {
      let traffic = try collectives.traffic(
        of: plan, base: candidate.kernels.base, architecture, cluster,
        copies: (copies, expertCopies))
      let units = try costs.costs(candidate.kernels).units
      var first = 0
      for (index, stage) in try plan.stageLayout(of: architecture).stages.enumerated() {
        let held = units[first..<first + stage.count]
        first += stage.count
        let (gather, reduce) = traffic.seconds(of: held)
        loads[index].addCopies(
          gather: gather, reduce: reduce, gathered: held.last.map(traffic.gathered) ?? 0)
      }
    }
    let walk = ScheduleBound(schedule, loads)
    var bound = PlanBound(seconds: 0, bytes: 0)
    for rank in schedule.ranks.indices {
      var (dense, experts, update) = (ParameterCost(), ParameterCost(), 0.0)
      for stage in schedule.placement.stages(ofRank: rank) {
        dense = dense + loads[stage].dense
        experts = experts + loads[stage].experts
        update += loads[stage].update
      }
      if plan.zeroStage != .nothing { update /= max(copies, expertCopies) }
      let tail = try collectives.tail(
        of: plan, base: candidate.kernels.base, dense: dense.elements, experts: experts.elements,
        update: update,
        architecture, cluster, copies: (copies, expertCopies))
      bound.seconds = max(bound.seconds, walk.ends[rank] + tail)
      let bytes =
        dense.bytes(plan.zeroStage, copies: copies)
        + experts.bytes(plan.zeroStage, copies: expertCopies) + walk.kept[rank]
      bound.bytes = max(bound.bytes, bytes)
    }
    return bound
  }

  /// Keeps a schedule that many plans share.
  private final class ScheduleBook: Sendable {
    private struct Key: Hashable {
      var source: Plan.ScheduleSource
      var ranks: Int
      var stages: Int
      var microbatches: Int
      var times: PassCosts?
    }

    private let known = Mutex<[Key: Result<Schedule, PlanError>]>([:])

    func schedule(of plan: Plan) throws(PlanError) -> Schedule {
      let key = Key(
        source: plan.schedule, ranks: plan.pipelineParallel, stages: plan.stagesPerRank,
        microbatches: plan.microbatchCount, times: plan.passTimes)
      if let made = known.withLock({ $0[key] }) { return try made.get() }
      let made = Result { () throws(PlanError) in try plan.pipelineSchedule() }
      known.withLock { $0[key] = made }
      return try made.get()
    }
  }

  /// What follows the last backward: reductions that cannot start earlier, the update, gathers.
  private final class CollectiveBook: Sendable {
    private struct Key: Hashable {
      var shape: SearchShape
      var isBidirectional: Bool
    }

    private let known = Mutex<[Key: ClusterPricing]>([:])

    private func pricing(
      _ plan: Plan, _ base: Int, _ architecture: Architecture, _ cluster: Cluster
    ) throws -> ClusterPricing {
      let key = Key(
        shape: SearchShape(
          kernels: KernelSetting(
            base: base, tensor: plan.tensorParallel, context: plan.contextParallel,
            expert: plan.expertParallel, expertTensor: plan.expertTensorParallel),
          data: plan.dataParallel, pipeline: plan.pipelineParallel),
        isBidirectional: plan.isBidirectional)
      if let pricing = known.withLock({ $0[key] }) { return pricing }
      let pricing = try ClusterPricing(cluster, plan: plan, architecture: architecture)
      known.withLock { $0[key] = pricing }
      return pricing
    }

    /// What units send over copies in the passes.
    func traffic(
      of plan: Plan, base: Int, _ architecture: Architecture, _ cluster: Cluster,
      copies: (Double, Double)
    ) throws -> CopyTraffic {
      CopyTraffic(
        plan, try pricing(plan, base, architecture, cluster), copies: copies)
    }

    func tail(
      of plan: Plan, base: Int, dense: Double, experts: Double, update: Double,
      _ architecture: Architecture, _ cluster: Cluster, copies: (Double, Double)
    ) throws -> Double {
      guard plan.zeroStage.rawValue < 3, copies.0 > 1 || copies.1 > 1 else { return update }
      let pricing = try pricing(plan, base, architecture, cluster)
      func seconds(_ kind: TransferKind, _ elements: Double, _ bits: Int) -> Double {
        guard elements >= 1 else { return 0 }
        return pricing.seconds(
          ofCollective: Transfer(
            kind, outputs: [], inputs: [], stream: .data, bytesPerRow: max(1, bits / 8),
            rows: .fixed(Int(elements)), phase: .optimizer, pass: .backwardWeight, layer: -1),
          stage: 0)
      }
      let parts: [(TransferKind.Group, Double, Double)] = [
        (.gradient, dense, copies.0), (.expertGradient, experts, copies.1),
      ]
      var (reduce, gather) = (0.0, 0.0)
      for (group, elements, copies) in parts where copies > 1 {
        let bits = plan.precision.gradientReduction.bits
        if plan.zeroStage == .nothing {
          reduce += seconds(.allReduce(group), elements, bits)
        } else {
          reduce += seconds(.reduceScatter(group), elements, bits)
          gather += seconds(
            .allGather(group), elements / copies, plan.precision.parameterGather.bits)
        }
      }
      if plan.overlaps(.gradientReduction) { reduce = 0 }
      return reduce + max(gather, update)
    }
  }
}

/// Why a point of the grid is no plan, beside the rules of plans.
package enum SearchRefusal: Error, Hashable, Sendable {
  /// The layout is another one of the grid in other words.
  case samePlan
}
