/// What a schedule costs when every pass takes the same time on every stage.
///
/// Not modelled: contention between transfers, and passes that slow down beside them. Costs by
/// cluster and model are the business of the simulation; this is for looking at orders.
public struct ScheduleTiming: Hashable, Sendable {
  /// When each cell starts, per rank, in the unit of the given times.
  public var starts: [[Double]]
  /// When each cell ends, per rank.
  ///
  /// A group end lasts until its transfers are through.
  public var ends: [[Double]]
  /// From the start of the first action to the end of the last.
  public var makespan: Double
  /// The longest time that a rank spends between its first start and its last end.
  public var longestRankSpan: Double
  /// The part of the makespan in which a rank carries out no action, per rank, from 0 to 1.
  public var bubbleRates: [Double]
  /// The most activations that each rank holds, from forward to backward for weight.
  public var peakActivations: [Double]
  /// The same if half of an activation is released after the backward for input.
  public var peakActivationsHalfReleased: [Double]
  /// How many activations and gradients go from one rank to another.
  public var sendCount: Int

  /// Carries out `schedule`, lowered or not, with the given times.
  ///
  /// - Parameter manner: how sends are taken; by default as `usualEnds` says.
  /// - Throws: what `validate(ends:)` finds.
  /// - Complexity: O(cells) for each round in which every rank goes as far as it can.
  public init(
    _ schedule: Schedule, times: PassTimes, ends manner: TransferEnds? = nil
  ) throws(ScheduleError) {
    try schedule.validate(ends: manner)
    let run = DryRun(schedule, times: times, ends: manner)
    guard run.isComplete else { throw schedule.deadlock(run.positions, manner) }
    starts = run.starts
    ends = run.ends
    let span = run.span
    let makespan = span.makespan
    self.makespan = makespan
    longestRankSpan = span.longestOfRanks
    bubbleRates = schedule.ranks.map { cells in
      let busy = cells.reduce(0) { $0 + times.duration(of: $1) }
      return makespan > 0 ? 1 - busy / makespan : 0
    }
    peakActivations = schedule.peakActivations(releasedAtInput: 0)
    peakActivationsHalfReleased = schedule.peakActivations(releasedAtInput: 0.5)
    sendCount = schedule.sendCount
  }
}

extension Schedule {
  /// The most activations that each rank holds at once, when `releasedAtInput` of one goes at the
  /// backward for input and the rest at the backward for weight.
  public func peakActivations(releasedAtInput part: Double) -> [Double] {
    ranks.map { cells in
      var held = 0.0
      var peak = 0.0
      for action in cells.lazy.flatMap(\.actions) {
        switch action.pass {
        case .forward: held += 1
        case .backward: held -= 1
        case .backwardInput: held -= part
        case .backwardWeight: held -= 1 - part
        }
        peak = max(peak, held)
      }
      return peak
    }
  }

  /// How many activations and gradients go from one rank to another.
  public var sendCount: Int {
    var count = 0
    for (rank, cells) in ranks.enumerated() {
      for action in cells.lazy.flatMap(\.actions) {
        guard let (_, stage) = output(of: action) else { continue }
        if self.rank(ofStage: stage, microbatch: action.microbatch) != rank { count += 1 }
      }
    }
    return count
  }
}
