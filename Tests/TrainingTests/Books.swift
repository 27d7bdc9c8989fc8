import Engines
import Plans
import Programs
import Schedules
import Training

/// A rank that computes nothing and keeps the books that a program predicts: FLOPs, aligned memory,
/// bytes of messages and the order of each stream, with the row counts that a run recorded.
struct Books: Backend {
  let programs: [StageProgram]
  private let exchanges: [[Int]: ExchangeCounts]
  /// This rank's place in its expert group.
  private let place: Int
  var flops = 0.0
  var live = 0
  var peak = 0
  var pipelineBytes = 0
  var exchangeBytes = 0
  var order: [Ledger.Entry] = []
  private var sizes: [Int: Int] = [:]

  init(
    _ programs: [StageProgram], local: [Int], _ exchanges: [ExchangeCounts], place: Int
  ) {
    self.programs = programs
    self.place = place
    self.exchanges = Dictionary(
      exchanges.map { ([$0.stage, $0.microbatch, $0.exchange], $0) }, uniquingKeysWith: { $1 })
    for stage in local {
      for buffer in programs[stage].buffers where buffer.scope == .stage {
        guard case .fixed(let rows) = buffer.rows else { continue }
        take(rows * buffer.bytesPerRow)
      }
    }
    peak = live
  }

  private mutating func take(_ bytes: Int) {
    live += (bytes + 255) / 256 * 256
    peak = max(peak, live)
  }

  private func rows(_ rows: Rows, _ instance: Instance) -> Int {
    func counts(_ exchange: Int) -> ExchangeCounts? {
      exchanges[[Int(instance.stage), Int(instance.microbatch), exchange]]
    }
    switch rows {
    case .fixed(let count): return count
    case .received(let exchange): return counts(exchange)?.received.reduce(0, +) ?? -1
    case .routed(let exchange): return counts(exchange)?.routed.reduce(0, +) ?? -1
    case .sent(let exchange): return counts(exchange)?.sent.reduce(0, +) ?? -1
    case .gathered: return -1
    }
  }

  private func key(_ buffer: BufferID, _ stage: Int, _ microbatch: Int) -> Int {
    ((microbatch + 1) * programs.count + stage) << 32 + Int(buffer.index)
  }

  mutating func begin(_ item: Item, index: Int) -> Beginning { .walk }
  mutating func end(_ item: Item, index: Int) {}

  mutating func acquire(_ buffer: BufferID, _ instance: Instance) {
    let shape = programs[Int(instance.stage)].buffers[Int(buffer.index)]
    let bytes = rows(shape.rows, instance) * shape.bytesPerRow
    sizes[key(buffer, Int(instance.stage), Int(instance.microbatch))] = bytes
    take(bytes)
  }

  mutating func release(_ buffer: BufferID, _ instance: Instance) {
    let key = key(buffer, Int(instance.stage), Int(instance.microbatch))
    live -= ((sizes.removeValue(forKey: key) ?? 0) + 255) / 256 * 256
  }

  mutating func issue(_ operation: Int, of program: Program, _ instance: Instance) {
    flops += program.operations[operation].kernel.flops { rows($0, instance) }
    order.append(.operation(instance, index: operation))
  }

  mutating func start(_ transfer: Int, of program: Program, _ instance: Instance)
    -> TransferHandle
  {
    let work = program.transfers[transfer]
    order.append(.transfer(instance, index: transfer))
    switch work.kind {
    case .dispatch(let exchange), .combineBackward(let exchange):
      countExchange(exchange, \.sent, work, instance)
    case .combine(let exchange), .dispatchBackward(let exchange):
      countExchange(exchange, \.received, work, instance)
    default: break
    }
    return TransferHandle(-1)
  }

  /// What goes to other ranks: a rank's own tokens stay.
  private mutating func countExchange(
    _ exchange: Int, _ rows: KeyPath<ExchangeCounts, [Int]>, _ work: Transfer,
    _ instance: Instance
  ) {
    let key = [Int(instance.stage), Int(instance.microbatch), exchange]
    guard let rows = exchanges[key]?[keyPath: rows] else { return }
    exchangeBytes += (rows.reduce(0, +) - rows[place]) * work.bytesPerRow
  }

  private var messages: [PipelineTransfer] = []

  mutating func start(_ transfer: PipelineTransfer) -> TransferHandle {
    order.append(
      .message(
        transfer.boundary, isSend: transfer.isSend, stage: transfer.stage,
        microbatch: transfer.microbatch))
    let program = programs[transfer.stage]
    let instance = Instance(
      stage: transfer.stage, microbatch: transfer.microbatch, pass: .forward)
    let isActivation = transfer.boundary == .activation
    if transfer.isSend {
      let buffer = isActivation ? program.output : program.inputGradient
      if let buffer {
        pipelineBytes += sizes[key(buffer, transfer.stage, transfer.microbatch)] ?? 0
      }
    } else if let buffer = isActivation ? program.input : program.outputGradient {
      acquire(buffer, instance)
    }
    messages.append(transfer)
    return TransferHandle(messages.count - 1)
  }

  mutating func wait(_ handle: TransferHandle) -> Bool {
    guard handle.raw >= 0, messages[handle.raw].isSend else { return true }
    let transfer = messages[handle.raw]
    let program = programs[transfer.stage]
    let buffer = transfer.boundary == .activation ? program.output : program.inputGradient
    if let buffer {
      release(
        buffer,
        Instance(stage: transfer.stage, microbatch: transfer.microbatch, pass: .forward))
    }
    return true
  }

  mutating func handOver(_ boundary: Boundary, stage: Int, microbatch: Int) {
    let next = boundary == .activation ? stage + 1 : stage - 1
    let (from, to) =
      boundary == .activation
      ? (programs[stage].output, programs[next].input)
      : (programs[stage].inputGradient, programs[next].outputGradient)
    guard let from, let to else { return }
    sizes[key(to, next, microbatch)] = sizes.removeValue(forKey: key(from, stage, microbatch))
  }

  mutating func agree() -> Bool { true }
}
