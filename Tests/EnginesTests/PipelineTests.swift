import Engines
import Programs
import Schedules
import Testing

/// Engines of a whole pipeline against a world that keeps books of memory and lets messages wait for both of
/// their ends.
@Suite struct PipelineTests {
  /// What all ranks share: which messages have been sent, and which received.
  final class Wire {
    var sent: Set<[Int]> = []
    var received: Set<[Int]> = []
  }

  /// A rank's memory, and its end of the wire.
  struct Rank: Backend {
    let wire: Wire
    let stages: [StageProgram]
    /// Buffers that are held, by stage, buffer and microbatch.
    private(set) var held: Set<[Int]> = []
    private(set) var faults: [String] = []
    private(set) var acquisitions = 0
    private var handles: [(key: [Int], transfer: PipelineTransfer)?] = []

    init(_ wire: Wire, _ stages: [StageProgram]) {
      self.wire = wire
      self.stages = stages
    }

    private mutating func take(_ buffer: BufferID, _ stage: Int, _ microbatch: Int) {
      acquisitions += 1
      if !held.insert([stage, Int(buffer.index), microbatch]).inserted {
        faults.append("\(buffer.index) of stage \(stage), \(microbatch) is acquired twice")
      }
    }

    private mutating func give(_ buffer: BufferID, _ stage: Int, _ microbatch: Int) {
      if held.remove([stage, Int(buffer.index), microbatch]) == nil {
        faults.append("\(buffer.index) of stage \(stage), \(microbatch) is not held")
      }
    }

    /// Everything that an operation reads or writes is held, or belongs to the stage.
    private mutating func check(_ operands: [BufferID], _ instance: Instance, _ what: String) {
      let buffers = stages[Int(instance.stage)].buffers
      for operand in operands {
        switch buffers[Int(operand.index)].scope {
        case .stage, .lane: continue
        case .microbatch, .action:
          let key = [Int(instance.stage), Int(operand.index), Int(instance.microbatch)]
          if !held.contains(key) {
            faults.append("\(what) of \(instance.text) uses \(buffers[Int(operand.index)].name)")
          }
        }
      }
    }

    mutating func begin(_ item: Item, index: Int) -> Beginning { .walk }
    mutating func end(_ item: Item, index: Int) {}
    mutating func agree() -> Bool { true }

    mutating func acquire(_ buffer: BufferID, _ instance: Instance) {
      take(buffer, Int(instance.stage), Int(instance.microbatch))
    }

    mutating func release(_ buffer: BufferID, _ instance: Instance) {
      give(buffer, Int(instance.stage), Int(instance.microbatch))
    }

    mutating func issue(_ operation: Int, of program: Program, _ instance: Instance) {
      check(program.operations[operation].operands, instance, "operation \(operation)")
    }

    mutating func start(_ transfer: Int, of program: Program, _ instance: Instance)
      -> TransferHandle
    {
      check(program.transfers[transfer].operands, instance, "transfer \(transfer)")
      handles.append(nil)
      return TransferHandle(handles.count - 1)
    }

    private func buffer(_ boundary: Boundary, _ stage: Int, isOutgoing: Bool) -> BufferID? {
      switch (boundary, isOutgoing) {
      case (.activation, true): stages[stage].output
      case (.activation, false): stages[stage].input
      case (.gradient, true): stages[stage].inputGradient
      case (.gradient, false): stages[stage].outputGradient
      }
    }

    mutating func start(_ transfer: PipelineTransfer) -> TransferHandle {
      let step = transfer.boundary == .activation ? 1 : -1
      let receiver = transfer.isSend ? transfer.stage + step : transfer.stage
      let key = [transfer.boundary == .activation ? 0 : 1, receiver, transfer.microbatch]
      if transfer.isSend {
        wire.sent.insert(key)
      } else {
        wire.received.insert(key)
        if let id = buffer(transfer.boundary, transfer.stage, isOutgoing: false) {
          take(id, transfer.stage, transfer.microbatch)
        }
      }
      handles.append((key, transfer))
      return TransferHandle(handles.count - 1)
    }

    mutating func wait(_ handle: TransferHandle) -> Bool {
      // What has not been started cannot be over.
      if handle.raw < 0 { return false }
      guard let message = handles[handle.raw] else { return true }
      guard wire.sent.contains(message.key), wire.received.contains(message.key) else {
        return false
      }
      let transfer = message.transfer
      if transfer.isSend,
        let id = buffer(transfer.boundary, transfer.stage, isOutgoing: true)
      {
        give(id, transfer.stage, transfer.microbatch)
      }
      return true
    }

    mutating func handOver(_ boundary: Boundary, stage: Int, microbatch: Int) {
      let next = boundary == .activation ? stage + 1 : stage - 1
      guard let from = buffer(boundary, stage, isOutgoing: true),
        let to = buffer(boundary, next, isOutgoing: false)
      else {
        faults.append("nothing crosses from stage \(stage)")
        return
      }
      give(from, stage, microbatch)
      take(to, next, microbatch)
    }
  }

  /// Lets ranks go on in turn until none can; gives where each of them stands.
  private func run(_ programs: [RankProgram], _ stages: [StageProgram]) -> (
    backends: [Rank], stuck: [Int: Item]
  ) {
    let wire = Wire()
    var engines = programs.map { Engine($0, stages: stages.map { Optional($0) }) }
    var backends = programs.map { _ in Rank(wire, stages) }
    var isFinished = programs.map { _ in false }
    var hasMoved = true
    while hasMoved {
      hasMoved = false
      for index in engines.indices where !isFinished[index] {
        let before = engines[index].currentItem
        isFinished[index] = engines[index].advance(&backends[index]) == .finished
        if isFinished[index] || engines[index].currentItem != before { hasMoved = true }
      }
    }
    var stuck: [Int: Item] = [:]
    for index in engines.indices where !isFinished[index] {
      stuck[index] = programs[index].items[engines[index].currentItem]
    }
    return (backends, stuck)
  }

  /// Every schedule comes to its end on all ranks; what is acquired is released, nothing twice, and no
  /// operation or transfer uses what is not there.
  @Test(arguments: Worlds.plans, TransferStyle.allCases)
  func buffersLiveAsLongAsTheyAreUsed(
    _ plan: (name: String, stages: Int, data: Int, lanes: Int), _ style: TransferStyle
  ) throws {
    let (programs, stages) = try Worlds.pipeline(
      plan.name, stagesPerRank: plan.stages, data: plan.data, lanes: plan.lanes, style: style)
    let (backends, stuck) = run(programs, stages)
    #expect(stuck.isEmpty)
    for backend in backends {
      #expect(backend.faults.isEmpty, "\(backend.faults.prefix(3))")
      #expect(backend.held.isEmpty, "\(backend.held.count) buffers are left")
      #expect(backend.acquisitions > 12)
    }
  }

  /// A receive that is left out stops every rank that hangs on it; the engines say where they stand.
  @Test func ranksThatWaitForEachOtherAreFound() throws {
    var (programs, stages) = try Worlds.pipeline("1f1b", stagesPerRank: 1, data: 1, lanes: 1)
    let starts = programs[2].items.indices.filter { index in
      guard case .start(let transfer) = programs[2].items[index] else { return false }
      return !programs[2].transfers[transfer].isSend
    }
    // Rank 2 receives its third activation only at the end of its step.
    let late = programs[2].items.remove(at: starts[2])
    programs[2].items.append(late)
    let (_, stuck) = run(programs, stages)
    #expect(stuck.count == 4)
    guard case .wait(let waited) = stuck[1], case .wait(let own) = stuck[2] else {
      Issue.record("rank 1 and 2 wait for messages: \(stuck)")
      return
    }
    // Rank 1 needs a gradient of rank 2 before its next send, which would wait for the late receive.
    let awaited = programs[1].transfers[waited]
    #expect(!awaited.isSend && awaited.peer == 2)
    #expect(!programs[2].transfers[own].isSend)
  }
}
