import Simulation

/// A schedule carried out with the least that its passes and messages take: when every rank ends at the
/// earliest, and what it keeps at most.
///
/// A message begins when the pass behind which it is sent is over; what it may wait for beside is left out.
///
/// Complexity: the cells of the schedule.
struct ScheduleBound {
  /// Seconds from the start of the step to the end of each rank's last action.
  private(set) var ends: [Double]
  /// Bytes that each rank keeps from forwards to backwards at its peak, with what a backward needs beside.
  private(set) var kept: [Double]
  /// Seconds from the start of the step through all that a rank does without waiting for others between its
  /// actions, and of these those of kernels that nothing hides.
  private(set) var rows: [(seconds: Double, onPath: Double)]
  /// Seconds of each rank's kernels, and the squares of those of its actions added up.
  private(set) var busy: [(seconds: Double, squares: Double)]
  /// By stage, for each of the ranks that hold it: when the last action begins that adds to its gradients.
  private var closings: [Double]
  private let stageCount: Int
  /// What each rank keeps at the moment.
  private var live: [Double]

  /// - Parameter messages: seconds of a message, by its number in the order.
  init(_ order: ScheduleOrder, _ stages: [StageLoad], messages: [Double]) {
    ends = Array(repeating: 0, count: order.rankCount)
    kept = ends
    live = ends
    rows = ends.map { _ in (-1, 0) }
    busy = ends.map { _ in (0, 0) }
    stageCount = stages.count
    closings = Array(repeating: 0, count: stages.count * order.rankCount)
    var ready = [Double](repeating: 0, count: order.placeCount)
    for cell in order.cells {
      let rank = Int(cell.rank)
      var start = ends[rank]
      if cell.first.input >= 0 {
        start = max(start, arrival(of: cell.first, ready, messages))
      }
      // Loads are large, and read where they lie.
      let stage = Int(cell.first.stage)
      if rows[rank].seconds < 0 { rows[rank].seconds = start }
      var end: Double
      var kernels = stages[stage].busy[cell.first.pass]
      if cell.isPair {
        if cell.second.input >= 0 {
          start = max(start, arrival(of: cell.second, ready, messages))
        }
        let other = Int(cell.second.stage)
        let (seconds, path) = Self.pair(stages[stage], stages[other])
        end = start + seconds
        rows[rank].onPath += path
        kernels += stages[other].busy[cell.second.pass]
        close(cell.second.pass, other, on: rank, at: start)
        hold(cell.first.pass, stages[stage], on: rank, inPair: true)
        hold(cell.second.pass, stages[other], on: rank, inPair: true)
        ready[Int(cell.second.output)] = end
      } else {
        end = start + stages[stage].seconds(cell.first.pass)
        rows[rank].onPath += stages[stage].path[cell.first.pass]
        hold(cell.first.pass, stages[stage], on: rank, inPair: false)
      }
      close(cell.first.pass, stage, on: rank, at: start)
      rows[rank].seconds += end - start
      busy[rank].seconds += kernels
      busy[rank].squares += kernels * kernels
      if cell.first.output >= 0 { ready[Int(cell.first.output)] = end }
      ends[rank] = end
      kept[rank] = max(kept[rank], live[rank])
    }
  }

  private mutating func close(
    _ pass: ScheduleOrder.Pass, _ stage: Int, on rank: Int, at start: Double
  ) {
    guard pass == .backward || pass == .backwardWeight else { return }
    closings[rank * stageCount + stage] = start
  }

  /// When a rank's reductions have ended at the earliest that start in the last pass which adds to the
  /// gradients of their stage: one goes after the other.
  ///
  /// - Parameter reductions: a stage's seconds.
  func endOfReductions(
    on rank: Int, _ stages: some Sequence<Int>, _ reductions: (Int) -> Double
  ) -> Double {
    var (end, together) = (ends[rank], 0.0)
    for stage in stages.sorted(by: { closing($0, on: rank) > closing($1, on: rank) }) {
      together += reductions(stage)
      end = max(end, closing(stage, on: rank) + together)
    }
    return end
  }

  /// Seconds that the groups of a position wait at the end for the one whose passes took longest; of the
  /// position that waits longest.
  func waitForLast(_ waits: ExpectedWaits?) -> Double {
    guard let waits, let most = busy.max(by: { $0.squares < $1.squares }) else { return 0 }
    let second = 1e12
    let variance = waits.variance(busy: Int64(second), meets: true) * most.squares
    let wait = waits.waitForGroups(busy: Int64(most.seconds * second), variance: variance)
    return Double(wait) / second
  }

  private func closing(_ stage: Int, on rank: Int) -> Double {
    closings[rank * stageCount + stage]
  }

  private func arrival(
    of action: ScheduleOrder.Action, _ ready: [Double], _ messages: [Double]
  ) -> Double {
    let made = ready[Int(action.input)]
    return action.message >= 0 ? made + messages[Int(action.message)] : made
  }

  /// Seconds of a pair, and of its kernels as far as nothing hides them.
  private static func pair(
    _ forward: StageLoad, _ backward: StageLoad
  ) -> (seconds: Double, onPath: Double) {
    let kernels = forward.forwardKernels + backward.backwardKernels
    let streams = (forward.forwardStreams + backward.backwardStreams).max()
    let delay = forward.forwardDelay + backward.backwardDelay
    // Of layers that both have, waits fall upon each other; exchanges of other layers may hide behind longer
    // kernels than their own.
    let layers =
      forward.secondsOfPair == backward.secondsOfPair
      ? Double(min(forward.exchanging, backward.exchanging)) * forward.secondsOfPair : 0
    let seconds = max(kernels, streams) + delay
    if layers > seconds { return (layers, 0) }
    return (seconds, kernels >= streams ? forward.forwardPath + backward.backwardPath : 0)
  }

  /// Books what an action keeps and frees; in a pair a backward frees while the forward still takes.
  private mutating func hold(
    _ pass: ScheduleOrder.Pass, _ load: StageLoad, on rank: Int, inPair: Bool
  ) {
    switch pass {
    case .forward: live[rank] += load.kept
    case .backward:
      if !inPair { kept[rank] = max(kept[rank], live[rank] + load.backwardPeak) }
      live[rank] -= load.kept
    case .backwardInput:
      kept[rank] = max(kept[rank], live[rank] + load.inputPeak)
      live[rank] += load.keptByInput
    case .backwardWeight: live[rank] -= load.kept + load.keptByInput
    }
  }
}
