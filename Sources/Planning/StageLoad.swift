import Schedules

/// What a stage costs at least: sums of its units.
struct StageLoad: Sendable {
  /// Seconds of the passes by themselves.
  var forward = 0.0
  var backward = 0.0
  var backwardInput = 0.0
  var backwardWeight = 0.0
  /// Seconds of their kernels in an overlapped pair with waits that nothing hides, of these those of kernels,
  /// and what that takes longer behind them since ranks wait for each other.
  var forwardKernels = 0.0
  var backwardKernels = 0.0
  var forwardPath = 0.0
  var backwardPath = 0.0
  var forwardDelay = 0.0
  var backwardDelay = 0.0
  /// Units with exchanges if they are all alike, else 0, and what a pair of stages takes for each that both
  /// hold.
  var exchanging = 0
  var secondsOfPair = 0.0
  /// Of a forward and a backward by themselves, kernels that nothing hides, and room beside them.
  var path = PassTimes()
  /// Seconds of all kernels of the passes, in pairs or not, whichever is less.
  var busy = PassTimes()
  var room = HidingRoom()
  /// That room where actions may be overlapped pairs.
  var pairRoom = HidingRoom()
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

  /// - Parameter channels: multiprocessors that collectives over copies take; nil where none go in passes, and no room
  ///   beside kernels is asked for.
  init(
    _ units: some Sequence<UnitCost>, _ delays: PassDelays, besideChannels channels: Set<Int>? = nil
  ) {
    var (pair, isMixed) = (PassCost(), false)
    for unit in units {
      if unit.pair.seconds > 0 {
        isMixed = isMixed || (exchanging > 0 && unit.pair != pair)
        pair = unit.pair
        exchanging += 1
      }
      forward += unit.forward.seconds(delays)
      backward += unit.backward.seconds(delays)
      backwardInput += unit.backwardInput.seconds(delays)
      backwardWeight += unit.backwardWeight.seconds(delays)
      forwardKernels += unit.forwardKernels.withoutDelay(delays)
      backwardKernels += unit.backwardKernels.withoutDelay(delays)
      forwardPath += unit.forwardKernels.path(delays)
      backwardPath += unit.backwardKernels.path(delays)
      forwardDelay += unit.forwardKernels.delay(delays)
      backwardDelay += unit.backwardKernels.delay(delays)
      path.forward += unit.forward.path(delays)
      path.backward += unit.backward.path(delays)
      path.backwardInput += unit.backwardInput.path(delays)
      path.backwardWeight += unit.backwardWeight.path(delays)
      busy.forward += delays.slowness * min(unit.forward.busy, unit.forwardKernels.busy)
      busy.backward += delays.slowness * min(unit.backward.busy, unit.backwardKernels.busy)
      busy.backwardInput += delays.slowness * unit.backwardInput.busy
      busy.backwardWeight += delays.slowness * unit.backwardWeight.busy
      if let channels {
        // Kernels of slower devices last longer.
        room = room + delays.slowness * unit.rooms.room(beside: channels)
        pairRoom = pairRoom + delays.slowness * unit.pairRooms.room(beside: channels)
      }
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
    if isMixed { exchanging = 0 }
    secondsOfPair = pair.seconds(delays)
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

/// Seconds by pass.
struct PassTimes: Hashable, Sendable {
  var forward = 0.0
  var backward = 0.0
  var backwardInput = 0.0
  var backwardWeight = 0.0

  subscript(pass: Action.Pass) -> Double {
    switch pass {
    case .forward: forward
    case .backward: backward
    case .backwardInput: backwardInput
    case .backwardWeight: backwardWeight
    }
  }
}
