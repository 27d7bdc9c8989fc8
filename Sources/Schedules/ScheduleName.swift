/// The schedules that ship, by the names that plans and commands use.
public enum ScheduleName: String, Hashable, Sendable, CaseIterable {
  case gpipe
  case oneForwardOneBackward = "1f1b"
  case interleavedOneForwardOneBackward = "interleaved-1f1b"
  case loopedBreadthFirst = "looped-bfs"
  case interleavedZeroBubble = "interleaved-zero-bubble"
  case zeroBubbleH1 = "zb-h1"
  case zeroBubbleH2 = "zb-h2"
  case zeroBubble1P = "zb-1p"
  case zeroBubble2P = "zb-2p"
  case zeroBubbleV = "zbv"
  case vHalf = "v-half"
  case vMin = "v-min"
  case dualPipe = "dualpipe"
  case dualPipeV = "dualpipev"

  /// The schedule called `name`; an unknown name is an error that names the nearest known one.
  public init(named name: String) throws(ScheduleError) {
    if let known = ScheduleName(rawValue: name) {
      self = known
      return
    }
    let typed = Array(name.lowercased().prefix(64))
    let nearest = ScheduleName.allCases.map(\.rawValue)
      .map { (name: $0, edits: editDistance(typed, Array($0))) }
      .filter { 3 * $0.edits <= max(typed.count, $0.name.count) }
      .min { $0.edits < $1.edits }
    let names = ScheduleName.allCases.map(\.rawValue).joined(separator: " ")
    throw ScheduleError(
      "there is no schedule '\(String(name.prefix(64)))'; "
        + (nearest.map { "did you mean '\($0.name)'? " } ?? "") + "(one of: \(names))")
  }

  /// How many stages a rank holds when a plan does not say.
  public var defaultStagesPerRank: Int { allowedStagesPerRank?.upperBound ?? 2 }

  /// Whether the order can be planned with times of passes, or is the same whatever they are.
  public var isPlanned: Bool {
    switch self {
    case .zeroBubble1P, .zeroBubble2P, .zeroBubbleV, .vHalf, .vMin: true
    case .gpipe, .oneForwardOneBackward, .interleavedOneForwardOneBackward, .loopedBreadthFirst,
      .interleavedZeroBubble, .zeroBubbleH1, .zeroBubbleH2, .dualPipe, .dualPipeV:
      false
    }
  }

  /// How many stages a rank may hold, or nothing where any number will do.
  private var allowedStagesPerRank: ClosedRange<Int>? {
    switch self {
    case .gpipe, .oneForwardOneBackward, .zeroBubbleH1, .zeroBubbleH2, .zeroBubble1P,
      .zeroBubble2P:
      1...1
    case .zeroBubbleV, .vHalf, .vMin, .dualPipeV: 2...2
    // One stage for every rank, each of which lies on two ranks.
    case .dualPipe: 1...2
    case .interleavedOneForwardOneBackward, .loopedBreadthFirst, .interleavedZeroBubble: nil
    }
  }

  /// Makes the schedule, or throws with the rule that it breaks.
  ///
  /// - Parameters:
  ///   - ranks: the pipeline ranks, 1 to 4,096.
  ///   - stagesPerRank: the stages of each rank; by default what the schedule usually has.
  ///   - microbatches: the microbatches of one step, at least 1.
  ///   - costs: what the automatic schedules (ZB-1P, ZB-2P, V-Half, V-Min) plan with. ZBV has a
  ///     published order, which costs replace by a planned one.
  ///   - pairs: whether the forward and the backward of a turn are one cell; by default as
  ///     `usualPairs` says.
  ///   - progress: told how far the planning of an automatic schedule is.
  public func schedule(
    ranks: Int, stagesPerRank: Int? = nil, microbatches: Int, costs: PassCosts? = nil,
    pairs: PairStyle? = nil, progress: PlanningProgress = { _ in }
  ) throws(ScheduleError) -> Schedule {
    let stagesPerRank = stagesPerRank ?? defaultStagesPerRank
    try check(ranks: ranks, stagesPerRank: stagesPerRank, microbatches: microbatches, costs: costs)
    let pairs = pairs ?? usualPairs
    try check(pairs)
    switch self {
    case .gpipe: return .gpipe(ranks: ranks, microbatches: microbatches)
    case .oneForwardOneBackward:
      return pairs == .merged
        ? try .mergedPairs(Interleaving(oneStageOn: ranks, microbatches: microbatches))
        : .oneForwardOneBackward(ranks: ranks, microbatches: microbatches)
    case .interleavedOneForwardOneBackward:
      return pairs == .merged
        ? try .mergedPairs(
          Interleaving(ranks: ranks, stagesPerRank: stagesPerRank, microbatches: microbatches))
        : try .interleavedOneForwardOneBackward(
          ranks: ranks, stagesPerRank: stagesPerRank, microbatches: microbatches)
    case .loopedBreadthFirst:
      return .loopedBreadthFirst(
        ranks: ranks, stagesPerRank: stagesPerRank, microbatches: microbatches)
    case .interleavedZeroBubble:
      return try .interleavedZeroBubble(
        ranks: ranks, stagesPerRank: stagesPerRank, microbatches: microbatches)
    case .zeroBubbleH1: return .zeroBubbleH1(ranks: ranks, microbatches: microbatches)
    case .zeroBubbleH2: return .zeroBubbleH2(ranks: ranks, microbatches: microbatches)
    case .zeroBubble1P:
      return .zeroBubble1P(
        ranks: ranks, microbatches: microbatches, costs: costs, progress: progress)
    case .zeroBubble2P:
      return .zeroBubble2P(
        ranks: ranks, microbatches: microbatches, costs: costs, progress: progress)
    case .zeroBubbleV:
      guard let costs else { return .zeroBubbleV(ranks: ranks, microbatches: microbatches) }
      return .plannedZeroBubbleV(
        ranks: ranks, microbatches: microbatches, costs: costs, progress: progress)
    case .vHalf:
      return .vHalf(
        ranks: ranks, microbatches: microbatches, costs: costs, progress: progress)
    case .vMin:
      return .vMin(
        ranks: ranks, microbatches: microbatches, costs: costs, progress: progress)
    case .dualPipe:
      let schedule = try Schedule.dualPipe(ranks: ranks, microbatches: microbatches)
      return pairs == .merged ? schedule : schedule.apart
    case .dualPipeV:
      let schedule = try Schedule.dualPipeV(ranks: ranks, microbatches: microbatches)
      return pairs == .merged ? schedule : schedule.apart
    }
  }

  /// The rules that hold for every schedule.
  private func check(
    ranks: Int, stagesPerRank: Int, microbatches: Int, costs: PassCosts?
  ) throws(ScheduleError) {
    for (what, number) in [
      ("ranks", ranks), ("stages per rank", stagesPerRank), ("microbatches", microbatches),
    ] where number < 1 {
      throw ScheduleError("\(rawValue) needs at least one of \(what), not \(number)")
    }
    let (stages, overflow) = ranks.multipliedReportingOverflow(by: stagesPerRank)
    let (actions, overflowToo) = stages.multipliedReportingOverflow(by: microbatches)
    guard !overflow, !overflowToo, actions <= 1 << 24 else {
      throw ScheduleError(
        "\(rawValue) with \(ranks) ranks, \(stagesPerRank) stages per rank and \(microbatches) "
          + "microbatches has more than the 16,777,216 forwards that a schedule may have")
    }
    if let allowed = allowedStagesPerRank, !allowed.contains(stagesPerRank) {
      let rule = allowed.upperBound == 1 ? "one stage" : "two stages"
      throw ScheduleError("\(rawValue) puts \(rule) on every rank, not \(stagesPerRank)")
    }
    guard let costs else { return }
    for (what, cost) in [
      ("forward", costs.forward), ("backward-input", costs.backwardInput),
      ("backward-weight", costs.backwardWeight),
    ] where !(1...1_000_000_000).contains(cost) {
      throw ScheduleError("the \(what) cost must be from 1 to 1,000,000,000, not \(cost)")
    }
    guard (0...1_000_000_000).contains(costs.transfer) else {
      throw ScheduleError(
        "the transfer cost must be from 0 to 1,000,000,000, not \(costs.transfer)")
    }
  }
}

/// How many characters must be inserted, dropped or replaced to turn one name into the other.
private func editDistance(_ a: [Character], _ b: [Character]) -> Int {
  var row = Array(0...b.count)
  for i in a.indices {
    var diagonal = row[0]
    row[0] = i + 1
    for j in b.indices {
      let replaced = diagonal + (a[i] == b[j] ? 0 : 1)
      diagonal = row[j + 1]
      row[j + 1] = min(replaced, row[j] + 1, diagonal + 1)
    }
  }
  return row[b.count]
}
