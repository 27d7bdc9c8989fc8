import Plans

/// The bound of a candidate without its schedule, and what of it candidates share that differ in what is
/// divided among copies.
struct QuickBound {
  private var candidate: Candidate?
  /// Seconds of the slowest rank, at the clock at which units are priced.
  private(set) var seconds = 0.0
  private var ranks: [Rank] = []
  private var loads: [StageLoad] = []
  /// What each rank keeps for backwards; empty until it is asked for.
  private var live: [Double] = []
  /// Costs that were asked for last, those of one setting and those of two.
  private var costs: [(kernels: KernelSetting, costs: [KernelCosts])?] = [nil, nil]
  /// What seconds are to be multiplied with for the clock; nil until it is asked for.
  private var share: Double?

  private struct Rank {
    var dense = ParameterCost()
    var experts = ParameterCost()
  }

  /// Of no candidate.
  init() {}

  /// Costs of a candidate's kernels, asked for once for all candidates that share them.
  mutating func costs(
    of candidate: Candidate, _ make: () throws -> [KernelCosts]
  ) rethrows -> [KernelCosts] {
    let place = candidate.member.firstLayers > 0 ? 1 : 0
    if let known = costs[place], known.kernels == candidate.kernels { return known.costs }
    let made = try make()
    costs[place] = (candidate.kernels, made)
    return made
  }

  /// Becomes the bound of a candidate whose stages have these loads.
  mutating func begin(_ candidate: Candidate, _ loads: [StageLoad], microbatches: Int) {
    (seconds, ranks, live, share) = (0, [], [], nil)
    self.candidate = Self.alike(candidate)
    self.loads = loads
    let shape = ScheduleShape(candidate.member.schedule)
    let directions = shape == .bidirectional ? 2.0 : 1
    let hasPairs = candidate.member.hasPairs
    var (fill, drain) = (0.0, 0.0)
    for position in 0..<candidate.pipeline {
      let held = shape.stages(
        of: position, positions: candidate.pipeline, stages: loads.count)
      var work = 0.0
      var rank = Rank()
      for stage in held {
        work += loads[stage].least(inPairs: hasPairs) / directions
        rank.dense = rank.dense + loads[stage].dense
        rank.experts = rank.experts + loads[stage].experts
      }
      ranks.append(rank)
      seconds = max(
        seconds, fill + Double(microbatches) * work + (shape.drains ? drain : 0))
      if shape.fills {
        let load = loads[position]
        fill += hasPairs ? min(load.forward, load.forwardKernels) : load.forward
        drain += hasPairs ? min(load.backward, load.backwardKernels) : load.backward
      }
    }
  }

  /// The candidate without what is divided among copies.
  static func alike(_ candidate: Candidate) -> Candidate {
    var alike = candidate
    alike.member.zero = .nothing
    alike.member.shardingGroup = nil
    return alike
  }

  /// Whether a candidate has these seconds.
  func holds(for other: Candidate) -> Bool { candidate == Self.alike(other) }

  /// What the seconds are to be multiplied with for the clock, asked for once.
  mutating func share(_ make: () throws -> Double) rethrows -> Double {
    if let share { return share }
    let made = try make()
    share = made
    return made
  }

  /// Bytes of the fullest rank with so many ranks that divide the state.
  ///
  /// - Parameter live: what the schedule keeps; asked for once.
  mutating func bytes(
    _ zero: Plan.ZeROStage, _ dense: Double, _ experts: Double,
    live make: () throws -> LiveActivations
  ) rethrows -> Double {
    if live.isEmpty {
      let kept = try make()
      live = ranks.indices.map { kept.bytes(on: $0, loads) }
    }
    return ranks.indices.reduce(0) { most, rank in
      max(most, state(of: ranks[rank], zero, dense, experts) + live[rank])
    }
  }

  /// The same without what schedules keep.
  func bytesOfState(_ zero: Plan.ZeROStage, _ dense: Double, _ experts: Double) -> Double {
    ranks.reduce(0) { max($0, state(of: $1, zero, dense, experts)) }
  }

  private func state(
    of rank: Rank, _ zero: Plan.ZeROStage, _ dense: Double, _ experts: Double
  ) -> Double {
    rank.dense.bytes(zero, copies: dense) + rank.experts.bytes(zero, copies: experts)
  }
}
