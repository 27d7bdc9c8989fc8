import Schedules

/// What a stage costs at least: sums of its units.
struct StageLoad: Sendable {
  /// Seconds of the passes by themselves.
  var forward = 0.0
  var backward = 0.0
  var backwardInput = 0.0
  var backwardWeight = 0.0
  /// Seconds of their kernels in an overlapped pair.
  var forwardKernels = 0.0
  var backwardKernels = 0.0
  /// Seconds of each stream's transfers.
  var forwardStreams = SIMD4<Double>()
  var backwardStreams = SIMD4<Double>()
  /// Bytes that a microbatch keeps behind its forward, and more or less behind its backward for the input.
  var kept = 0.0
  var keptByInput = 0.0
  /// Bytes of a backward beside them: those of the unit with which it begins.
  var backwardPeak = 0.0
  var inputPeak = 0.0
  var dense = ParameterCost()
  var experts = ParameterCost()
  var update = 0.0

  init(_ units: some Sequence<UnitCost>) {
    for unit in units {
      forward += unit.forward
      backward += unit.backward
      backwardInput += unit.backwardInput
      backwardWeight += unit.backwardWeight
      forwardKernels += unit.forwardKernels
      backwardKernels += unit.backwardKernels
      forwardStreams += unit.forwardStreams
      backwardStreams += unit.backwardStreams
      kept += unit.kept
      keptByInput += unit.keptByInput
      backwardPeak = unit.backwardPeak
      inputPeak = unit.inputPeak
      dense = dense + unit.dense
      experts = experts + unit.experts
      update += unit.update
    }
  }

  /// Adds what goes over copies of parameters in the passes, less what may go beside the actions around.
  mutating func addCopies(_ copies: CopyTraffic.Seconds) {
    forward = max(forward, copies.forward - copies.aheadOfForward)
    let gathers = copies.backward - copies.reduced - copies.aheadOfBackward
    let reductions = copies.reduced - copies.behindBackward
    backward = max(backward, gathers + reductions)
    backwardInput = max(backwardInput, gathers)
    backwardWeight = max(backwardWeight, reductions)
  }

  /// Seconds of an action by itself.
  func seconds(_ pass: Action.Pass) -> Double {
    switch pass {
    case .forward: forward
    case .backward: backward
    case .backwardInput: backwardInput
    case .backwardWeight: backwardWeight
    }
  }
}

/// A schedule carried out with messages that cost nothing: when every rank ends at the earliest, and what it
/// keeps at most.
///
/// Complexity: the cells of the schedule.
struct ScheduleBound {
  /// Seconds from the start of the step to the end of each rank's last action.
  private(set) var ends: [Double]
  /// Bytes that each rank keeps from forwards to backwards at its peak, with what a backward needs beside.
  private(set) var kept: [Double]
  private let stages: [StageLoad]
  private let count: Int
  /// By stage and microbatch: when its output, and the gradient of its input, is there.
  private var forwards: [Double]
  private var backwards: [Double]
  /// What each rank keeps at the moment.
  private var live: [Double]

  private static let never = Double.infinity

  init(_ schedule: Schedule, _ stages: [StageLoad]) {
    self.stages = stages
    count = schedule.microbatchCount
    ends = schedule.ranks.map { _ in 0 }
    kept = ends
    live = ends
    forwards = [Double](repeating: Self.never, count: schedule.stageCount * count)
    backwards = forwards
    var places = schedule.ranks.map { _ in 0 }
    var hasMoved = true
    while hasMoved {
      hasMoved = false
      for rank in schedule.ranks.indices {
        let cells = schedule.ranks[rank]
        while places[rank] < cells.count, perform(cells[places[rank]].actions, on: rank) {
          places[rank] += 1
          hasMoved = true
        }
      }
    }
  }

  /// When what an action needs of another stage is there.
  private func input(of action: Action) -> Double {
    let place = action.stage * count + action.microbatch
    switch action.pass {
    case .forward: return action.stage > 0 ? forwards[place - count] : 0
    case .backward, .backwardInput:
      return action.stage < stages.count - 1 ? backwards[place + count] : forwards[place]
    case .backwardWeight: return 0
    }
  }

  /// Carries out the actions of a cell, if what they need is there.
  private mutating func perform(_ actions: CellActions, on rank: Int) -> Bool {
    var start = ends[rank]
    for action in actions {
      let ready = input(of: action)
      if ready == Self.never { return false }
      start = max(start, ready)
    }
    var end = start
    for action in actions {
      let load = stages[action.stage]
      var seconds = load.seconds(action.pass)
      if actions.count == 2 {
        seconds = action.pass == .forward ? load.forwardKernels : load.backwardKernels
      }
      end += seconds
      hold(action, load, on: rank, inPair: actions.count == 2)
      let place = action.stage * count + action.microbatch
      switch action.pass {
      case .forward: forwards[place] = start + seconds
      case .backward, .backwardInput: backwards[place] = start + seconds
      case .backwardWeight: break
      }
    }
    if actions.count == 2, let forward = actions.first, let backward = actions.last {
      let streams =
        stages[forward.stage].forwardStreams + stages[backward.stage].backwardStreams
      end = max(end, start + streams.max())
    }
    ends[rank] = end
    kept[rank] = max(kept[rank], live[rank])
    return true
  }

  /// Books what an action keeps and frees; in a pair a backward frees while the forward still takes.
  private mutating func hold(_ action: Action, _ load: StageLoad, on rank: Int, inPair: Bool) {
    switch action.pass {
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
