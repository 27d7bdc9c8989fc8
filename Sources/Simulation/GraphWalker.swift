import Engines
import Plans
import Programs
import Schedules

/// Walks a rank's program as the simulation did and takes down a graph of it.
///
/// The engine goes through every item step by step; times and the bytes of exchanges are looked up in the
/// spans that the simulation kept. Where it kept none, between actions, the clock goes on by prices, as the
/// simulation's does.
struct GraphWalker: Backend {
  private let input: StepInput
  private let pricing: any Pricing
  private let result: RankResult
  private let slowness: Double
  private let rank: Int
  var groups: RankGroups
  private(set) var nodes: [StepGraph.Node] = []

  /// The kernel that was issued last, and transfers that were waited for since.
  private var lastKernel: Int?
  private var awaited: [Int] = []
  private var nodesOfStream: [Stream: [Int]] = [:]
  /// The nodes of every transfer that was started.
  private var started: [[Int]] = []
  private var clock: Int64 = 0
  /// The place of the next item in what the simulation kept.
  private var place = 0
  /// The spans of the action in progress.
  private var spans: [SpanKey: Timeline.Span] = [:]
  private var spanBase: Int64 = 0
  private var item = Item.agree
  private let messages: [PipelineTransfer: TransferSpan]
  private let collectives: [[Int]: TransferSpan]
  /// Shifts within a group, by kind and stage: the same on all of its ranks.
  private var shifts = 0
  private let firstShift: Int

  private struct SpanKey: Hashable {
    var isTransfer: Bool
    var isForward: Bool
    var index: Int
  }

  init(
    _ input: StepInput, _ pricing: any Pricing, _ result: RankResult, rank: Int, slowness: Double,
    groups: StepGroups
  ) {
    self.input = input
    self.pricing = pricing
    self.result = result
    self.rank = rank
    self.slowness = slowness
    self.groups = RankGroups(input, rank: rank, groups: groups)
    var messages: [PipelineTransfer: TransferSpan] = [:]
    var collectives: [[Int]: TransferSpan] = [:]
    for span in result.transfers {
      switch span.kind {
      case .message(let transfer): messages[transfer] = span
      case .collective(let stage, let number, let kind):
        collectives[[stage, number, kind.isGather ? 1 : 0]] = span
      }
    }
    (self.messages, self.collectives) = (messages, collectives)
    firstShift = 2 * input.stages.count * Self.microbatches(input)
  }

  private static func microbatches(_ input: StepInput) -> Int {
    (input.ranks.lazy.flatMap(\.transfers).map(\.microbatch).max() ?? -1) + 1
  }

  /// Goes through the whole step.
  mutating func walk() {
    var engine = Engine(
      input.ranks[result.position], stages: input.stages.map { Optional($0) })
    while engine.advance(&self) == .waiting {}
  }

  // MARK: Items

  mutating func begin(_ item: Item, index: Int) -> Beginning {
    self.item = item
    spans = [:]
    guard place < result.items.count, result.items[place].item == item else { return .walk }
    clock = result.items[place].start
    spanBase = clock
    for span in result.items[place].spans {
      switch span.kind {
      case .operation(let index):
        spans[SpanKey(isTransfer: false, isForward: span.isForward, index: Int(index))] = span
      case .transfer(let index):
        spans[SpanKey(isTransfer: true, isForward: span.isForward, index: Int(index))] = span
      case .wait: break
      }
    }
    return .walk
  }

  mutating func end(_ item: Item, index: Int) {
    guard place < result.items.count, result.items[place].item == item else { return }
    clock = result.items[place].end
    place += 1
  }

  mutating func acquire(_ buffer: BufferID, _ instance: Instance) {}
  mutating func release(_ buffer: BufferID, _ instance: Instance) {}
  mutating func handOver(_ boundary: Boundary, stage: Int, microbatch: Int) {}

  // MARK: Kernels

  mutating func issue(_ operation: Int, of program: Program, _ instance: Instance) {
    let work = program.operations[operation]
    let stage = Int(instance.stage)
    let rows = input.balancedRows[stage]
    let (start, end) = times(ofOperation: operation, work, instance)
    clock = end
    let bytes = work.operands.reduce(0) { sum, id in
      let buffer = input.stages[stage].buffers[Int(id.index)]
      return sum + rows(buffer.rows) * buffer.bytesPerRow
    }
    let kernel = StepGraph.Work.kernel(work, flops: work.kernel.flops { rows($0) }, bytes: bytes)
    lastKernel = add(kernel, instance, before(), start, end)
    awaited = []
  }

  /// When the simulation carried a kernel out.
  private func times(
    ofOperation index: Int, _ work: Operation, _ instance: Instance
  ) -> (Int64, Int64) {
    if let number = number(ofOperation: index, instance),
      let span = spans[
        SpanKey(isTransfer: false, isForward: number.isForward, index: number.index)]
    {
      return (spanBase + span.start, spanBase + span.end)
    }
    let seconds = pricing.seconds(of: work, rows: ExchangeRows(), isOverlapped: false)
    return (clock, clock + picoseconds(seconds * slowness))
  }

  /// How a kernel is numbered among the spans of the action in progress; nil where there are none of it.
  ///
  /// Conversions for reductions and gathers are numbered behind the kernels of a backward.
  private func number(
    ofOperation index: Int, _ instance: Instance
  ) -> (isForward: Bool, index: Int)? {
    switch item {
    case .run(let action):
      if isOwn(instance, of: action) { return (instance.pass == .forward, index) }
      let stage = input.stages[action.stage]
      let own = action.pass == .forward ? 0 : stage.program(for: action.pass).operations.count
      return (false, own + index)
    case .overlapped(let forward, let backward):
      if isOwn(instance, of: forward) { return (true, index) }
      if isOwn(instance, of: backward) { return (false, index) }
      return (false, input.stages[backward.stage].backward.operations.count + index)
    default: return nil
    }
  }

  private func isOwn(_ instance: Instance, of action: Action) -> Bool {
    instance
      == Instance(stage: action.stage, microbatch: action.microbatch, pass: action.pass)
  }

  // MARK: Transfers

  mutating func start(
    _ transfer: Int, of program: Program, _ instance: Instance
  ) -> TransferHandle {
    let work = program.transfers[transfer]
    let (span, bytes) = span(of: transfer, work, instance)
    let (start, end) = span ?? (clock, clock)
    let made: [Int]
    switch work.kind {
    case .counts, .dispatch, .combine, .combineBackward, .dispatchBackward:
      made = collective(.allToAll, work, groups.experts(), bytes, instance, start, end)
    case .allGather(let of): made = collective(.allGather, work, of, bytes, instance, start, end)
    case .reduceScatter(let of):
      made = collective(.reduceScatter, work, of, bytes, instance, start, end)
    case .allReduce(let of): made = collective(.allReduce, work, of, bytes, instance, start, end)
    case .shift(let of): made = shift(work, of, bytes, instance, start, end)
    case .toHost, .fromHost:
      made = [
        add(
          .copy(work, bytes: bytes), instance, before(on: work.stream, at: start), start, end)
      ]
    }
    if let last = made.last { nodesOfStream[work.stream, default: []].append(last) }
    return handle(made)
  }

  private mutating func collective(
    _ kind: StepGraph.Collective, _ work: Transfer, _ group: TransferKind.Group, _ bytes: Int,
    _ instance: Instance, _ start: Int64, _ end: Int64
  ) -> [Int] {
    let group = groups.group(group, stage: Int(instance.stage))
    return collective(kind, work, group, bytes, instance, start, end)
  }

  private mutating func collective(
    _ kind: StepGraph.Collective, _ work: Transfer, _ group: (number: Int, members: [Int])?,
    _ bytes: Int, _ instance: Instance, _ start: Int64, _ end: Int64
  ) -> [Int] {
    guard let group else { return [] }
    let work = StepGraph.Work.collective(kind, work, group: group.number, bytes: bytes)
    return [add(work, instance, before(on: stream(of: work), at: start), start, end)]
  }

  private func stream(of work: StepGraph.Work) -> Stream? {
    guard case .collective(_, let transfer?, _, _) = work else { return nil }
    return transfer.stream
  }

  /// To the next rank of the group, while as much comes from the one before.
  private mutating func shift(
    _ work: Transfer, _ kind: TransferKind.Group, _ bytes: Int, _ instance: Instance,
    _ start: Int64, _ end: Int64
  ) -> [Int] {
    guard let members = groups.group(kind, stage: Int(instance.stage))?.members,
      let own = members.firstIndex(of: rank)
    else { return [] }
    let tag = firstShift + shifts
    shifts += 1
    let next = members[(own + 1) % members.count]
    let previous = members[(own + members.count - 1) % members.count]
    let before = before(on: work.stream, at: start)
    return [
      add(.send(to: next, tag: tag, bytes: bytes), instance, before, start, end),
      add(.receive(from: previous, tag: tag, bytes: bytes), instance, before, start, end),
    ]
  }

  /// When a transfer's bytes moved, and how many this rank put in.
  private func span(
    of index: Int, _ work: Transfer, _ instance: Instance
  ) -> ((Int64, Int64)?, bytes: Int) {
    let own: Action? =
      switch item {
      case .run(let action): action
      case .overlapped(let forward, let backward): instance.pass == .forward ? forward : backward
      default: nil
      }
    if let own, isOwn(instance, of: own),
      let span = spans[
        SpanKey(isTransfer: true, isForward: instance.pass == .forward, index: index)]
    {
      return ((spanBase + span.start, spanBase + span.end), span.bytes)
    }
    let rows = input.balancedRows[Int(instance.stage)]
    let bytes = work.bytes(
      sent: { rows.sent[$0] }, received: { rows.received[$0] }, rows: { rows($0) })
    guard instance.microbatch < 0 else { return (nil, bytes) }
    let span = collectives[[Int(instance.stage), index, work.kind.isGather ? 1 : 0]]
    return (span.map { ($0.start, $0.end) }, span?.bytes ?? bytes)
  }

  mutating func start(_ transfer: PipelineTransfer) -> TransferHandle {
    let stage = input.stages[transfer.stage]
    let id =
      switch (transfer.boundary, transfer.isSend) {
      case (.activation, true): stage.output
      case (.activation, false): stage.input
      case (.gradient, true): stage.inputGradient
      case (.gradient, false): stage.outputGradient
      }
    guard let id else { preconditionFailure("Nothing crosses this boundary.") }
    let buffer = stage.buffers[Int(id.index)]
    let bytes = input.balancedRows[transfer.stage](buffer.rows) * buffer.bytesPerRow
    var coordinates = input.plan.mesh.coordinates(of: rank)
    coordinates.pipeline = transfer.peer
    let peer = input.plan.mesh.rank(at: coordinates)
    let isDown = transfer.boundary == .activation
    let receiver = transfer.isSend ? transfer.stage + (isDown ? 1 : -1) : transfer.stage
    let tag =
      ((isDown ? 0 : input.stages.count) + receiver) * Self.microbatches(input)
      + transfer.microbatch
    let span = messages[transfer].map { ($0.start, $0.end) } ?? (clock, clock)
    let instance = Instance(
      stage: transfer.stage, microbatch: transfer.microbatch, pass: .forward)
    return handle([
      add(
        transfer.isSend
          ? .send(to: peer, tag: tag, bytes: bytes) : .receive(from: peer, tag: tag, bytes: bytes),
        instance, before(), span.0, span.1)
    ])
  }

  mutating func wait(_ handle: TransferHandle) -> Bool {
    for node in started[handle.raw] {
      if !awaited.contains(node) { awaited.append(node) }
      if !isInAction { clock = max(clock, nodes[node].end) }
    }
    return true
  }

  private var isInAction: Bool {
    switch item {
    case .run, .overlapped: true
    default: false
    }
  }

  /// The norm of all gradients, eight bytes that the whole world adds up.
  mutating func agree() -> Bool {
    let instance = Instance(stage: -1, microbatch: -1, pass: .backwardWeight)
    guard let group = groups.group(.world, stage: 0) else { return true }
    let end = place < result.items.count ? result.items[place].end : clock
    let node = add(
      .collective(.allReduce, nil, group: group.number, bytes: 8), instance, before(), clock,
      max(clock, end))
    awaited = [node]
    return true
  }

  // MARK: Nodes

  /// What anything that is begun now comes behind.
  ///
  /// - Parameters:
  ///   - stream: that of a transfer.
  ///   - start: when a transfer's bytes began to move. One that waits for other ranks than those behind it lets
  ///     these by on its stream: what was under way then is not waited for.
  private func before(on stream: Stream? = nil, at start: Int64 = 0) -> [Int] {
    var found = Set(awaited)
    if let lastKernel { found.insert(lastKernel) }
    if let stream, let last = nodesOfStream[stream]?.last(where: { nodes[$0].end <= start }) {
      found.insert(last)
    }
    return found.sorted()
  }

  private mutating func handle(_ made: [Int]) -> TransferHandle {
    started.append(made)
    return TransferHandle(started.count - 1)
  }

  private mutating func add(
    _ work: StepGraph.Work, _ instance: Instance, _ dependencies: [Int], _ start: Int64,
    _ end: Int64
  ) -> Int {
    nodes.append(
      StepGraph.Node(
        work: work, stage: Int(instance.stage), microbatch: Int(instance.microbatch),
        dependencies: dependencies, start: start, end: end))
    return nodes.count - 1
  }
}

extension TransferKind {
  fileprivate var isGather: Bool { if case .allGather = self { true } else { false } }
}
