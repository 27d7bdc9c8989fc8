import Programs
import Schedules

/// Where an engine stands.
public enum Progress: Hashable, Sendable {
  case finished
  /// It waits for a transfer; nothing is lost by asking again later.
  case waiting
}

/// Walks one rank through its program, step by step, on any backend.
///
/// A resumable machine: `advance` runs until the rank's step is over or until a wait cannot be answered.
/// It has never heard of MPI, of a device or of a cost model.
public struct Engine {
  @usableFromInline let program: RankProgram
  /// The templates of every stage, in the order of `Part`, stage after stage.
  @usableFromInline let templates: [Program]
  /// Whether the rank has a stage of this number.
  @usableFromInline let isHere: [Bool]
  @usableFromInline let interleavings: [Interleaving]
  /// The interleaving of each overlapped item, by the item's index.
  @usableFromInline let interleavingOfItem: [Int]
  /// Whether an item starts the reductions of its stage; empty if none does.
  @usableFromInline let isClosing: [Bool]
  /// Whether an item waits for the parameters that the step gathers; empty if none does.
  @usableFromInline let isOpening: [Bool]
  /// The action whose first gathers an item starts, and whether those of the item itself are under way;
  /// empty where nothing is gathered ahead.
  @usableFromInline let gathersAhead: [Action?]
  @usableFromInline let isGatheredAhead: [Bool]
  /// The steps of every stage's reductions, by segment.
  @usableFromInline let reductionParts: [[Range<Int>]]
  /// The programs of changes of lanes, and which of them each item has.
  @usableFromInline let lanePrograms: [Program]
  @usableFromInline let laneOfItem: [Int]
  @usableFromInline var item = 0
  @usableFromInline var piece = 0
  @usableFromInline var step = 0
  @usableFromInline var hasBegun = false
  /// Handles of the transfers that the action in progress started: forward's or lone, and backward's.
  @usableFromInline var handles: [TransferHandle]
  @usableFromInline var backwardHandles: [TransferHandle]
  /// Handles of the next action's first gathers.
  @usableFromInline var aheadHandles: [TransferHandle]
  @usableFromInline var messageHandles: [TransferHandle]
  @usableFromInline var optimizerHandles: [[TransferHandle]]

  /// One of a stage's templates.
  @usableFromInline enum Part: Int, CaseIterable {
    case forward, backward, backwardInput, backwardWeight, reduce, norm, update, settle
    case closingBackward, closingBackwardWeight, gather, openingForward

    @inlinable init(_ pass: Action.Pass, isClosing: Bool, isOpening: Bool = false) {
      switch pass {
      case .forward: self = isOpening ? .openingForward : .forward
      case .backward: self = isClosing ? .closingBackward : .backward
      case .backwardInput: self = .backwardInput
      case .backwardWeight: self = isClosing ? .closingBackwardWeight : .backwardWeight
      }
    }
  }

  /// An engine for one rank; `stages` holds the programs of the stages on it at their numbers.
  ///
  /// - Parameter walksPairs: false where the backend carries out every overlapped pair as a whole, so
  ///   that their order of steps need not be worked out.
  public init(_ program: RankProgram, stages: [StageProgram?], walksPairs: Bool = true) {
    self.program = program
    templates = stages.flatMap { stage in
      stage.map {
        [
          $0.forward, $0.backward, $0.backwardInput, $0.backwardWeight, $0.reduce, $0.norm,
          $0.update, $0.settle, $0.closingBackward, $0.closingBackwardWeight, $0.gather,
          $0.openingForward,
        ]
      } ?? Part.allCases.map { _ in Program() }
    }
    isHere = stages.map { $0 != nil }
    gathersAhead = program.gathersAhead
    isGatheredAhead = program.isGatheredAhead
    reductionParts = stages.map { $0?.reductionParts ?? [] }
    var isClosing = [Bool](
      repeating: false, count: program.closingItems.isEmpty ? 0 : program.items.count)
    for index in program.closingItems { isClosing[index] = true }
    self.isClosing = isClosing
    var isOpening = [Bool](
      repeating: false, count: program.openingItems.isEmpty ? 0 : program.items.count)
    for index in program.openingItems { isOpening[index] = true }
    self.isOpening = isOpening
    (interleavings, interleavingOfItem) =
      walksPairs ? Self.interleavings(of: program, stages) : ([], [])
    (lanePrograms, laneOfItem) = Self.lanePrograms(of: program, stages)
    let most = stages.map { $0?.mostTransfers ?? 0 }
    handles = Array(repeating: TransferHandle(-1), count: most.max() ?? 0)
    backwardHandles = handles
    // An engine that begins behind an action's first gathers knows them by their numbers.
    aheadHandles = handles.indices.map { TransferHandle($0) }
    // Likewise one that begins behind the gathers of the step.
    optimizerHandles = most.map { (0..<$0).map { TransferHandle($0) } }
    messageHandles = Array(repeating: TransferHandle(-1), count: program.transfers.count)
  }

  /// One interleaving per pair of stages, and which of them each item has.
  private static func interleavings(
    of program: RankProgram, _ stages: [StageProgram?]
  ) -> ([Interleaving], [Int]) {
    var known: [[Int]: Int] = [:]
    var made: [Interleaving] = []
    var ofItem = [Int](repeating: -1, count: program.items.count)
    let closing = Set(program.closingItems)
    for (index, item) in program.items.enumerated() {
      guard case .overlapped(let forward, let backward) = item else { continue }
      let isClosing = closing.contains(index)
      let key = [forward.stage, backward.stage, isClosing ? 1 : 0]
      if known[key] == nil, let first = stages[forward.stage], let second = stages[backward.stage] {
        known[key] = made.count
        made.append(
          Interleaving(
            forward: first.forward, backward: second, isClosing: isClosing,
            order: program.pairOrder))
      }
      ofItem[index] = known[key] ?? -1
    }
    return (made, ofItem)
  }

  /// One program per change of lanes, and which of them each item has; both empty without lanes.
  private static func lanePrograms(
    of program: RankProgram, _ stages: [StageProgram?]
  ) -> ([Program], [Int]) {
    var known: [LaneStep: Int] = [:]
    var made: [Program] = []
    var ofItem: [Int] = []
    for (index, item) in program.items.enumerated() {
      guard case .lane(let step) = item, let stage = stages[step.stage] else { continue }
      if ofItem.isEmpty { ofItem = Array(repeating: -1, count: program.items.count) }
      if known[step] == nil {
        known[step] = made.count
        made.append(stage.program(for: step))
      }
      ofItem[index] = known[step] ?? -1
    }
    return (made, ofItem)
  }

  /// Starts the step again from its first item.
  public mutating func restart() {
    (item, piece, step, hasBegun) = (0, 0, 0, false)
  }

  /// The index of the item in progress, for reports of who waits where.
  public var currentItem: Int { item }

  /// Runs until the step is over or a wait has to be resumed.
  @inlinable public mutating func advance<B: Backend & ~Copyable>(_ backend: inout B) -> Progress {
    while item < program.items.count {
      let current = program.items[item]
      if !hasBegun {
        switch backend.begin(current, index: item) {
        case .walk: hasBegun = true
        case .later: return .waiting
        case .done:
          takeUpReductions(current, &backend)
          finishItem()
          continue
        }
      }
      guard perform(current, &backend) else { return .waiting }
      backend.end(current, index: item)
      finishItem()
    }
    return .finished
  }

  @inlinable mutating func finishItem() {
    item += 1
    piece = 0
    step = 0
    hasBegun = false
  }

  @inlinable mutating func perform<B: Backend & ~Copyable>(_ current: Item, _ backend: inout B)
    -> Bool
  {
    switch current {
    case .run(let action):
      let program = template(
        action.stage,
        Part(action.pass, isClosing: isClosing(item), isOpening: isOpening(item)))
      let instance = Instance(
        stage: action.stage, microbatch: action.microbatch, pass: action.pass)
      if step == 0, isOpening(item) { takeGathers(action.stage) }
      if step < program.prologue, !isGatheredAhead.isEmpty, isGatheredAhead[item] {
        step = program.prologue
        swap(&handles, &aheadHandles)
      }
      return walk(program, program.steps.count, instance, isForward: true, &backend)
    case .overlapped(let forward, let backward):
      return performPair(forward, backward, &backend)
    case .start(let index):
      messageHandles[index] = backend.start(program.transfers[index])
      return true
    case .wait(let index): return backend.wait(messageHandles[index])
    case .handOver(let boundary, let stage, let microbatch):
      backend.handOver(boundary, stage: stage, microbatch: microbatch)
      return true
    case .lane(let change):
      let program = lanePrograms[laneOfItem[item]]
      let instance = Instance(stage: change.stage, microbatch: -1, pass: .backwardWeight)
      return walk(program, program.steps.count, instance, isForward: true, &backend)
    case .gather(let stage): return walkOptimizer(stage, .gather, &backend)
    case .reduce(let stage): return walkOptimizer(stage, .reduce, &backend)
    case .norm(let stage): return walkOptimizer(stage, .norm, &backend)
    case .agree: return backend.agree()
    case .update(let stage): return walkOptimizer(stage, .update, &backend)
    case .settle(let stage): return walkOptimizer(stage, .settle, &backend)
    }
  }

  @inlinable func isClosing(_ item: Int) -> Bool { !isClosing.isEmpty && isClosing[item] }

  @inlinable func isOpening(_ item: Int) -> Bool { !isOpening.isEmpty && isOpening[item] }

  /// The gathers that an opening forward waits for, which are numbered behind its own transfers.
  @inlinable mutating func takeGathers(_ stage: Int) {
    let first = template(stage, .forward).transfers.count
    for index in template(stage, .gather).transfers.indices {
      handles[first + index] = optimizerHandles[stage][index]
    }
  }

  /// Remembers the reductions that an item has started which the backend carried out as a whole.
  @inlinable mutating func takeUpReductions<B: Backend & ~Copyable>(
    _ current: Item, _ backend: inout B
  ) {
    guard isClosing(item) else { return }
    let stage: Int
    switch current {
    case .run(let action): stage = action.stage
    case .overlapped(_, let backward): stage = backward.stage
    default: return
    }
    for transfer in template(stage, .reduce).transfers.indices {
      optimizerHandles[stage][transfer] = backend.handle(ofReduction: transfer, stage: stage)
    }
  }

  @inlinable func template(_ stage: Int, _ part: Part) -> Program {
    precondition(isHere[stage], "The stage is not on this rank.")
    return templates[stage * Part.allCases.count + part.rawValue]
  }

  /// Walks one of a stage's optimizer programs; they share their handles.
  @inlinable mutating func walkOptimizer<B: Backend & ~Copyable>(
    _ number: Int, _ part: Part, _ backend: inout B
  ) -> Bool {
    let program = template(number, part)
    let instance = Instance(stage: number, microbatch: -1, pass: .backwardWeight)
    swap(&handles, &optimizerHandles[number])
    defer { swap(&handles, &optimizerHandles[number]) }
    return walk(program, program.steps.count, instance, isForward: true, &backend)
  }

  @inlinable mutating func performPair<B: Backend & ~Copyable>(
    _ forward: Action, _ backward: Action, _ backend: inout B
  ) -> Bool {
    precondition(!interleavings.isEmpty, "This engine does not walk pairs.")
    let forwardProgram = template(forward.stage, .forward)
    let backwardProgram = interleavings[interleavingOfItem[item]].backward
    let pieces = interleavings[interleavingOfItem[item]].pieces
    let forwardInstance = Instance(
      stage: forward.stage, microbatch: forward.microbatch, pass: .forward)
    let backwardInstance = Instance(
      stage: backward.stage, microbatch: backward.microbatch, pass: .backward)
    while piece < pieces.count {
      let now = pieces[piece]
      if step < now.steps.lowerBound || step > now.steps.upperBound { step = now.steps.lowerBound }
      let isOver =
        now.isForward
        ? walk(forwardProgram, now.steps.upperBound, forwardInstance, isForward: true, &backend)
        : walk(
          backwardProgram, now.steps.upperBound, backwardInstance, isForward: false, &backend)
      guard isOver else { return false }
      piece += 1
      if piece < pieces.count { step = pieces[piece].steps.lowerBound }
    }
    return true
  }

  /// Walks the steps up to `end`; false if one of them has to wait.
  @inlinable mutating func walk<B: Backend & ~Copyable>(
    _ program: Program, _ end: Int, _ instance: Instance, isForward: Bool, _ backend: inout B
  ) -> Bool {
    let steps = program.steps
    var step = step
    defer { self.step = step }
    while step < end {
      switch steps[step] {
      case .acquire(let buffer): backend.acquire(buffer, instance)
      case .release(let buffer): backend.release(buffer, instance)
      case .compute(let index): backend.issue(Int(index), of: program, instance)
      case .start(let index):
        let handle = backend.start(Int(index), of: program, instance)
        if isForward {
          handles[Int(index)] = handle
        } else {
          backwardHandles[Int(index)] = handle
        }
      case .wait(let index):
        let handle = isForward ? handles[Int(index)] : backwardHandles[Int(index)]
        guard backend.wait(handle) else { return false }
      case .reduce(let part): startReduction(Int(part), Int(instance.stage), &backend)
      case .gatherAhead: startGathersAhead(&backend)
      }
      step += 1
    }
    return true
  }

  /// Walks the start of the next action, which waits for nothing.
  @inlinable mutating func startGathersAhead<B: Backend & ~Copyable>(_ backend: inout B) {
    guard !gathersAhead.isEmpty, let action = gathersAhead[item] else { return }
    let program = template(action.stage, Part(action.pass, isClosing: false))
    let instance = Instance(
      stage: action.stage, microbatch: action.microbatch, pass: action.pass)
    for index in 0..<program.prologue {
      switch program.steps[index] {
      case .acquire(let buffer): backend.acquire(buffer, instance)
      case .release(let buffer): backend.release(buffer, instance)
      case .compute(let index): backend.issue(Int(index), of: program, instance)
      case .start(let index):
        aheadHandles[Int(index)] = backend.start(Int(index), of: program, instance)
      case .wait, .reduce, .gatherAhead: preconditionFailure("A gather starts without waiting.")
      }
    }
  }

  /// Walks the steps that start a segment's reduction, which wait for nothing.
  @inlinable mutating func startReduction<B: Backend & ~Copyable>(
    _ part: Int, _ stage: Int, _ backend: inout B
  ) {
    let program = template(stage, .reduce)
    let instance = Instance(stage: stage, microbatch: -1, pass: .backwardWeight)
    for index in reductionParts[stage][part] {
      switch program.steps[index] {
      case .acquire(let buffer): backend.acquire(buffer, instance)
      case .release(let buffer): backend.release(buffer, instance)
      case .compute(let index): backend.issue(Int(index), of: program, instance)
      case .start(let index):
        optimizerHandles[stage][Int(index)] = backend.start(
          Int(index), of: program, instance)
      case .wait, .reduce, .gatherAhead: preconditionFailure("A reduction starts without waiting.")
      }
    }
  }
}

extension StageProgram {
  /// The template of a pass.
  @inlinable public func program(for pass: Action.Pass) -> Program {
    switch pass {
    case .forward: forward
    case .backward: backward
    case .backwardInput: backwardInput
    case .backwardWeight: backwardWeight
    }
  }

  /// The largest number of transfers in one of its programs.
  var mostTransfers: Int {
    let passes = max(
      forward.transfers.count, openingForward.transfers.count, backward.transfers.count,
      backwardInput.transfers.count, backwardWeight.transfers.count)
    return max(passes, reduce.transfers.count, update.transfers.count, gather.transfers.count)
  }
}
