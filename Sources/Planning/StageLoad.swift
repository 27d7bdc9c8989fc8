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
    _ units: some Sequence<UnitCosts.Kind>, _ delays: PassDelays,
    besideChannels channels: Set<Int>? = nil
  ) {
    var (pair, isMixed) = (PassCost(), false)
    for kind in units {
      if kind.cost.pair.seconds > 0 {
        isMixed = isMixed || (exchanging > 0 && kind.cost.pair != pair)
        pair = kind.cost.pair
        exchanging += 1
      }
      forward += kind.cost.forward.seconds(delays)
      backward += kind.cost.backward.seconds(delays)
      backwardInput += kind.cost.backwardInput.seconds(delays)
      backwardWeight += kind.cost.backwardWeight.seconds(delays)
      forwardKernels += kind.cost.forwardKernels.withoutDelay(delays)
      backwardKernels += kind.cost.backwardKernels.withoutDelay(delays)
      forwardPath += kind.cost.forwardKernels.path(delays)
      backwardPath += kind.cost.backwardKernels.path(delays)
      forwardDelay += kind.cost.forwardKernels.delay(delays)
      backwardDelay += kind.cost.backwardKernels.delay(delays)
      path.forward += kind.cost.forward.path(delays)
      path.backward += kind.cost.backward.path(delays)
      path.backwardInput += kind.cost.backwardInput.path(delays)
      path.backwardWeight += kind.cost.backwardWeight.path(delays)
      busy.forward += delays.slowness * min(kind.cost.forward.busy, kind.cost.forwardKernels.busy)
      busy.backward +=
        delays.slowness * min(kind.cost.backward.busy, kind.cost.backwardKernels.busy)
      busy.backwardInput += delays.slowness * kind.cost.backwardInput.busy
      busy.backwardWeight += delays.slowness * kind.cost.backwardWeight.busy
      if let channels {
        // Kernels of slower devices last longer.
        room = room + delays.slowness * kind.cost.rooms.room(beside: channels)
        pairRoom = pairRoom + delays.slowness * kind.cost.pairRooms.room(beside: channels)
      }
      forwardStreams += kind.cost.forwardStreams
      backwardStreams += kind.cost.backwardStreams
      kept += kind.cost.kept
      keptByInput += kind.cost.keptByInput
      backwardPeak = kind.cost.backwardPeak
      inputPeak = kind.cost.inputPeak
      dense = dense + kind.cost.dense
      experts = experts + kind.cost.experts
      update += kind.cost.update
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
