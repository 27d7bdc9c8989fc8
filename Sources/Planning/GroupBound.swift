import Plans

/// Bounds of all plans of one shape, and of those that are alike in kernels.
extension PlanBounds {
  /// The delays that all plans of a shape have at least: where parameters are shared more ranks meet.
  func delays(_ kernels: KernelSetting, data: Int, pipeline: Int) throws -> PassDelays {
    var plan = space.bases[kernels.base]
    kernels.apply(to: &plan)
    plan.dataParallel = data
    plan.pipelineParallel = pipeline
    plan.zeroStage = .nothing
    return PassDelays(try delays.waits(plan))
  }

  func delays(of candidate: Candidate) throws -> PassDelays {
    PassDelays(try delays.waits(candidate.plan(in: space)))
  }

  func microbatches(_ shape: SearchShape) -> Int {
    space.bases[shape.kernels.base].globalBatch / (shape.data * shape.kernels.microbatch)
  }

  /// Whether backwards may come in halves in some plan on so many pipeline ranks.
  private func hasHalves(onRanks ranks: Int) -> Bool {
    space.schedules(onRanks: ranks).contains { ScheduleShape($0).hasHalves }
  }

  /// What priced seconds are to be multiplied with, so that the clock is as high as it may get.
  func share(_ costs: KernelCosts, _ ways: ClockBound.Ways) -> Double {
    guard let clock = costs.clock, let highest = costs.highestClock(ways) else { return 1 }
    // Messages do not follow the clock: they are never taken to be longer.
    return min(1, clock.priced / highest)
  }

  /// Products and attention alone and the state of parameters, perfectly divided among pipeline ranks: what all
  /// plans of a shape have in common.
  ///
  /// Products in chunks take other kernels than whole ones: the shorter count.
  package func bound(of shape: SearchShape) throws -> PlanBound {
    let isSequence = space.dividesSequences(shape)
    let ways = space.tensorExchanges(isSplit: shape.kernels.tensor > 1, isSequence: isSequence)
    var (least, bytes) = (Double.infinity, Double.infinity)
    for way in distinct(ways.map { $0 == .chunked || $0 == .yes ? $0 : nil }) {
      var plain = shape.kernels
      plain.sequenceParallel = isSequence
      plain.tensorExchange = way
      let floor = try costs.floor(plain)
      // DualPipe has every unit twice.
      let most = floor.largest / (space.schedules.contains(where: \.isBidirectional) ? 2 : 1)
      least = min(least, max(most, floor.all / Double(shape.pipeline)))
      for sharding in shardings(of: shape) {
        bytes = min(bytes, state(floor.dense, floor.experts, shape, sharding))
      }
    }
    return PlanBound(
      seconds: Double(microbatches(shape)) * least, bytes: bytes / Double(shape.pipeline))
  }

  /// The most common layers with their waits and transfers, perfectly divided among pipeline ranks: a bound
  /// of all groups that differ from one that recomputes nothing in that alone.
  package func sketchedSeconds(of group: SearchGroup) throws -> Double {
    let sketch = try costs.sketch(group.kernels)
    let delays = try delays(
      group.kernels, data: group.shape.data, pipeline: group.shape.pipeline)
    let work =
      group.hasPairs
      ? max(sketch.kernels.seconds(delays), sketch.streams.max()) : sketch.waits.seconds(delays)
    let share = hasHalves(onRanks: group.shape.pipeline) ? sketch.shareOfHalves : 1
    return Double(microbatches(group.shape)) * share * work / Double(group.shape.pipeline)
  }

  /// All passes and what goes over copies in them, perfectly divided among pipeline ranks, and the state.
  ///
  /// That of a group that recomputes nothing is one of all groups that differ from it in that alone.
  package func bound(of group: SearchGroup) throws -> PlanBound {
    let costs = try costs.costs(group.kernels)
    let positions = Double(group.shape.pipeline)
    let delays = try delays(
      group.kernels, data: group.shape.data, pipeline: group.shape.pipeline)
    var (work, largest) = (0.0, 0.0)
    var streams = SIMD4<Double>()
    var (dense, experts) = (ParameterCost(), ParameterCost())
    for kind in costs.units.kinds(of: costs.units.indices) {
      streams += kind.cost.forwardStreams + kind.cost.backwardStreams
      let forward = kind.cost.forward.seconds(delays)
      let whole = min(
        kind.cost.backward.seconds(delays),
        kind.cost.backwardInput.seconds(delays) + kind.cost.backwardWeight.seconds(delays))
      let seconds =
        group.hasPairs
        ? min(kind.cost.forwardKernels.seconds(delays), forward)
          + min(kind.cost.backwardKernels.seconds(delays), whole) : forward + whole
      work += seconds
      largest = max(largest, seconds)
      dense = dense + kind.cost.dense
      experts = experts + kind.cost.experts
    }
    // Of what may be divided the fastest that fits; the smallest, if none does.
    var (bytes, traffic) = (Double.infinity, Double.infinity)
    for sharding in shardings(of: group.shape) {
      let state = state(dense, experts, group.shape, sharding)
      bytes = min(bytes, state)
      guard state / positions <= room else { continue }
      traffic = min(traffic, try self.traffic(of: group, sharding, costs))
    }
    if !traffic.isFinite { traffic = 0 }
    let count = microbatches(group.shape)
    let hasHalves = hasHalves(onRanks: group.shape.pipeline)
    let highest = share(
      costs, ClockBound.Ways(hasPairs: group.hasPairs, hasHalves: hasHalves))
    // Under a power cap pairs raise the clock, and take longer than that saves: over all positions passes take no
    // less than at their own clock, that of backwards in halves where it is higher. The difference between units
    // and stages that `ClockBound` allows for stays.
    let mean =
      costs.clock.map { clock in
        max(highest, (hasHalves ? clock.shareOfHalves : 1) / ClockBound.allowance)
      } ?? 1
    // DualPipe has every unit twice.
    let most = highest * largest / (space.schedules.contains(where: \.isBidirectional) ? 2 : 1)
    // Whatever hides exchanges, those of a stream go one after the other.
    return PlanBound(
      seconds: Double(count)
        * max(most, mean * work / positions, streams.max() / positions, traffic / positions),
      bytes: bytes / positions)
  }

  /// Seconds of what goes over copies for a microbatch through all units, which no hiding shortens; of
  /// schedules in one direction or in two, whichever is less.
  func traffic(
    of group: SearchGroup, _ sharding: SearchSharding, _ costs: KernelCosts
  ) throws -> Double {
    guard sharding.zero.rawValue >= 2 else { return 0 }
    var least = Double.infinity
    for isTwice in distinct(space.schedules.map(\.isBidirectional)) {
      if isTwice, sharding.group != nil { continue }
      let candidate = group.candidate(
        SearchMember(
          schedule: .named(isTwice ? "dualpipe" : "1f1b"), stagesPerRank: 1, zero: sharding.zero,
          shardingGroup: sharding.group, layout: .even))
      let shards = shards(candidate)
      var traffic = try collectives.traffic(
        of: candidate.plan(in: space), base: group.kernels.base, architecture, cluster,
        copies: (shards.dense, shards.experts))
      let seconds = traffic.seconds(
        of: costs.units, costs.units.indices, beginsModel: true)
      least = min(least, seconds.forward + seconds.backward)
    }
    return least.isFinite ? least : 0
  }

  func copies(
    _ kernels: KernelSetting, _ data: Int, directions: Int
  ) -> (dense: Double, experts: Double) {
    let dense = data * kernels.context * directions
    let experts = dense * kernels.tensor / (kernels.expert * kernels.expertTensor)
    return (Double(max(1, dense)), Double(max(1, experts)))
  }

  /// Ranks that divide what is divided: all copies, or those of a group.
  func shards(_ candidate: Candidate) -> (dense: Double, experts: Double) {
    shards(
      candidate.kernels, candidate.data, in: candidate.member.shardingGroup,
      directions: candidate.member.schedule.isBidirectional ? 2 : 1)
  }

  /// The most that they are for any plan of a shape.
  func shards(
    _ sharding: SearchSharding, _ shape: SearchShape
  ) -> (dense: Double, experts: Double) {
    shards(shape.kernels, shape.data, in: sharding.group, directions: 2)
  }

  /// Everything that plans of a shape may divide among copies.
  func shardings(of shape: SearchShape) -> [SearchSharding] {
    distinct(
      distinct(space.schedules.map(\.isBidirectional)).flatMap {
        space.sharding(of: shape, isTwice: $0)
      })
  }

  /// Bytes of parameters and all that belongs to them, on all pipeline ranks together.
  func state(
    _ dense: ParameterCost, _ experts: ParameterCost, _ shape: SearchShape,
    _ sharding: SearchSharding
  ) -> Double {
    let shards = shards(sharding, shape)
    return dense.bytes(sharding.zero, copies: shards.dense)
      + experts.bytes(sharding.zero, copies: shards.experts)
  }

  func shards(
    _ kernels: KernelSetting, _ data: Int, in group: Int?, directions: Int
  ) -> (dense: Double, experts: Double) {
    let all = copies(kernels, data, directions: directions)
    guard let group else { return all }
    let experts = group * kernels.tensor / (kernels.expert * kernels.expertTensor)
    return (min(all.dense, Double(group)), min(all.experts, Double(max(1, experts))))
  }
}
