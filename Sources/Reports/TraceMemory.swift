import Engines
import Programs
import Schedules
import Simulation

/// Live memory of a rank over a step, from the acquisitions and releases of its programs.
public enum TraceMemory {
  /// A sample at the start, the peak and the end of everything that the rank did.
  ///
  /// The highest total is the rank's peak as the simulation counts it.
  public static func samples(of rank: RankResult, _ input: StepInput) -> [MemorySample] {
    var walk = MemoryWalk(input, position: rank.position)
    var spans = rank.items[...]
    let program = input.ranks[rank.position]
    for (index, item) in program.items.enumerated() {
      let place = input.place(ofItem: index, on: rank.position)
      // Items that took no time have no span; they happen where the one before ended.
      if let span = spans.first, span.item == item {
        spans.removeFirst()
        walk.perform(item, place, from: span.start, to: span.end)
      } else {
        walk.perform(item, place, from: walk.time, to: walk.time)
      }
    }
    return walk.samples
  }
}

/// Follows the buffers of one rank through its items.
private struct MemoryWalk {
  let input: StepInput
  let position: Int
  var time: Int64 = 0
  var samples: [MemorySample] = []
  private var live = [Int](repeating: 0, count: Buffer.Use.allCases.count)
  private var total = 0
  /// The action whose first gathers the item starts.
  private var ahead: Action?
  private var highest: MemorySample?
  private var interleavings: [[Int]: Interleaving] = [:]

  init(_ input: StepInput, position: Int) {
    self.input = input
    self.position = position
    for held in StageProgram.held(by: input.ranks[position].stages, of: input.stages) {
      change(held.buffer, of: held.stage, by: 1)
    }
    samples.append(.init(time: 0, live: live))
  }

  mutating func perform(
    _ item: Item, _ place: ActionPlace, from start: Int64, to end: Int64
  ) {
    time = end
    ahead = place.ahead
    let isClosing = place.isClosing
    highest = nil
    let before = total
    let stages = input.stages
    switch item {
    case .run(let action):
      let program = stages[action.stage].program(
        for: action.pass, isClosing: isClosing, isOpening: place.isOpening)
      let first = place.isGatheredAhead ? program.prologue : 0
      walk(program.steps[first...], of: action.stage, start, end)
    case .overlapped(let forward, let backward):
      let order = interleaving(forward.stage, backward.stage, isClosing)
      let (pieces, backwardSteps) = (order.pieces, order.backward.steps)
      for piece in pieces {
        let stage = piece.isForward ? forward.stage : backward.stage
        let steps = piece.isForward ? stages[stage].forward.steps : backwardSteps
        walk(steps[piece.steps], of: stage, start, end)
      }
    case .start(let index): message(index, isStart: true)
    case .wait(let index): message(index, isStart: false)
    case .gather(let stage): walk(stages[stage].gather.steps[...], of: stage, start, end)
    case .reduce(let stage): walk(stages[stage].reduce.steps[...], of: stage, start, end)
    case .norm(let stage): walk(stages[stage].norm.steps[...], of: stage, start, end)
    case .update(let stage): walk(stages[stage].update.steps[...], of: stage, start, end)
    case .settle(let stage): walk(stages[stage].settle.steps[...], of: stage, start, end)
    case .lane(let step):
      walk(stages[step.stage].program(for: step).steps[...], of: step.stage, start, end)
    case .handOver, .agree: break
    }
    if let highest, highest.total > max(before, total) { samples.append(highest) }
    if total != before || highest != nil { samples.append(.init(time: end, live: live)) }
  }

  private mutating func interleaving(
    _ forward: Int, _ backward: Int, _ isClosing: Bool
  ) -> Interleaving {
    let key = [forward, backward, isClosing ? 1 : 0]
    if let known = interleavings[key] { return known }
    let made = Interleaving(
      forward: input.stages[forward].forward,
      backward: input.stages[backward], isClosing: isClosing, order: input.plan.pairOrder)
    interleavings[key] = made
    return made
  }

  private mutating func walk(
    _ steps: ArraySlice<Step>, of stage: Int, _ start: Int64, _ end: Int64
  ) {
    for step in steps {
      switch step {
      case .acquire(let id):
        change(id, of: stage, by: 1)
        if total > highest?.total ?? 0 {
          highest = .init(time: start + (end - start) / 2, live: live)
        }
      case .release(let id): change(id, of: stage, by: -1)
      case .reduce(let part):
        let stage = (number: stage, program: input.stages[stage])
        let steps = stage.program.reduce.steps[stage.program.reductionParts[Int(part)]]
        walk(steps, of: stage.number, start, end)
      case .gatherAhead:
        guard let ahead else { continue }
        let program = input.stages[ahead.stage].program(for: ahead.pass)
        walk(program.steps[..<program.prologue], of: ahead.stage, start, end)
      case .compute, .start, .wait: break
      }
    }
  }

  /// What arrives is held from the start of its receive, what leaves until its send is over.
  private mutating func message(_ index: Int, isStart: Bool) {
    let transfer = input.ranks[position].transfers[index]
    guard transfer.isSend != isStart else { return }
    let stage = input.stages[transfer.stage]
    let id =
      switch (transfer.boundary, transfer.isSend) {
      case (.activation, true): stage.output
      case (.activation, false): stage.input
      case (.gradient, true): stage.inputGradient
      case (.gradient, false): stage.outputGradient
      }
    if let id { change(id, of: transfer.stage, by: isStart ? 1 : -1) }
  }

  private mutating func change(_ id: BufferID, of stage: Int, by sign: Int) {
    let buffer = input.stages[stage].buffers[Int(id.index)]
    let rows = input.balancedRows[stage](buffer.rows)
    let bytes = MemoryLedger.aligned(rows * buffer.bytesPerRow) * sign
    live[Int(buffer.use.rawValue)] += bytes
    total += bytes
  }
}
