/// The eight steps of one DualPipe rank, with the batched transfers of the published code.
///
/// Lane 0 is the stage near the start of the pipeline (`distance` from it), lane 1 the stage as far
/// from its end. DualPipe fills the lanes from two directions, DualPipeV from one.
struct DualPipeSteps {
  private enum Lane: Int { case near = 0, far }

  /// Ranks between this one and the nearer end of the pipeline.
  private let distance: Int
  /// Half the number of stages.
  private let depth: Int
  /// Microbatches through each lane.
  private let microbatches: Int
  /// The first microbatch of each lane.
  private let firstMicrobatch: [Int]
  /// Whether the two middle stages lie on one rank, so that nothing is sent between them.
  private let turnsOnOneRank: Bool

  private var cells: [Cell] = []
  private var groupIsOpen = false
  private var forwards = [0, 0]
  private var backwards = [0, 0]
  private var sent: [Boundary: [Int]] = [.activation: [0, 0], .gradient: [0, 0]]
  private var received: [Boundary: [Int]] = [.activation: [0, 0], .gradient: [0, 0]]
  private var pendingWeights: [Action] = []

  init(
    distance: Int, depth: Int, microbatches: Int, firstMicrobatch: [Int], turnsOnOneRank: Bool
  ) {
    self.distance = distance
    self.depth = depth
    self.microbatches = microbatches
    self.firstMicrobatch = firstMicrobatch
    self.turnsOnOneRank = turnsOnOneRank
  }

  /// All cells of the rank.
  ///
  /// The steps are numbered as in the published code.
  mutating func run() -> [Cell] {
    let isMiddle = distance == depth - 1
    let hops = depth - distance - 1
    fillNearLane(2 * hops)
    fillBothLanes(distance + 1, isMiddle: isMiddle)
    startFarBackwards(hops)
    overlap(microbatches - 2 * depth + distance + 1, isMiddle: isMiddle)
    drainFarLane(hops)
    drainBothLanes(distance + 1)
    drainNearLane(hops)
    for _ in 0...distance { weight() }
    commit()
    return cells
  }

  /// Step 1: forwards of the near lane.
  private mutating func fillNearLane(_ count: Int) {
    for _ in 0..<count {
      receive(.activation, .near)
      forward(.near)
      send(.activation, .near)
    }
  }

  /// Step 2: forwards of both lanes in turn.
  ///
  /// The near lane's activation is received one forward
  /// ahead and, except in the middle, sent one forward later.
  private mutating func fillBothLanes(_ count: Int, isMiddle: Bool) {
    receive(.activation, .near)
    for index in 0..<count {
      forward(.near)
      if isMiddle { send(.activation, .near) }
      receive(.activation, .near)
      receive(.activation, .far)
      forward(.far)
      if !isMiddle || index < count - 1 { send(.activation, .far) }
      if !isMiddle { send(.activation, .near) }
    }
  }

  /// Step 3: split backwards and forwards of the far lane.
  private mutating func startFarBackwards(_ count: Int) {
    for _ in 0..<count {
      receive(.gradient, .far)
      backward(.far, split: true)
      send(.gradient, .far)
      receive(.activation, .far)
      weight()
      forward(.far)
      send(.activation, .far)
    }
  }

  /// Step 4, the main one: forwards of one lane overlapped with backwards of the other.
  ///
  /// The middle ranks leave their first pair apart, which shortens the bubble.
  private mutating func overlap(_ count: Int, isMiddle: Bool) {
    for index in 0..<count {
      if index == 0 && isMiddle {
        forward(.near)
        send(.activation, .far)
        receive(.gradient, .far)
        backward(.far, split: false)
        send(.activation, .near)
        send(.gradient, .far)
      } else {
        pair(.near, .far, receivesForward: index > 0)
      }
      pair(.far, .near)
    }
  }

  /// Step 5: backwards of the far lane and pairs.
  private mutating func drainFarLane(_ count: Int) {
    for _ in 0..<count {
      receive(.gradient, .far)
      backward(.far, split: false)
      send(.gradient, .far)
      pair(.far, .near)
    }
  }

  /// Step 6: backwards of both lanes, the second half of them split.
  private mutating func drainBothLanes(_ count: Int) {
    for index in 0..<2 * count {
      let lane: Lane = index.isMultiple(of: 2) ? .far : .near
      receive(.gradient, lane)
      backward(lane, split: index >= count)
      send(.gradient, lane)
    }
  }

  /// Step 7: weight halves, and split backwards of the near lane.
  private mutating func drainNearLane(_ count: Int) {
    for _ in 0..<count {
      weight()
      receive(.gradient, .near)
      backward(.near, split: true)
      send(.gradient, .near)
    }
  }
}

extension DualPipeSteps {
  private func stage(_ lane: Lane) -> Int {
    lane == .near ? distance : 2 * depth - 1 - distance
  }

  /// The `index`th microbatch of a lane.
  private func microbatch(_ lane: Lane, _ index: Int) -> Int {
    firstMicrobatch[lane.rawValue] + index
  }

  /// Whether another rank lies behind a lane's stage on the side that `boundary` goes to (or comes
  /// from).
  private func crossesRanks(_ boundary: Boundary, _ lane: Lane, outgoing: Bool) -> Bool {
    let goesDown = (boundary == .activation) == outgoing
    let other = stage(lane) + (goesDown ? 1 : -1)
    if other < 0 || other >= 2 * depth { return false }
    return !(turnsOnOneRank && min(other, stage(lane)) == depth - 1)
  }

  private mutating func receive(_ boundary: Boundary, _ lane: Lane) {
    guard crossesRanks(boundary, lane, outgoing: false) else { return }
    let index = received[boundary, default: [0, 0]][lane.rawValue]
    received[boundary, default: [0, 0]][lane.rawValue] += 1
    cells.append(.receive(boundary, stage: stage(lane), microbatch: microbatch(lane, index)))
    groupIsOpen = true
  }

  private mutating func send(_ boundary: Boundary, _ lane: Lane) {
    guard crossesRanks(boundary, lane, outgoing: true) else { return }
    let index = sent[boundary, default: [0, 0]][lane.rawValue]
    sent[boundary, default: [0, 0]][lane.rawValue] += 1
    cells.append(.send(boundary, stage: stage(lane), microbatch: microbatch(lane, index)))
    groupIsOpen = true
  }

  private mutating func commit() {
    if groupIsOpen { cells.append(.commit) }
    groupIsOpen = false
  }

  private mutating func nextForward(_ lane: Lane) -> Action {
    defer { forwards[lane.rawValue] += 1 }
    return Action(
      .forward, stage: stage(lane), microbatch: microbatch(lane, forwards[lane.rawValue]))
  }

  private mutating func nextBackward(_ lane: Lane, _ pass: Action.Pass) -> Action {
    defer { backwards[lane.rawValue] += 1 }
    return Action(
      pass, stage: stage(lane), microbatch: microbatch(lane, backwards[lane.rawValue]))
  }

  private mutating func forward(_ lane: Lane) {
    commit()
    cells.append(.run(nextForward(lane)))
  }

  private mutating func backward(_ lane: Lane, split: Bool) {
    commit()
    let action = nextBackward(lane, split ? .backwardInput : .backward)
    cells.append(.run(action))
    if split { pendingWeights.append(action) }
  }

  /// The oldest pending weight half.
  private mutating func weight() {
    commit()
    let action = pendingWeights.removeFirst()
    cells.append(.backwardWeight(action.stage, action.microbatch))
  }

  private mutating func pair(_ forward: Lane, _ backward: Lane, receivesForward: Bool = true) {
    if receivesForward { receive(.activation, forward) }
    receive(.gradient, backward)
    commit()
    cells.append(
      .overlapped(forward: nextForward(forward), backward: nextBackward(backward, .backward)))
    send(.activation, forward)
    send(.gradient, backward)
  }
}
