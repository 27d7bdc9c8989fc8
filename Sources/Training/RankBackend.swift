import Engines
import Kernels
import MessagePassing
import Models
import Plans
import Programs
import Schedules
import Tokens

/// What a head does with a microbatch.
enum HeadMode {
  /// Loss with the gradients of hidden states and head.
  case train
  /// Loss alone.
  case evaluate
  /// The loss, and the log-probability of every label given to `observe`.
  case likelihoods
  /// Loss, and the logits given to a reader: stage, microbatch, (tokens, vocabulary).
  case logits((_ module: Int, _ microbatch: Int, UnsafeBufferPointer<Float>) -> Void)
}

extension HeadMode {
  /// Gradients are wanted.
  var isTraining: Bool { if case .train = self { true } else { false } }
}

/// The engine's backend on a CPU rank: an operation calls a kernel, a message goes through a communicator,
/// the clock is the wall's.
final class RankBackend: Backend {
  let assignment: RankAssignment
  let arena: Arena
  let bench = Workbench()
  let links: RankLinks
  let source: any SequenceSource
  let setting: TrainingSetting
  var ledger = Ledger()
  var recording = Recording()
  /// The first error; from then on nothing is computed or waited for.
  var failure: (any Error)?
  var mode = HeadMode.train
  /// The global number of this update, from 1.
  var update = 0
  var learningRate = 0.0
  /// Positions that the caches of a generation hold for each sequence of each microbatch: where the
  /// tokens of the next forward stand; empty where nothing is cached.
  var cached: [Int] = []
  /// Positions that a cache has room for.
  let cachedPositions: Int
  /// By microbatch, where the documents of its sequences begin, as far as the step has asked for it.
  var documents: [Int: [Int32]] = [:]
  /// By microbatch, the rows that routers are balanced over, as far as the step has asked for them.
  var balanceRuns: [Int: [BalanceRun]] = [:]
  /// Given what the head says of every label, by the number of its token in the global batch.
  var observe: ((_ token: Int, TokenLikelihood) -> Void)?
  /// What the step has summed up so far, to be agreed on.
  var sums: StepSums
  /// What a step begins with: made once, since a forward of a small model is short.
  private let noSums: StepSums
  private let noLedger = Ledger()
  /// By microbatch, the routers' part in a balance loss over all layers, as far as this rank knows it.
  var joinedBalances: [Int: JoinedBalance] = [:]
  /// What all ranks agreed on.
  var agreed = StepSums.Agreed()

  /// Memory of a buffer for a microbatch: slots of all buffers, one slot behind the microbatches for what
  /// belongs to none.
  struct StageMemory {
    var program: StageProgram
    var slots: [UnsafeMutableRawPointer?]
    var bytes: [Int]
    var exchanges: [ExchangeCounts?]
    /// The stage's own gradients.
    var gradients: [(block: UnsafeMutableRawPointer, bytes: Int)] = []
  }
  var memory: [StageMemory?]
  var transfers: [KeptTransfer?] = []
  var freeHandles: [Int] = []
  /// The reductions that are under way, in the order in which they started.
  var reductions: [CollectiveInFlight] = []
  let rotary: RotaryTables?
  /// What attention's scores are multiplied by.
  let scoreScale: Float
  var permutation = PermutationCache()
  let microbatches: Int
  /// Where the operands of the operation under way lie.
  var operandPlaces: [UnsafeMutablePointer<Float>] = []
  /// What is written down of the item under way.
  var itemRecord = ItemRecord()
  /// Whether forwards that give scores repeat the first one's places.
  ///
  /// Nobody else may take memory of this rank's arena meanwhile.
  var repeatsForwards = false
  /// Those that are known, by microbatch, and the one that is being walked.
  var forwards: [Int: RepeatedForward] = [:]
  var forwardUnderWay: RepeatedForward?

  /// Takes memory for what the stages hold: parameters, and for training gradients and optimizer state.
  ///
  /// Parameters are zero.
  ///
  /// - Parameter other: a backend of the same stages for forwards over another number of tokens, whose
  ///   parameters and caches this one shares.
  init(
    _ assignment: RankAssignment, _ links: RankLinks, _ source: any SequenceSource,
    _ setting: TrainingSetting, beside other: RankBackend? = nil
  ) {
    self.assignment = assignment
    arena = other?.arena ?? Arena()
    self.links = links
    self.source = source
    self.setting = setting
    microbatches = assignment.plan.microbatchCount
    noSums = StepSums(assignment)
    sums = noSums
    var positions = assignment.plan.sequenceLength
    if case .generation(let cached, _) = assignment.purpose {
      positions = cached
      self.cached = Array(
        repeating: 0, count: assignment.plan.microbatchSize * assignment.plan.microbatchCount)
    }
    cachedPositions = positions
    rotary = other?.rotary ?? RotaryTables(assignment.architecture, positions: positions)
    scoreScale = assignment.architecture.scoreScale
    memory = assignment.programs.map { _ in nil }
    for stage in assignment.localStages {
      memory[stage] = makeMemory(stage, beside: other?.memory[stage])
    }
    bench.progress = { [unowned self] in
      let start = nanoseconds()
      attempt { try progress() }
      ledger.progressTime += nanoseconds() - start
    }
  }

  /// Runs a piece and gives what heads of all ranks said of every label meanwhile; a collective.
  func observing(_ body: () throws -> Void) throws -> [TokenLikelihood] {
    let plan = assignment.plan
    // Each label is one rank's, so that sums are what it said, whatever the plan.
    var values = [Double](repeating: 0, count: 2 * plan.globalBatch * plan.sequenceLength)
    observe = { token, likelihood in
      values[2 * token] = likelihood.logProbability
      values[2 * token + 1] = likelihood.entropy
    }
    defer { observe = nil }
    try body()
    try links.world.allReduce(&values, .sum)
    return stride(from: 0, to: values.count, by: 2).map {
      TokenLikelihood(logProbability: values[$0], entropy: values[$0 + 1])
    }
  }

  /// Runs a throwing piece unless an error has happened before; keeps its error.
  func attempt(_ body: () throws -> Void) {
    guard failure == nil else { return }
    do { try body() } catch { failure = error }
  }

  /// Begins a step: gradients are zero, counts begin anew.
  func beginStep() {
    ledger = noLedger
    arena.resetPeak()
    bench.resetCounts()
    sums = noSums
    documents = [:]
    balanceRuns = [:]
    joinedBalances = [:]
    bench.onProduct =
      recording.products ? { [unowned self] in ledger.products.append($0) } : nil
    ledger.began = nanoseconds()
    sampleMemory()
    clearGradients()
  }

  /// Ends a step and gives its books.
  func endStep() -> Ledger {
    ledger.matmulFLOPs = bench.matmulFLOPs
    ledger.attentionFLOPs = bench.attentionFLOPs
    ledger.peak = arena.peak
    ledger.footprint = arena.top
    return ledger
  }

  // MARK: Buffers

  func index(_ buffer: BufferID, _ stage: Int, _ microbatch: Int) -> Int {
    let slot = microbatch < 0 ? microbatches : microbatch
    return slot * assignment.programs[stage].buffers.count + Int(buffer.index)
  }

  /// Where a buffer lies for an instance.
  func address(_ buffer: BufferID, _ instance: Instance) -> UnsafeMutableRawPointer {
    let stage = Int(instance.stage)
    let slot = instance.microbatch < 0 ? microbatches : Int(instance.microbatch)
    guard
      let found = memory[stage]!.slots[
        slot * memory[stage]!.program.buffers.count + Int(buffer.index)]
    else {
      preconditionFailure(
        "\(assignment.programs[stage].buffers[Int(buffer.index)].name) has no memory.")
    }
    return found
  }

  func floats(_ buffer: BufferID, _ instance: Instance) -> UnsafeMutablePointer<Float> {
    address(buffer, instance).assumingMemoryBound(to: Float.self)
  }

  func integers(_ buffer: BufferID, _ instance: Instance) -> UnsafeMutablePointer<Int32> {
    address(buffer, instance).assumingMemoryBound(to: Int32.self)
  }

  /// A buffer of the stage itself.
  func floats(_ buffer: BufferID, _ stage: Int) -> UnsafeMutablePointer<Float> {
    floats(buffer, Instance(stage: stage, microbatch: -1, pass: .backwardWeight))
  }

  func rows(_ rows: Rows, _ instance: Instance) -> Int {
    switch rows {
    case .fixed(let count): count
    case .received(let exchange): counts(exchange, instance).receivedRows
    case .routed(let exchange): counts(exchange, instance).routedRows
    case .sent(let exchange): counts(exchange, instance).sentRows
    case .gathered(let exchange, let ranks): counts(exchange, instance).receivedRows * ranks
    }
  }

  func acquire(_ buffer: BufferID, _ instance: Instance) {
    guard failure == nil else { return }
    let stage = Int(instance.stage)
    let shape = assignment.programs[stage].buffers[Int(buffer.index)]
    let bytes = rows(shape.rows, instance) * shape.bytesPerRow
    let place = index(buffer, stage, Int(instance.microbatch))
    precondition(memory[stage]!.slots[place] == nil, "\(shape.name) is acquired twice")
    memory[stage]!.slots[place] = arena.acquire(bytes, shape.use)
    memory[stage]!.bytes[place] = bytes
    if recording.timeline, arena.live.total > itemRecord.highest.total {
      itemRecord.highest = arena.live
      itemRecord.highestTime = stepTime(nanoseconds())
    }
  }

  func release(_ buffer: BufferID, _ instance: Instance) {
    guard failure == nil else { return }
    let stage = Int(instance.stage)
    let place = index(buffer, stage, Int(instance.microbatch))
    guard let block = memory[stage]!.slots[place] else {
      preconditionFailure("A buffer is released that has no memory.")
    }
    let use = assignment.programs[stage].buffers[Int(buffer.index)].use
    arena.release(block, memory[stage]!.bytes[place], use)
    memory[stage]!.slots[place] = nil
  }

  // MARK: Items

  func begin(_ item: Item, index: Int) -> Beginning {
    guard failure == nil, !carriesOutAgain(item) else { return .done }
    if recording.timeline {
      itemRecord = ItemRecord(start: stepTime(nanoseconds()), highest: arena.live)
      if case .run(let action) = item, action.pass == .forward {
        itemRecord.firstGather = assignment.programs[action.stage].forward.transfers.count
      }
    }
    if case .lane(let step) = item, case .fold(let into, let from) = step.change {
      rebind(step, from: from, to: into)
    }
    return .walk
  }

  func end(_ item: Item, index: Int) {
    if case .lane(let step) = item, case .open(let lane, let place) = step.change {
      bind(step, lane: lane, to: place)
    }
    if recording.timeline { finishRecord(of: item) }
    keepForward(of: item)
    guard case .run(let action) = item else { return }
    if case .train = mode { return }
    releaseForward(stage: action.stage, microbatch: action.microbatch)
  }

  /// Frees what a forward kept for a backward that does not come.
  private func releaseForward(stage: Int, microbatch: Int) {
    guard failure == nil else { return }
    let program = assignment.programs[stage]
    for (index, buffer) in program.buffers.enumerated() where buffer.scope == .microbatch {
      let id = BufferID(index)
      if id == program.output { continue }
      if memory[stage]!.slots[self.index(id, stage, microbatch)] != nil {
        release(id, Instance(stage: stage, microbatch: microbatch, pass: .forward))
      }
    }
  }

  func issue(_ operation: Int, of program: Program, _ instance: Instance) {
    guard failure == nil else { return }
    record(.operation(instance, index: operation), .compute)
    let start = nanoseconds()
    attempt { try compute(program.operations[operation], operation, instance) }
    let end = nanoseconds()
    ledger.computeTime += end - start
    span(
      .operation(Int32(operation)), isForward: instance.pass == .forward, .compute, start, end)
  }

  func handOver(_ boundary: Boundary, stage: Int, microbatch: Int) {
    guard failure == nil else { return }
    let programs = assignment.programs
    let next = boundary == .activation ? stage + 1 : stage - 1
    let (from, to) =
      boundary == .activation
      ? (programs[stage].output, programs[next].input)
      : (programs[stage].inputGradient, programs[next].outputGradient)
    guard let from, let to else { preconditionFailure("A boundary has no buffer.") }
    let source = index(from, stage, microbatch)
    let target = index(to, next, microbatch)
    precondition(memory[next]!.slots[target] == nil, "a boundary buffer arrives twice")
    memory[next]!.slots[target] = memory[stage]!.slots[source]
    memory[next]!.bytes[target] = memory[stage]!.bytes[source]
    memory[stage]!.slots[source] = nil
  }

  // MARK: Transfers

  /// - Parameter bytes: what this rank puts in, or of a message receives.
  func keep(
    _ transfer: any PendingTransfer, _ place: KeptTransfer.Place, _ stream: Stream, bytes: Int
  ) -> TransferHandle {
    let kept = KeptTransfer(
      transfer: transfer, place: place, stream: stream, bytes: bytes,
      start: recording.timeline ? nanoseconds() : 0)
    if let free = freeHandles.popLast() {
      transfers[free] = kept
      return TransferHandle(free)
    }
    transfers.append(kept)
    return TransferHandle(transfers.count - 1)
  }

  func wait(_ handle: TransferHandle) -> Bool {
    guard failure == nil, let kept = transfers[handle.raw] else { return true }
    let start = nanoseconds()
    attempt { try kept.transfer.finish(self) }
    let end = nanoseconds()
    ledger.waitTime[Int(kept.transfer.kind.rawValue)] += end - start
    if recording.timeline { record(kept, waitedFrom: start, end) }
    transfers[handle.raw] = nil
    freeHandles.append(handle.raw)
    return true
  }

  // MARK: Records

  func record(_ entry: Ledger.Entry, _ stream: Stream) {
    guard recording.order else { return }
    ledger.order.append(entry)
    ledger.streams.append(stream)
  }

  /// Writes down a message to a rank of the world.
  func note(_ origin: MessageOrigin, to destination: Int, _ bytes: Int) {
    ledger.messages.append(
      StepMessage(
        origin.kind, stage: origin.stage, microbatch: origin.microbatch, number: origin.number,
        from: links.rank, to: destination, bytes: bytes))
  }
}

/// A transfer that has been started.
protocol PendingTransfer: AnyObject {
  var kind: Ledger.MessageKind { get }
  /// Waits for it and puts what came where it belongs.
  func finish(_ backend: RankBackend) throws
}

/// The communicators of a rank: one for each purpose, so that messages of different purposes never meet.
final class RankLinks {
  let world: any Communicator
  let pipeline: any Communicator
  let experts: any Communicator
  let gradients: any Communicator
  let gathers: any Communicator
  var rank: Int { world.rank }

  /// Duplicates the world's communicator; a collective.
  init(_ world: any Communicator) throws {
    self.world = world
    pipeline = try world.duplicate()
    experts = try world.duplicate()
    gradients = try world.duplicate()
    gathers = try world.duplicate()
  }
}
