import Engines
import Programs
import Schedules

/// What the caching allocator reserves for one pipeline rank's step.
public struct Reservation: Hashable, Sendable {
  /// The most that segments take, in bytes.
  public var reserved: Int
  /// The step ran on a device that leaves the allocator so much.
  public var fits: Bool
}

/// Replays what a rank acquires and releases in a step, in the order of issue, through the rules of the
/// caching allocator.
///
/// Buffers of the stage come first. All requests are made for one stream, as frameworks make them for what
/// communication reads and writes too. Exchanges have the rank's own rows where they are known, as its ledger has
/// them, else equal ones.
struct AllocationReplay: Backend {
  private let input: StepInput
  private let program: RankProgram
  private var allocator: CachingAllocator
  /// The rank in the world, whose own rows its exchanges have.
  private let rank: Int
  /// Bytes of every buffer with equal rows, and its blocks by microbatch, the optimizer's first; by stage.
  private var sizes: [[Int]]
  private var blocks: [[CachingAllocator.Block?]]
  private var messages: [PipelineTransfer] = []
  private var isFull = false

  /// What a rank's step needs of a device that leaves the allocator `limit` bytes.
  ///
  /// Reserved memory that is not in use is given back where the device is full, so that a step fits if its
  /// blocks do.
  ///
  /// - Parameters:
  ///   - replica: which rank of the position it is.
  ///   - buffers: bytes of what the framework holds all the time.
  static func reservation(
    _ input: StepInput, position: Int, replica: Int, beside buffers: [Int], limit: Int
  ) -> Reservation {
    func peak(within limit: Int?) -> Int? {
      let allocator = CachingAllocator(expandsSegments: input.plan.expandsSegments, limit: limit)
      return Self.peak(
        AllocationReplay(
          input, position: position, replica: replica, beside: buffers, allocator))
    }
    let free = peak(within: nil)
    guard let free, free > limit else { return Reservation(reserved: free ?? 0, fits: true) }
    let bounded = peak(within: limit)
    return Reservation(reserved: bounded ?? free, fits: bounded != nil)
  }

  /// The most that is reserved; nil where the allocator finds no room.
  private static func peak(_ replay: consuming AllocationReplay) -> Int? {
    let own = replay.program.stages
    let stages = replay.input.stages.indices.map {
      own.contains($0) ? replay.input.stages[$0] : nil
    }
    var engine = Engine(replay.program, stages: stages)
    while !replay.isFull, engine.advance(&replay) == .waiting {}
    return replay.isFull ? nil : replay.allocator.peakReserved
  }

  private init(
    _ input: StepInput, position: Int, replica: Int, beside buffers: [Int],
    _ allocator: CachingAllocator
  ) {
    self.input = input
    rank = input.plan.worldSize / input.ranks.count * position + replica
    self.allocator = allocator
    program = input.ranks[position]
    sizes = input.stages.map { _ in [] }
    blocks = sizes.map { _ in [] }
    let slots = input.plan.microbatchCount + 1
    for stage in program.stages {
      let buffers = input.stages[stage].buffers
      sizes[stage] = buffers.map { input.balancedRows[stage]($0.rows) * $0.bytesPerRow }
      blocks[stage] = Array(repeating: nil, count: slots * buffers.count)
    }
    for held in StageProgram.held(by: program.stages, of: input.stages) {
      take(sizes[held.stage][Int(held.buffer.index)])
    }
    for bytes in buffers { take(bytes) }
  }

  /// A block that is never given back.
  private mutating func take(_ bytes: Int) {
    if bytes > 0, allocator.allocate(bytes) == nil { isFull = true }
  }

  private func slot(_ id: BufferID, _ stage: Int, _ microbatch: Int) -> Int {
    (microbatch + 1) * sizes[stage].count + Int(id.index)
  }

  /// Bytes of a buffer for a microbatch.
  private func size(_ id: BufferID, _ stage: Int, _ microbatch: Int) -> Int {
    guard microbatch >= 0,
      let rows = input.rankRows?[rank: rank, stage: stage, microbatch: microbatch]
    else { return sizes[stage][Int(id.index)] }
    let buffer = input.stages[stage].buffers[Int(id.index)]
    return rows(buffer.rows) * buffer.bytesPerRow
  }

  private mutating func acquire(_ id: BufferID, _ stage: Int, _ microbatch: Int) {
    let bytes = size(id, stage, microbatch)
    // An empty tensor has no block.
    guard bytes > 0, !isFull else { return }
    guard let block = allocator.allocate(bytes) else {
      isFull = true
      return
    }
    blocks[stage][slot(id, stage, microbatch)] = block
  }

  private mutating func release(_ id: BufferID, _ stage: Int, _ microbatch: Int) {
    let slot = slot(id, stage, microbatch)
    guard let block = blocks[stage][slot] else { return }
    blocks[stage][slot] = nil
    allocator.release(block)
  }

  // MARK: The rank's step

  mutating func acquire(_ id: BufferID, _ instance: Instance) {
    acquire(id, Int(instance.stage), Int(instance.microbatch))
  }

  mutating func release(_ id: BufferID, _ instance: Instance) {
    release(id, Int(instance.stage), Int(instance.microbatch))
  }

  /// What arrives is held from the start of its receive, what leaves until its send is over.
  mutating func start(_ transfer: PipelineTransfer) -> TransferHandle {
    let stage = input.stages[transfer.stage]
    let arriving = transfer.boundary == .activation ? stage.input : stage.outputGradient
    if !transfer.isSend, let arriving {
      acquire(arriving, transfer.stage, transfer.microbatch)
    }
    messages.append(transfer)
    return TransferHandle(messages.count - 1)
  }

  mutating func wait(_ handle: TransferHandle) -> Bool {
    guard handle.raw >= 0, messages[handle.raw].isSend else { return true }
    let transfer = messages[handle.raw]
    let stage = input.stages[transfer.stage]
    if let left = transfer.boundary == .activation ? stage.output : stage.inputGradient {
      release(left, transfer.stage, transfer.microbatch)
    }
    return true
  }

  mutating func handOver(_ boundary: Boundary, stage: Int, microbatch: Int) {
    let next = boundary == .activation ? stage + 1 : stage - 1
    let (left, arrived) =
      boundary == .activation
      ? (input.stages[stage].output, input.stages[next].input)
      : (input.stages[stage].inputGradient, input.stages[next].outputGradient)
    guard let left, let arrived else { return }
    let slot = slot(left, stage, microbatch)
    blocks[next][self.slot(arrived, next, microbatch)] = blocks[stage][slot]
    blocks[stage][slot] = nil
  }

  mutating func begin(_ item: Item, index: Int) -> Beginning { isFull ? .done : .walk }
  mutating func end(_ item: Item, index: Int) {}
  mutating func issue(_ operation: Int, of program: Program, _ instance: Instance) {}
  mutating func start(_ transfer: Int, of program: Program, _ instance: Instance)
    -> TransferHandle
  { TransferHandle(-1) }
  /// Of an item that is skipped because the device is full.
  mutating func handle(ofReduction transfer: Int, stage: Int) -> TransferHandle {
    TransferHandle(-1)
  }
  mutating func agree() -> Bool { true }
}
