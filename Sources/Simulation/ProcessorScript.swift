import Collectives
import Costs
import Engines
import Plans
import Programs
import Schedules

/// What one CPU rank does in a step, in order.
///
/// On CPU ranks nothing is decided by time: routes are known before, and every wait is in its place. So the
/// engine is walked once, and its trace is what the clock is run over.
struct ProcessorScript {
  enum Entry {
    case begin(Item)
    case end
    /// Work of the compute stream; an operation's has its number in its program.
    case compute(ProcessorWork, operation: Int?, isForward: Bool)
    /// Transfers by their number in `transfers`.
    case start(Int)
    case wait(Int)
    case agree
  }

  /// A message of a transfer, as one end sees it.
  struct Message: Hashable {
    var kind: StepMessage.Kind
    var number: Int
    var stage: Int
    var microbatch: Int
    var round: Int
    var source: Int
    var destination: Int
    /// Positions in the group, since a rank may have several.
    var from: Int
    var to: Int
    var term: Int
    var bytes: Int
    /// The receiver adds it up.
    var reduces: Bool
  }

  struct Transfer {
    /// By round.
    var sent: [[Message]]
    var received: [[Message]]
    var place: Place
    var stream: Programs.Stream
    var bytes: Int
    /// What is done with what came: rows that are put in their places.
    var unpacking: [ProcessorWork] = []

    enum Place {
      /// Its number in the program of the item under way.
      case action(index: Int, isForward: Bool)
      case step(TransferSpan.Kind)
    }
  }

  var entries: [Entry] = []
  var transfers: [Transfer] = []
  var operations = 0
}

/// The engine's backend that writes a CPU rank's script.
struct ProcessorScriptBackend: Backend {
  let input: StepInput
  let rank: Int
  private let mesh: Mesh
  private let rounds: TransferRounds
  private(set) var script = ProcessorScript()
  /// The first kernel that CPU ranks do not have.
  private(set) var unknown: Kernel?

  init(_ input: StepInput, rank: Int) {
    self.input = input
    self.rank = rank
    mesh = input.plan.mesh
    rounds = TransferRounds(input)
  }

  mutating func begin(_ item: Item, index: Int) -> Beginning {
    script.entries.append(.begin(item))
    return .walk
  }

  mutating func end(_ item: Item, index: Int) { script.entries.append(.end) }
  mutating func acquire(_ buffer: BufferID, _ instance: Instance) {}
  mutating func release(_ buffer: BufferID, _ instance: Instance) {}
  mutating func handOver(_ boundary: Boundary, stage: Int, microbatch: Int) {}

  /// The rows of an instance's exchanges, as they were recorded or as all ranks have them.
  private func rows(_ instance: Instance) -> ExchangeRows {
    let stage = Int(instance.stage)
    return input.rankRows?[rank: rank, stage: stage, microbatch: Int(instance.microbatch)]
      ?? input.balancedRows[stage]
  }

  mutating func issue(_ operation: Int, of program: Program, _ instance: Instance) {
    let rows = rows(instance)
    guard let work = program.operations[operation].processorWork(rows: { rows($0) }) else {
      unknown = unknown ?? program.operations[operation].kernel
      return
    }
    script.operations += 1
    script.entries.append(
      .compute(work, operation: operation, isForward: instance.pass == .forward))
  }

  private mutating func compute(_ work: ProcessorWork) {
    script.entries.append(.compute(work, operation: nil, isForward: true))
  }

  private mutating func add(_ transfer: ProcessorScript.Transfer) -> TransferHandle {
    script.transfers.append(transfer)
    script.entries.append(.start(script.transfers.count - 1))
    return TransferHandle(script.transfers.count - 1)
  }

  mutating func start(
    _ index: Int, of program: Program, _ instance: Instance
  ) -> TransferHandle {
    let transfer = program.transfers[index]
    let part = rounds.part(in: transfer, instance, rank: rank)
    // Copies of a shared tensor lie in several stages, which all call it by its group alone.
    let isShared = [.sharedEmbedding, .sharedHead].contains(TransferKind.Group(transfer.kind))
    let stage = isShared ? -1 : Int(instance.stage)
    func own(_ messages: [Collectives.Message], _ round: Int) -> [ProcessorScript.Message] {
      messages.map { message in
        ProcessorScript.Message(
          kind: part.kind,
          number: isShared || transfer.segment < 0 ? part.number : transfer.segment,
          stage: stage, microbatch: part.microbatch, round: round,
          source: part.ranks[message.source], destination: part.ranks[message.destination],
          from: message.source, to: message.destination, term: message.term,
          bytes: message.bytes, reduces: message.reduces)
      }
    }
    let all = (0..<part.rounds.roundCount).map {
      part.rounds.messages(of: part.position, inRound: $0)
    }
    let rows = rows(instance)
    let (packing, unpacking) = handling(transfer, rows)
    for work in packing { compute(work) }
    let place: ProcessorScript.Transfer.Place =
      instance.microbatch >= 0
      ? .action(index: index, isForward: instance.pass == .forward)
      : .step(.collective(stage: Int(instance.stage), number: index, transfer.kind))
    return add(
      ProcessorScript.Transfer(
        sent: all.enumerated().map { own($1.sent, $0) },
        received: all.enumerated().map { own($1.received, $0) }, place: place,
        stream: transfer.stream,
        bytes: transfer.bytes(
          sent: { rows.sent[$0] }, received: { rows.received[$0] }, rows: { rows($0) }),
        unpacking: unpacking))
  }

  /// What a rank's own copies before and behind an exchange come to: rows to where they are sent from, and
  /// from where they arrive.
  private func handling(
    _ transfer: Programs.Transfer, _ rows: ExchangeRows
  ) -> (packing: [ProcessorWork], unpacking: [ProcessorWork]) {
    func copies(_ count: Int) -> ProcessorWork {
      ProcessorWork(.copy, bytes: Double(count * transfer.bytesPerRow), rows: Double(count))
    }
    func sums(_ count: Int) -> ProcessorWork {
      ProcessorWork(.add, bytes: Double(count * transfer.bytesPerRow), rows: Double(count))
    }
    switch transfer.kind {
    case .dispatch(let exchange):
      return ([copies(rows.sent[exchange])], [copies(rows.received[exchange])])
    case .combine(let exchange): return ([], [sums(rows.sent[exchange])])
    case .combineBackward(let exchange): return ([copies(rows.sent[exchange])], [])
    case .dispatchBackward(let exchange):
      return ([copies(rows.received[exchange])], [sums(rows.sent[exchange])])
    default: return ([], [])
    }
  }

  mutating func start(_ transfer: PipelineTransfer) -> TransferHandle {
    let stage = input.stages[transfer.stage]
    let isActivation = transfer.boundary == .activation
    let buffer =
      transfer.isSend
      ? (isActivation ? stage.output : stage.inputGradient)
      : (isActivation ? stage.input : stage.outputGradient)
    guard let buffer else { preconditionFailure("Nothing crosses this boundary.") }
    let shape = stage.buffers[Int(buffer.index)]
    let bytes = input.balancedRows[transfer.stage](shape.rows) * shape.bytesPerRow
    var place = mesh.coordinates(of: rank)
    place.pipeline = transfer.peer
    let peer = mesh.rank(at: place)
    let (source, destination) = transfer.isSend ? (rank, peer) : (peer, rank)
    let receiver = transfer.isSend ? transfer.stage + (isActivation ? 1 : -1) : transfer.stage
    let message = ProcessorScript.Message(
      kind: .pipeline, number: isActivation ? 0 : 1, stage: receiver,
      microbatch: transfer.microbatch, round: 0, source: source, destination: destination,
      from: source, to: destination, term: 0, bytes: bytes, reduces: false)
    return add(
      ProcessorScript.Transfer(
        sent: [transfer.isSend ? [message] : []], received: [transfer.isSend ? [] : [message]],
        place: .step(.message(transfer)), stream: .pipeline, bytes: bytes))
  }

  mutating func wait(_ handle: TransferHandle) -> Bool {
    script.entries.append(.wait(handle.raw))
    return true
  }

  mutating func agree() -> Bool {
    script.entries.append(.agree)
    return true
  }
}

extension TransferKind.Group {
  /// The group of a collective; the world for what is none.
  fileprivate init(_ kind: TransferKind) {
    switch kind {
    case .allGather(let group), .reduceScatter(let group), .allReduce(let group),
      .shift(let group):
      self = group
    default: self = .world
    }
  }
}
