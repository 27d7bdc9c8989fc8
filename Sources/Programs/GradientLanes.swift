import Plans
import Schedules

/// How a copy of a stage adds up the gradients of its microbatches: in lanes, blocks of microbatches that
/// follow one another, whose sums are added as a balanced binary tree.
///
/// A lane's sum is added to its neighbour's as soon as both are complete, like a digit that is carried in a
/// binary counter: where lanes come one after the other, log2(lanes) + 1 sums live at most.
///
/// The tree is that of `treeFold` over all lanes of the step, whoever adds them up. A copy whose lanes are
/// not a power of two holds no node of it but several: it keeps as many sums as the odd factor of its
/// lanes, each of a power of two of them, and all copies' sums are added up where they meet. So 12 lanes
/// give the same bits on 1, 2, 3, 4, 6 and 12 copies.
public struct GradientLanes: Hashable, Sendable {
  /// Lanes of one copy.
  public var count: Int
  /// Microbatches of one direction of the pipeline, which the lanes divide.
  public var microbatches: Int
  /// Sums that a copy contributes to the reduction; they divide the lanes.
  public var sums: Int

  /// The lanes that a plan asks for.
  ///
  /// On devices, where no bits are promised, a copy always contributes one sum.
  public init(_ plan: Plan, target: Target) {
    let directions = plan.isBidirectional ? 2 : 1
    let copies = plan.dataParallel * directions
    count = plan.laneCount / copies
    microbatches = plan.microbatchCount / directions
    sums = target == .cpuRank && copies > 1 ? max(1, count >> count.trailingZeroBitCount) : 1
  }

  /// The lane of a microbatch of either direction.
  public func lane(of microbatch: Int) -> Int {
    microbatch % microbatches / (microbatches / count)
  }
}

/// A change of the sums of one stage's gradients that one pass writes.
public struct LaneStep: Hashable, Sendable {
  public enum Change: Hashable, Sendable {
    /// A lane begins: its sum takes a place and is zero.
    case open(lane: Int, place: Int)
    /// Two neighbours are complete: the right one is added to the left one, and gives its place back.
    case fold(into: Int, from: Int)
  }

  public var stage: Int
  /// Which pass writes the gradients.
  public var pass: Pass
  public var change: Change

  public init(stage: Int, pass: Pass, change: Change) {
    self.stage = stage
    self.pass = pass
    self.change = change
  }
}

extension StageProgram {
  /// Trained parameters by the pass that writes their gradients.
  public func parameters(writtenBy pass: Pass) -> [Int] {
    parameters.indices.filter { parameters[$0].isTrained && writer(of: parameters[$0]) == pass }
  }

  private func writer(of parameter: StageParameter) -> Pass {
    func isWritten(by program: Program) -> Bool {
      program.operations.contains { $0.outputs.contains(parameter.gradient) }
    }
    if isWritten(by: forward) { return .forward }
    return isWritten(by: backwardInput) ? .backwardInput : .backwardWeight
  }

  /// Adds a buffer for every place but the first that a gradient's sums may take.
  ///
  /// Those of sums that the reduction reads are the stage's, the others are acquired when a lane begins
  /// there.
  mutating func addLanes(_ count: Int, sums: Int, _ format: Format) {
    contributedSums = sums
    lanePlaces = parameters.map { parameter in
      guard parameter.isTrained else { return [] }
      return (1..<max(1, count)).map { place in
        let name = "\(parameter.roles[0].rawValue) gradient, sum \(place)"
        buffers.append(
          Buffer(
            name, .gradient, place < sums ? .stage : .lane, rows: .fixed(parameter.rows),
            columns: parameter.columns, format: format))
        return BufferID(buffers.count - 1)
      }
    }
  }

  /// The buffer of a parameter's sum at a place.
  public func gradient(of parameter: Int, place: Int) -> BufferID {
    place == 0 ? parameters[parameter].gradient : lanePlaces[parameter][place - 1]
  }

  /// What a change of lanes consists of: buffers that are taken and cleared, or added and given back.
  public func program(for step: LaneStep) -> Program {
    var program = Program()
    func compute(_ kernel: Kernel, _ outputs: [BufferID], _ inputs: [BufferID]) {
      program.steps.append(.compute(Int32(program.operations.count)))
      program.operations.append(
        Operation(
          kernel, outputs: outputs, inputs: inputs, phase: .optimizer, pass: .backwardWeight,
          layer: -1))
    }
    for parameter in parameters(writtenBy: step.pass) {
      let elements = parameters[parameter].elements
      switch step.change {
      case .open(_, let place):
        let sum = gradient(of: parameter, place: place)
        if place >= contributedSums { program.steps.append(.acquire(sum)) }
        compute(.clear(elements: elements), [sum], [])
      case .fold(let into, let from):
        let (left, right) = (
          gradient(of: parameter, place: into), gradient(of: parameter, place: from)
        )
        compute(.fold(elements: elements), [left], [right])
        program.steps.append(.release(right))
      }
    }
    return program
  }
}

extension RankProgram {
  /// Inserts the changes of lanes.
  ///
  /// A lane begins in front of its first action and is complete behind its last. The first place is the
  /// stage's own gradient, which is zero when a step begins.
  public mutating func insert(_ lanes: GradientLanes, of programs: [StageProgram]) {
    guard lanes.count > 1 else { return }
    precondition(closingItems.isEmpty, "sums of lanes are added behind the last action")
    var before = [[LaneStep]](repeating: [], count: items.count)
    var behind = before
    for stage in stages {
      for pass in Pass.allCases where !programs[stage].parameters(writtenBy: pass).isEmpty {
        var sums = LaneSums(lanes)
        let uses = uses(of: stage, pass, lanes)
        for (index, lane) in uses.enumerated() {
          guard let lane else { continue }
          func step(_ change: LaneStep.Change) -> LaneStep {
            LaneStep(stage: stage, pass: pass, change: change)
          }
          if uses[..<index].allSatisfy({ $0 != lane }) {
            let place = sums.open(lane)
            if place > 0 { before[index].append(step(.open(lane: lane, place: place))) }
          }
          if uses[(index + 1)...].allSatisfy({ $0 != lane }) {
            behind[index] += sums.complete(lane).map(step)
          }
        }
      }
    }
    items = items.indices.flatMap { index in
      before[index].map { Item.lane($0) } + [items[index]] + behind[index].map { Item.lane($0) }
    }
  }

  /// The lane to which each item adds gradients of a stage in a pass; nil where it adds none.
  private func uses(of stage: Int, _ pass: Pass, _ lanes: GradientLanes) -> [Int?] {
    items.map { item in
      let actions: [Action]
      switch item {
      case .run(let action): actions = [action]
      case .overlapped(let forward, let backward): actions = [forward, backward]
      default: actions = []
      }
      let action = actions.first { $0.stage == stage && $0.pass.writes(pass) }
      return action.map { lanes.lane(of: $0.microbatch) }
    }
  }
}

extension Action.Pass {
  /// Whether an action's program holds that of a pass.
  fileprivate func writes(_ pass: Pass) -> Bool {
    switch self {
    case .forward: pass == .forward
    case .backward: pass != .forward
    case .backwardInput: pass == .backwardInput
    case .backwardWeight: pass == .backwardWeight
    }
  }
}

/// The sums that live, and where: each is a lane or a complete subtree of lanes.
private struct LaneSums {
  private var isTaken: [Bool]
  private var placeOfLane: [Int: Int] = [:]
  /// Complete subtrees by sum, height and number, with their places.
  private var complete: [[Int]: Int] = [:]
  /// Sums that are contributed, and the lanes of each.
  private let sums: Int
  private let lanes: Int

  init(_ lanes: GradientLanes) {
    isTaken = Array(repeating: false, count: lanes.count)
    sums = lanes.sums
    self.lanes = lanes.count / lanes.sums
  }

  /// The lowest free place; the first ones are those of each sum's first lane, where it will lie.
  mutating func open(_ lane: Int) -> Int {
    var place = lane % lanes == 0 ? lane / lanes : sums
    while isTaken[place] { place += 1 }
    isTaken[place] = true
    placeOfLane[lane] = place
    return place
  }

  /// What is added up now that a lane is complete.
  mutating func complete(_ lane: Int) -> [LaneStep.Change] {
    var changes: [LaneStep.Change] = []
    let sum = lane / lanes
    var (level, number, place) = (0, lane % lanes, placeOfLane[lane] ?? 0)
    while 1 << level < lanes {
      if (number ^ 1) << level < lanes {
        guard let other = complete.removeValue(forKey: [sum, level, number ^ 1]) else { break }
        let (into, from) = number % 2 == 0 ? (place, other) : (other, place)
        changes.append(.fold(into: into, from: from))
        isTaken[from] = false
        place = into
      }
      // A node without a neighbour is its parent, as in `treeFold`.
      (level, number) = (level + 1, number / 2)
    }
    complete[[sum, level, number]] = place
    return changes
  }
}
