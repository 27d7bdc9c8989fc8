import Plans
import Schedules

/// What each rank of a schedule keeps from forwards to backwards at a moment when it keeps most passes, by the
/// schedule alone.
///
/// With many microbatches the schedule of fewer is looked at, which begins and ends alike: no rank keeps more of
/// fewer. Complexity of what is kept: the stages of a rank.
struct LiveActivations: Sendable {
  /// Microbatches of a stage whose backward is to come, and those of which the weights' half is.
  private struct Count: Sendable {
    var stage: Int
    var whole = 0
    var halves = 0
  }

  private struct Rank: Sendable {
    var counts: [Count] = []
    var most = 0
    /// The backward that comes next.
    var next: ScheduleOrder.Action?
  }

  private var ranks: [Rank]

  /// Of a schedule, whose cells are walked once.
  init(_ order: ScheduleOrder) {
    ranks = Array(repeating: Rank(), count: order.rankCount)
    var live = ranks.map { _ in [Int: Count]() }
    var isOpen = ranks.map { _ in false }
    for cell in order.cells {
      let rank = Int(cell.rank)
      if isOpen[rank] {
        ranks[rank].next = cell.isPair ? nil : cell.first
        isOpen[rank] = false
      }
      Self.hold(cell.first, &live[rank])
      if cell.isPair { Self.hold(cell.second, &live[rank]) }
      let most = live[rank].values.reduce(0) { $0 + $1.whole + $1.halves }
      guard most > ranks[rank].most else { continue }
      ranks[rank] = Rank(counts: Array(live[rank].values), most: most)
      isOpen[rank] = true
    }
  }

  private static func hold(_ action: ScheduleOrder.Action, _ live: inout [Int: Count]) {
    let stage = Int(action.stage)
    var count = live[stage] ?? Count(stage: stage)
    switch action.pass {
    case .forward: count.whole += 1
    case .backward: count.whole -= 1
    case .backwardInput:
      count.whole -= 1
      count.halves += 1
    case .backwardWeight: count.halves -= 1
    }
    live[stage] = count
  }

  /// Bytes that a rank keeps at least, with what its next backward needs beside.
  func bytes(on rank: Int, _ loads: [StageLoad]) -> Double {
    let kept = ranks[rank].counts.reduce(0.0) { sum, count in
      let load = loads[count.stage]
      return sum + Double(count.whole) * load.kept
        + Double(count.halves) * (load.kept + load.keptByInput)
    }
    guard let next = ranks[rank].next else { return kept }
    switch next.pass {
    case .backward: return kept + loads[Int(next.stage)].backwardPeak
    case .backwardInput: return kept + loads[Int(next.stage)].inputPeak
    case .forward, .backwardWeight: return kept
    }
  }
}

extension Plan {
  /// The plan with few microbatches, whose schedule is cut at its middle; schedules that begin with all
  /// forwards have none.
  var withFewMicrobatches: Plan {
    if schedule == .named(ScheduleName.gpipe.rawValue)
      || schedule == .named(ScheduleName.loopedBreadthFirst.rawValue)
    {
      return self
    }
    let period = 2 * pipelineParallel
    let rest = microbatchCount - period
    guard rest >= period else { return self }
    var plan = self
    plan.globalBatch -= rest / period * period * dataParallel * microbatchSize
    return plan
  }
}
