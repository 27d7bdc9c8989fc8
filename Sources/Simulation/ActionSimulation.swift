import Engines
import Programs
import Schedules

/// Simulates one action on the ranks that take part in its exchanges, every operation of it.
///
/// All ranks run the same programs; they meet in expert exchanges and in collectives of tensor and
/// context groups. A rank alone stands for ranks that do the same.
struct ActionSimulation {
  let template: ActionTemplate
  let ranks: [ActionRank]
  var keepsSpans = false
  var keepsLog = false

  /// Simulates and gives the record of every rank.
  func run() -> [ActionRecord] {
    let meetings = Meetings(count: ranks.count)
    var lanes = ranks.map { rank in
      ActionLane(
        engine: template.engine,
        backend: ActionBackend(
          template, rank, meetings, keepsSpans: keepsSpans, keepsLog: keepsLog))
    }
    var isRunning = true
    while isRunning {
      isRunning = false
      for index in lanes.indices where !lanes[index].isFinished {
        if lanes[index].advance() == .finished {
          lanes[index].isFinished = true
        } else {
          isRunning = true
        }
      }
    }
    // What nobody in the action waits for has its end too.
    settle(&lanes)
    return lanes.map { lane in
      var record = lane.backend.record
      record.duration = lane.backend.clock
      record.carried = lane.backend.carried
      record.kernels = lane.backend.kernels.parts
      record.offset = lane.backend.rank.offset
      let rank = lane.backend.rank
      record.memory = rank.booksOwnRows ? template.memory(of: rank) : template.memory
      (record.flops, record.causalFLOPs) = template.flops(lane.backend.rank)
      return record
    }
  }
}

extension ActionSimulation {
  /// Every rank is asked until all have come to the last transfer that they meet in.
  private func settle(_ lanes: inout [ActionLane]) {
    var isOpen = true
    while isOpen {
      isOpen = false
      for index in lanes.indices where !lanes[index].backend.settle() { isOpen = true }
    }
  }
}

private struct ActionLane {
  var engine: Engine
  var backend: ActionBackend
  var isFinished = false

  mutating func advance() -> Progress { engine.advance(&backend) }
}

/// The virtual clock of one rank inside an action.
private struct ActionBackend: Backend {
  let template: ActionTemplate
  let rank: ActionRank
  let meetings: Meetings
  let keepsSpans: Bool
  let keepsLog: Bool
  /// Picoseconds of each operation, those of a backward behind those of a forward.
  private let durations: [Int64]
  private let forwardCount: Int
  var clock: Int64
  /// When the host has issued all so far: a kernel cannot start earlier.
  private var hostClock: Int64
  var record = ActionRecord()
  private(set) var kernels = KernelTimes()
  private var transfers: [Started] = []
  private var streamEnd = [Int64](repeating: 0, count: Stream.allCases.count)
  private var sequence = [Int](repeating: 0, count: Stream.allCases.count)
  private var last = [Int](repeating: -1, count: Stream.allCases.count)
  /// What the transfers that were started take of the device.
  private var channels: OccupiedChannels

  private struct Started {
    var stream: Stream
    var sequence: Int
    var started: Int64
    var payload: Int64
    var index: Int32
    var isForward: Bool
    /// Whether its end is known, which a gather that was started before the action may have behind it.
    var isOver = false
    var end: Int64 = 0
    var moving: Int64 = 0
    /// The next action reads what it brings.
    var isAhead = false
    /// The transfer before it on its stream, −1 for the first.
    var previous = -1
    /// The others know when this rank came to it.
    var isAnnounced = false
    var preparation: Int64 = 0
    var adapterShare = 0.0
    /// What the rank puts in; 0 unless spans are kept.
    var bytes = 0
  }

  init(
    _ template: ActionTemplate, _ rank: ActionRank, _ meetings: Meetings, keepsSpans: Bool,
    keepsLog: Bool
  ) {
    self.template = template
    self.rank = rank
    self.meetings = meetings
    self.keepsSpans = keepsSpans
    self.keepsLog = keepsLog
    durations = template.durations(rank)
    forwardCount = template.forwardCount
    clock = rank.offset
    hostClock = rank.offset
    channels = OccupiedChannels(rank.carried)
    streamEnd[Int(Stream.data.rawValue)] = rank.carried.end
    for (index, gather) in rank.carried.gathers.enumerated() {
      transfers.append(
        Started(
          stream: .data, sequence: -1, started: gather.moving, payload: 0,
          index: Int32(template.firstGather + index), isForward: false, isOver: true,
          end: gather.end, moving: gather.moving))
      // The step shows those with which it begins.
      if keepsSpans, !template.isOpening {
        record.spans.append(template.span(of: gather, number: index))
      }
    }
  }

  /// What is left on the data stream.
  var carried: CarriedStream {
    CarriedStream(
      end: streamEnd[Int(Stream.data.rawValue)],
      gathers: transfers.filter(\.isAhead).map {
        CarriedStream.Gather(moving: $0.moving, end: $0.end)
      }, channels: channels.left(at: clock))
  }

  /// Whether all that was started has its end; ranks that meet in a transfer are asked in turn.
  mutating func settle() -> Bool {
    let last = last[Int(Stream.data.rawValue)]
    return last < 0 || finish(last)
  }

  mutating func begin(_ item: Item, index: Int) -> Beginning { .walk }
  mutating func end(_ item: Item, index: Int) {}
  mutating func handOver(_ boundary: Boundary, stage: Int, microbatch: Int) {}
  mutating func agree() -> Bool { true }
  mutating func start(_ transfer: PipelineTransfer) -> TransferHandle { TransferHandle(-1) }

  private func rows(_ instance: Instance) -> ExchangeRows {
    instance.pass == .forward ? rank.forwardRows : rank.backwardRows
  }

  // Memory does not depend on time: the template has booked it.
  mutating func acquire(_ id: BufferID, _ instance: Instance) {}
  mutating func release(_ id: BufferID, _ instance: Instance) {}

  mutating func issue(_ operation: Int, of program: Program, _ instance: Instance) {
    if instance.microbatch < 0 || instance == template.ahead {
      return convert(operation, of: program)
    }
    let isForward = instance.pass == .forward
    let index = isForward ? operation : forwardCount + operation
    hostClock += template.hostDurations[index]
    clock = max(clock, hostClock)
    let duration = channels.duration(of: index, from: clock, alone: durations[index]) {
      template.durations(rank, channels: $0)
    }
    record.operations += 1
    if keepsLog {
      record.started.append(
        StartedWork(index: Int32(operation), isTransfer: false, isForward: isForward))
    }
    record.busy += duration
    kernels.add(duration, at: template.kernelSlots[index])
    if keepsSpans {
      record.spans.append(
        Timeline.Span(
          .operation(Int32(operation)), isForward: isForward, stream: .compute, start: clock,
          end: clock + duration))
    }
    clock += duration
  }

  /// Turns a gradient into the format in which it is reduced, or a shard of the next action's into that in
  /// which it is gathered.
  private mutating func convert(_ operation: Int, of program: Program) {
    let work = program.operations[operation]
    let duration = picoseconds(
      template.pricing.seconds(
        of: work, rows: rank.backwardRows, isOverlapped: template.isPair) * rank.slowness)
    hostClock += picoseconds(template.pricing.hostSeconds(of: work))
    clock = max(clock, hostClock)
    record.operations += 1
    record.busy += duration
    kernels.add(duration, at: KernelTimes.slot(of: work))
    if keepsLog { log(operation, isTransfer: false) }
    if keepsSpans {
      // Numbered behind the operations of the backward.
      record.spans.append(
        Timeline.Span(
          .operation(Int32(durations.count - forwardCount + operation)), isForward: false,
          stream: .compute, start: clock, end: clock + duration))
    }
    clock += duration
  }

  /// Hands a reduction to where the ranks of all actions meet.
  private mutating func reduce(_ transfer: Int) -> TransferHandle {
    hostClock += template.hostDurationOfTransfer
    let start = max(clock, hostClock)
    record.reductions.append(StartedReduction(transfer: Int32(transfer), offset: start))
    let (taken, seconds) = template.reduction(transfer)
    channels.occupy(
      .data, taken, from: start,
      for: picoseconds(seconds * linkSlowness(template.reductions[transfer])))
    if keepsLog { log(transfer, isTransfer: true) }
    return TransferHandle(-1)
  }

  private mutating func log(_ index: Int, isTransfer: Bool) {
    record.started.append(
      StartedWork(
        index: Int32(index), isTransfer: isTransfer, isForward: false, isReduction: true))
  }

  mutating func start(_ transfer: Int, of program: Program, _ instance: Instance)
    -> TransferHandle
  {
    if instance.microbatch < 0 { return reduce(transfer) }
    let work = program.transfers[transfer]
    let stream = work.stream
    hostClock += template.hostDurationOfTransfer * Int64(work.kind.launchCount)
    let slot = Int(stream.rawValue)
    if keepsLog {
      record.started.append(
        StartedWork(
          index: Int32(transfer), isTransfer: true, isForward: instance.pass == .forward))
    }
    var started = Started(
      stream: stream, sequence: sequence[slot], started: max(clock, hostClock), payload: 0,
      index: Int32(transfer), isForward: instance.pass == .forward)
    started.isAhead = instance == template.ahead
    switch work.kind {
    case .counts:
      // The exchange of counts is the notification that the payload's price holds; the host has the
      // numbers without the compute stream standing still.
      (started.isOver, started.end) = (true, clock)
      transfers.append(started)
      return TransferHandle(transfers.count - 1)
    case .dispatch, .combine, .combineBackward, .dispatchBackward:
      let price = template.pricing.price(
        ofExchange: work, rows: rows(instance), isOverlapped: template.isPair)
      started.preparation = picoseconds(price.preparation)
      started.payload = picoseconds(price.payload * max(rank.slowness, linkSlowness(work)))
      started.adapterShare = price.adapterShare
    case .allGather, .reduceScatter, .allReduce, .shift:
      var known = work
      if work.rows.exchange != nil { known.rows = .fixed(rows(instance)(work.rows)) }
      started.payload = picoseconds(
        template.pricing.seconds(ofCollective: known, stage: Int(instance.stage))
          * linkSlowness(work))
      channels.occupy(
        stream, template.pricing.channels(of: work), from: started.started,
        for: started.payload)
    }
    if keepsSpans {
      let rows = rows(instance)
      started.bytes = work.bytes(
        sent: { rows.sent[$0] }, received: { rows.received[$0] }, rows: { rows($0) })
    }
    started.previous = last[slot]
    sequence[slot] += 1
    last[slot] = transfers.count
    transfers.append(started)
    return TransferHandle(transfers.count - 1)
  }

  private func linkSlowness(_ transfer: Transfer) -> Double {
    rank.linkSlowness(crossesNodes: template.pricing.crossesNodes(transfer))
  }

  /// Settles the end of a transfer, once all ranks have come to it; a stream carries one transfer behind
  /// another, so a rank comes to this one when the one before is over.
  private mutating func finish(_ handle: Int) -> Bool {
    if transfers[handle].isOver { return true }
    let previous = transfers[handle].previous
    if previous >= 0, !finish(previous) { return false }
    let slot = Int(transfers[handle].stream.rawValue)
    if !transfers[handle].isAnnounced {
      transfers[handle].isAnnounced = true
      transfers[handle].started = max(transfers[handle].started, streamEnd[slot])
      let transfer = transfers[handle]
      meetings.arrive(
        transfer.stream, transfer.sequence, at: transfer.started,
        preparation: transfer.preparation)
    }
    let transfer = transfers[handle]
    let meeting = meetings.meetings[slot][transfer.sequence]
    guard meeting.arrived == meetings.count else { return false }
    let end = meeting.ready + meeting.preparation + transfer.payload
    transfers[handle].isOver = true
    transfers[handle].end = end
    transfers[handle].moving = meeting.ready
    streamEnd[slot] = end
    account(transfer, moving: meeting.ready, end)
    if transfer.adapterShare > 0 {
      record.windows.append(
        AdapterWindow(start: end - transfer.payload, end: end, share: transfer.adapterShare))
    }
    return true
  }

  private mutating func account(_ transfer: Started, moving: Int64, _ end: Int64) {
    let total = end - moving
    switch transfer.stream {
    case .expert: record.expert.total += total
    case .tensor: record.tensor.total += total
    case .data: record.data.total += total
    default: record.context.total += total
    }
    // The next action shows its first gathers itself.
    if keepsSpans, !transfer.isAhead {
      record.spans.append(
        Timeline.Span(
          .transfer(transfer.index), isForward: transfer.isForward, stream: transfer.stream,
          start: moving, end: end, bytes: transfer.bytes))
    }
  }

  /// Since when the data stream has been busy without a break until a transfer moved: what a rank waits for
  /// is exposed, whichever transfer of its own it is.
  private func busySince(_ transfer: Started) -> Int64 {
    guard transfer.previous >= 0 else {
      return rank.carried.end >= transfer.moving ? rank.offset : transfer.moving
    }
    let before = transfers[transfer.previous]
    return before.end >= transfer.moving ? min(before.moving, transfer.moving) : transfer.moving
  }

  mutating func wait(_ handle: TransferHandle) -> Bool {
    guard finish(handle.raw) else { return false }
    let transfer = transfers[handle.raw]
    guard transfer.end > clock else { return true }
    switch transfer.stream {
    case .expert: record.expert.addWait(clock: clock, moving: transfer.moving, end: transfer.end)
    case .tensor: record.tensor.addWait(clock: clock, moving: transfer.moving, end: transfer.end)
    case .data: record.data.addWait(clock: clock, moving: busySince(transfer), end: transfer.end)
    default: record.context.addWait(clock: clock, moving: transfer.moving, end: transfer.end)
    }
    if keepsSpans {
      record.spans.append(
        Timeline.Span(
          .wait(transfer.index), isForward: transfer.isForward, stream: .compute, start: clock,
          end: transfer.end))
    }
    clock = transfer.end
    return true
  }
}
