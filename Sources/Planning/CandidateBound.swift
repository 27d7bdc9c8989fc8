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
/// No bound lies above what the simulation of a plan gives: it leaves out hosts, what messages wait for, draws and
/// workspace, and takes the shorter way wherever two are open.
package final class PlanBounds: Sendable {
  package let space: SearchSpace
  package let architecture: Architecture
  package let cluster: Cluster
  let costs: CostBook
  private let schedules: ScheduleBook
  let collectives: CollectiveBook
  private let layouts: LayoutBook
  private let live: LiveBook
  private let closings: Memo<ClosingKey, Double>
  let delays: DelayBook
  /// Bytes that a plan may take.
  let room: Double

  package init(
    _ space: SearchSpace, _ architecture: Architecture, _ cluster: Cluster, room: Double
  ) {
    self.room = room
    self.space = space
    self.architecture = architecture
    self.cluster = cluster
    delays = DelayBook(cluster)
    costs = CostBook(
      space.bases, architecture, cluster, multiprocessors: space.communicationSMs)
    (schedules, collectives, layouts) = (ScheduleBook(), CollectiveBook(), LayoutBook())
    (live, closings) = (LiveBook(), Memo())
  }

  /// Those of a part of the space, with what is known of the whole.
  init(_ part: SearchSpace, sharing whole: PlanBounds) {
    (space, room) = (part, whole.room)
    (architecture, cluster, delays) = (whole.architecture, whole.cluster, whole.delays)
    // Costs are made for all multiprocessors of exchanges that a space has.
    costs =
      part.communicationSMs == whole.space.communicationSMs
      ? whole.costs
      : CostBook(
        part.bases, architecture, cluster, multiprocessors: part.communicationSMs,
        sharing: whole.costs)
    (schedules, collectives, layouts) = (whole.schedules, whole.collectives, whole.layouts)
    (live, closings) = (whole.live, whole.closings)
  }

  /// The candidate with a balanced layout as counts.
  ///
  /// - Throws: `SearchRefusal` where an earlier layout of the grid cuts the model alike, `PlanError` where there
  ///   are more stages than units.
  package func resolved(_ candidate: Candidate) throws -> Candidate {
    guard space.layouts.count > 1 || candidate.member.layout == .balanced else {
      _ = try unitCounts(candidate, candidate.member.layout)
      return candidate
    }
    let counts = try unitCounts(candidate, candidate.member.layout)
    for layout in space.layouts {
      if layout == candidate.member.layout { break }
      if let other = try? unitCounts(candidate, layout), other == counts {
        throw SearchRefusal.samePlan
      }
    }
    guard candidate.member.layout == .balanced else { return candidate }
    var resolved = candidate
    resolved.member.layout = .units(counts)
    return resolved
  }

  /// Units on each stage under a layout.
  private func unitCounts(_ candidate: Candidate, _ layout: Plan.Layout) throws -> [Int] {
    let stages = candidate.pipeline * candidate.member.stagesPerRank
    guard layout == .balanced else { return try layouts.counts(layout, stages, architecture) }
    _ = try layouts.counts(.even, stages, architecture)
    return try costs.balancedCounts(
      candidate.kernels, stages: stages, hasPairs: candidate.member.hasPairs,
      firstLayers: candidate.member.firstLayers)
  }

  /// Loads of the stages of a candidate whose layout is resolved.
  ///
  /// - Parameters:
  ///   - costs: those of its kernels.
  ///   - channels: multiprocessors of collectives over copies in its passes; nil for none.
  private func loads(
    _ candidate: Candidate, _ costs: [KernelCosts], besideChannels channels: Set<Int>? = nil
  ) throws -> [StageLoad] {
    let counts = try unitCounts(candidate, candidate.member.layout)
    let (plain, again) = (costs[0].units, costs[costs.count - 1].units)
    let delays = try delays(of: candidate)
    let units = architecture.units
    var first = 0
    var last: (units: Range<Int>, load: StageLoad)?
    return counts.map { count in
      let own = first..<first + count
      first += count
      // Most stages are as the one before.
      if let last, plain.areAlike(own, last.units), again.areAlike(own, last.units) {
        return last.load
      }
      var layers = 0
      let load = StageLoad(
        own.lazy.map { index in
          guard case .layer = units[index], layers < candidate.member.firstLayers else {
            return plain.kind(of: index)
          }
          layers += 1
          return again.kind(of: index)
        }, delays, besideChannels: channels)
      last = (own, load)
      return load
    }
  }

  /// Costs by the candidate's setting, and behind them those of layers that are computed again as a whole
  /// beside, where some are.
  private func costs(of candidate: Candidate) throws -> [KernelCosts] {
    let plain = try costs.costs(candidate.kernels)
    guard candidate.member.firstLayers > 0 else { return [plain] }
    return [plain, try costs.costs(candidate.kernels.recomputing(.full))]
  }

  /// What the seconds of a candidate are to be multiplied with.
  ///
  /// Where layers of two settings are mixed, the clock lies between theirs.
  private func share(_ candidate: Candidate, _ all: [KernelCosts]) -> Double {
    let ways = ClockBound.Ways(
      hasPairs: candidate.member.hasPairs,
      hasHalves: ScheduleShape(candidate.member.schedule).hasHalves)
    let shares = all.map { share($0, ways) }
    guard all.count > 1, let priced = all.compactMap({ $0.clock?.priced }).min() else {
      return shares[0]
    }
    let highest = zip(all, shares).compactMap { costs, share in
      costs.clock.map { $0.priced / share }
    }
    return priced / (highest.max() ?? priced)
  }

  /// The bound of a candidate without its schedule: the slowest rank with what must go before and behind.
  ///
  /// - Throws: `PlanError` where the layout is none.
  package func quickBound(of candidate: Candidate) throws -> PlanBound {
    var quick = QuickBound()
    return try quickBound(of: candidate, &quick)
  }

  /// The same, with what an earlier candidate has in common with this one.
  ///
  /// - Parameter longest: seconds beyond which it does not matter what the schedule keeps.
  func quickBound(
    of candidate: Candidate, _ quick: inout QuickBound, longest: Double = .infinity
  ) throws -> PlanBound {
    let costs = try quick.costs(of: candidate) { try self.costs(of: candidate) }
    if !quick.holds(for: candidate) {
      quick.begin(
        candidate, try loads(QuickBound.alike(candidate), costs),
        microbatches: microbatches(of: candidate))
    }
    let shards = shards(candidate)
    let zero = candidate.member.zero
    let factor = quick.share { share(candidate, costs) }
    let seconds = (quick.seconds + (try closing(candidate, shards))) * factor
    let state = quick.bytesOfState(zero, shards.dense, shards.experts)
    guard seconds <= longest, state <= room else {
      return PlanBound(seconds: seconds, bytes: state)
    }
    let bytes = try quick.bytes(zero, shards.dense, shards.experts) {
      try live.activations(of: candidate.plan(in: space))
    }
    return PlanBound(seconds: seconds, bytes: bytes)
  }

  /// Whether the candidate's order is planned, policy by policy, and that of few microbatches is long already.
  func hasLongPlanning(_ candidate: Candidate) -> Bool {
    let few = min(microbatches(of: candidate), 2 * candidate.pipeline)
    guard few * candidate.pipeline >= Self.longOrder,
      let schedule = candidate.member.schedule.known, schedule.isPlanned
    else { return false }
    return schedule != .zeroBubbleV || space.bases[candidate.kernels.base].passTimes != nil
  }

  /// Forwards of an order from which on planning takes longer than all other bounds of a plan: some 10 ms.
  private static let longOrder = 400

  /// Seconds that follow the passes of all ranks: those of the rank with most parameters, which has no fewer than
  /// the mean.
  private func closing(
    _ candidate: Candidate, _ shards: (dense: Double, experts: Double)
  ) throws -> Double {
    let key = ClosingKey(candidate)
    return try closings(key) {
      let units = try costs.costs(candidate.kernels.recomputing(.none)).units
      let all = units.kinds(of: units.indices)
      let traffic = try collectives.closing(
        of: candidate.plan(in: space), base: candidate.kernels.base, architecture, cluster,
        copies: shards)
      let share = (candidate.member.schedule.isBidirectional ? 2.0 : 1) / Double(candidate.pipeline)
      return traffic.agreement
        + traffic.gather(
          share * all.reduce(0) { $0 + $1.cost.dense.elements },
          share * all.reduce(0) { $0 + $1.cost.experts.elements })
    }
  }

  private func microbatches(of candidate: Candidate) -> Int {
    space.bases[candidate.kernels.base].globalBatch
      / (candidate.data * candidate.kernels.microbatch)
  }

  /// Loads of the stages with what goes over copies in their passes, and the seconds of that for a microbatch.
  private func loadsWithCopies(
    _ candidate: Candidate, _ plan: Plan, _ costs: [KernelCosts]
  ) throws -> (loads: [StageLoad], streams: [Double]) {
    guard plan.zeroStage.rawValue >= 2 else {
      let loads = try loads(candidate, costs)
      return (loads, loads.map { _ in 0 })
    }
    var traffic = try collectives.traffic(
      of: plan, base: candidate.kernels.base, architecture, cluster, copies: shards(candidate))
    var loads = try loads(candidate, costs, besideChannels: traffic.channels)
    var streams: [Double] = []
    var first = 0
    for (index, count) in try unitCounts(candidate, candidate.member.layout).enumerated() {
      let seconds = traffic.seconds(
        of: costs[0].units, first..<first + count, beginsModel: first == 0)
      first += count
      loads[index].addCopies(seconds)
      streams.append(seconds.forward + seconds.backward)
    }
    return (loads, streams)
  }

  /// The bound of a candidate by its schedule.
  ///
  /// - Throws: `PlanError` where the plan is none.
  package func bound(of candidate: Candidate) throws -> PlanBound {
    let plan = candidate.plan(in: space)
    try plan.checkSharding()
    let order = try schedules.order(of: plan)
    let (copies, expertCopies) = shards(candidate)
    let costs = try self.costs(of: candidate)
    let kernels = costs[0]
    let (loads, streams) = try loadsWithCopies(candidate, plan, costs)
    let messages = try collectives.seconds(
      of: order.messages, bytes: kernels.boundary, plan, base: candidate.kernels.base,
      architecture, cluster)
    let walk = ScheduleBound(order, loads, messages: messages)
    var bound = PlanBound(seconds: 0, bytes: 0)
    // All ranks agree on the norm of gradients once the last one has reduced its own.
    var (agreed, behind) = (0.0, 0.0)
    let closing = try collectives.closing(
      of: plan, base: candidate.kernels.base, architecture, cluster,
      copies: (copies, expertCopies))
    for rank in 0..<order.rankCount {
      var (dense, experts, update, stream) = (ParameterCost(), ParameterCost(), 0.0, 0.0)
      var room = HidingRoom()
      for stage in order.placement.stages(ofRank: rank) {
        dense = dense + loads[stage].dense
        experts = experts + loads[stage].experts
        update += loads[stage].update
        stream += streams[stage]
        room = room + (candidate.member.hasPairs ? loads[stage].pairRoom : loads[stage].room)
      }
      if plan.zeroStage != .nothing { update /= max(copies, expertCopies) }
      let gather = closing.gather(dense.elements, experts.elements)
      behind = max(behind, gather, update)
      // What goes over copies in the passes goes one after the other; DualPipe's halves share it.
      let directions = plan.isBidirectional ? 2.0 : 1
      let times = Double(plan.microbatchCount) / directions
      // What does not fit beside waits runs beside kernels, and slows them.
      let row = walk.rows[rank]
      let beside = stream * times - (row.seconds - row.onPath)
      let slowed = row.seconds + (beside > 0 ? (times * room).loss(hiding: beside) : 0)
      let reduced =
        closing.isBesideBackwards
        ? walk.endOfReductions(on: rank, order.placement.stages(ofRank: rank)) {
          closing.reduce(loads[$0].dense.elements, loads[$0].experts.elements)
        } : walk.ends[rank] + closing.reduce(dense.elements, experts.elements)
      agreed = max(agreed, reduced, slowed)
      let bytes =
        dense.bytes(plan.zeroStage, copies: copies)
        + experts.bytes(plan.zeroStage, copies: expertCopies) + walk.kept[rank]
      bound.bytes = max(bound.bytes, bytes)
    }
    bound.seconds = agreed + (try waited(plan, walk)) + closing.agreement + behind
    bound.seconds *= share(candidate, costs)
    return bound
  }

  /// Seconds that ranks wait behind their passes for the one whose passes took longest: those that average their
  /// losses have waited for each other on the way.
  private func waited(_ plan: Plan, _ walk: ScheduleBound) throws -> Double {
    plan.lossAverage == .step ? walk.waitForLast(try delays.waits(plan)) : 0
  }
}

/// Why a point of the grid is no plan, beside the rules of plans.
package enum SearchRefusal: Error, Hashable, Sendable {
  /// The layout is another one of the grid in other words.
  case samePlan
}
