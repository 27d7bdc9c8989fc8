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
    var live = ranks.map { _ in [Count]() }
    // Passes of all of its stages.
    var passes = ranks.map { _ in 0 }
    var isOpen = ranks.map { _ in false }
    for cell in order.cells {
      let rank = Int(cell.rank)
      if isOpen[rank] {
        ranks[rank].next = cell.isPair ? nil : cell.first
        isOpen[rank] = false
      }
      passes[rank] += Self.hold(cell.first, &live[rank])
      if cell.isPair { passes[rank] += Self.hold(cell.second, &live[rank]) }
      guard passes[rank] > ranks[rank].most else { continue }
      ranks[rank] = Rank(counts: live[rank], most: passes[rank])
      isOpen[rank] = true
    }
  }

  /// Books an action of a rank, and gives by how many more passes are kept; a rank has few stages.
  private static func hold(_ action: ScheduleOrder.Action, _ live: inout [Count]) -> Int {
    let stage = Int(action.stage)
    let place = live.firstIndex { $0.stage == stage } ?? live.count
    if place == live.count { live.append(Count(stage: stage)) }
    switch action.pass {
    case .forward:
      live[place].whole += 1
      return 1
    case .backward:
      live[place].whole -= 1
      return -1
    case .backwardInput:
      live[place].whole -= 1
      live[place].halves += 1
      return 0
    case .backwardWeight:
      live[place].halves -= 1
      return -1
    }
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
