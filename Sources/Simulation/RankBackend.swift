import Engines
import Programs
import Schedules

/// The virtual clock of one rank through a step: whole actions come from the catalog, messages and
/// collectives from where both or all ends meet.
struct RankBackend: Backend {
  let world: SimulatedWorld
  let index: Int
  /// The round of its group in which this rank has arrived, −1 if it has not.
  private var arrivedRound = -1
  /// The round whose record it has taken; the others may still have to take theirs.
  private var takenRound = -1
  private var itemStart: Int64 = 0
  private var handles: [Pending] = []
  /// Handles of reductions that an action started, by stage and number.
  private var reductions: [[Int]: TransferHandle] = [:]

  private enum Pending {
    case message(Int, PipelineTransfer, bytes: Int, Buffer.Use)
    case collective(Int, TransferSpan.Kind, bytes: Int)
  }

  init(world: SimulatedWorld, index: Int) {
    self.world = world
    self.index = index
  }

  var rank: SimulatedRank {
    get { world.ranks[index] }
    nonmutating _modify { yield &world.ranks[index] }
  }

  /// Its number in the world; of the ranks that a folded one stands for, the first.
  private var worldRank: Int {
    world.input.plan.worldSize / world.input.ranks.count * rank.position + rank.replica
  }

  // MARK: Actions

  mutating func begin(_ item: Item, index itemIndex: Int) -> Beginning {
    // Others have their turn first.
    if rank.clock > world.now { return .later }
    switch item {
    case .run, .overlapped:
      let place = world.input.place(ofItem: itemIndex, on: rank.position)
      if place.isOpening, !takesUpGathers(of: item) {
        world.park(index)
        return .later
      }
      return world.catalog.meets(item) ? beginTogether(item, place) : beginAlone(item, place)
    case .norm:
      itemStart = rank.clock
      waitForCarried()
      return .walk
    default:
      itemStart = rank.clock
      return .walk
    }
  }

  /// An action in which no other rank takes part.
  private mutating func beginAlone(_ item: Item, _ place: ActionPlace) -> Beginning {
    let records = world.catalog.records(
      of: item, place, carried: [carried(rank, item, place, from: rank.clock)],
      slowness: [rank.slowness], linkSlowness: [rank.linkSlowness], offsets: [0],
      members: worldRank..<worldRank + 1)
    take(records[0], item, place, meets: false)
    return .done
  }

  private mutating func beginTogether(_ item: Item, _ place: ActionPlace) -> Beginning {
    let size = world.groupSize
    let group = index / size
    let round = world.groups[group].round
    if takenRound == round { return .later }
    if arrivedRound != round {
      arrivedRound = round
      world.groups[group].arrived += 1
    }
    guard world.groups[group].arrived == size else {
      rank.isParked = true
      return .later
    }
    let first = group * size
    if world.groups[group].records.isEmpty {
      let members = world.ranks[first..<first + size]
      let start = members.map(\.clock).min() ?? 0
      world.groups[group].records = world.catalog.records(
        of: item, place, carried: members.map { carried($0, item, place, from: start) },
        slowness: members.map(\.slowness),
        linkSlowness: members.map(\.linkSlowness), offsets: members.map { $0.clock - start },
        members: worldRank - index + first..<worldRank - index + first + size)
      for member in first..<first + size where member != index { world.wake(member) }
    }
    take(world.groups[group].records[index - first], item, place, meets: true)
    takenRound = round
    world.groups[group].taken += 1
    if world.groups[group].taken == size {
      world.groups[group] = ActionGroup()
      world.groups[group].round = round + 1
    }
    return .done
  }

  /// What a rank's data stream carries into an action, counted from `start`.
  private func carried(
    _ rank: SimulatedRank, _ item: Item, _ place: ActionPlace, from start: Int64
  ) -> CarriedStream {
    var carried = rank.carried.reduced(until: rank.clock)
    if !place.isGatheredAhead { carried.gathers = [] }
    if place.isOpening { carried.gathers = openingGathers(of: rank, item)?.map(\.gather) ?? [] }
    // Traces show when a gather began.
    let isWhole = world.catalog.keepsSpans && place.isGatheredAhead
    return (isWhole ? carried : carried.seen(at: rank.clock)).counted(from: start)
  }

  /// What backwards reduce layer by layer is through when gradients are summed up.
  private func waitForCarried() {
    guard rank.carried.end > rank.clock else { return }
    rank.data.addWait(clock: rank.clock, moving: rank.clock, end: rank.carried.end)
    rank.clock = rank.carried.end
  }

  private mutating func take(
    _ record: ActionRecord, _ item: Item, _ place: ActionPlace, meets: Bool
  ) {
    let start = rank.clock
    // A member's record counts from the first of its group; its own part begins when it came.
    var duration = record.duration - record.offset + wait(for: record, meets: meets)
    rank.busy += record.busy
    duration += waitForAverage(item)
    rank.clock += duration
    rank.kernels.add(record.kernels)
    rank.flops += record.flops
    rank.causalFLOPs += record.causalFLOPs
    rank.operations += record.operations
    rank.expert += record.expert
    rank.tensor += record.tensor
    rank.context += record.context
    rank.data += record.data
    rank.host += record.host
    rank.memory.apply(record.memory)
    let left = record.carried.counted(from: record.offset - start)
    if place.isGatheredAhead || place.ahead != nil { rank.carried.gathers = left.gathers }
    rank.carried.end = max(rank.carried.end, left.end)
    rank.carried.channels = left.channels
    rank.carried.reductions = left.reductions
    if place.isOpening { book(gathersOf: item) }
    if !record.windows.isEmpty {
      world.traffic.occupy(index, record.windows, from: start - record.offset, at: world.now)
    }
    rank.split.add(item, duration)
    rank.lastActionEnd = rank.clock
    rank.spans.append(
      ItemSpan(item: item, start: start, end: rank.clock, spans: record.spans))
    log(record, item)
    reduce(record, item, from: start - record.offset)
  }

  /// Hands over the reductions that an action has started, and what its exchanges have made longer.
  private mutating func reduce(_ record: ActionRecord, _ item: Item, from start: Int64) {
    var underWay = Array(rank.underWay.suffix(record.delays.count))
    for (pending, delay) in zip(underWay, record.delays) where delay > 0 {
      world.collectives.delay(pending, of: index, by: delay)
    }
    for reduction in record.reductions {
      let stage = backwardStage(of: item)
      let number = Int(reduction.transfer)
      let handle = join(
        world.input.stages[stage].reduce.transfers[number], number, stage,
        at: start + reduction.offset, delay: reduction.delay)
      reductions[[stage, number]] = handle
      if reduction.isShared, case .collective(let pending, _, _) = handles[handle.raw] {
        underWay.append(pending)
      }
    }
    rank.underWay = underWay.suffix(record.carried.reductions.count)
  }

  func backwardStage(of item: Item) -> Int {
    switch item {
    case .run(let action): action.stage
    case .overlapped(_, let backward): backward.stage
    default: preconditionFailure("Only actions reduce gradients.")
    }
  }

  mutating func handle(ofReduction transfer: Int, stage: Int) -> TransferHandle {
    guard let handle = reductions[[stage, transfer]] else {
      preconditionFailure("A closing action starts all reductions of its stage.")
    }
    return handle
  }

  mutating func end(_ item: Item, index: Int) {
    let clock = rank.clock
    if clock > itemStart {
      rank.spans.append(ItemSpan(item: item, start: itemStart, end: clock, spans: []))
    }
  }

  // MARK: Steps of the optimizer's programs

  private func bytes(_ id: BufferID, _ instance: Instance) -> (Int, Buffer.Use) {
    let stage = Int(instance.stage)
    let buffer = world.input.stages[stage].buffers[Int(id.index)]
    return (world.input.balancedRows[stage](buffer.rows) * buffer.bytesPerRow, buffer.use)
  }

  mutating func acquire(_ id: BufferID, _ instance: Instance) {
    let (bytes, use) = bytes(id, instance)
    rank.memory.acquire(bytes, use)
  }

  mutating func release(_ id: BufferID, _ instance: Instance) {
    let (bytes, use) = bytes(id, instance)
    rank.memory.release(bytes, use)
  }

  mutating func issue(_ operation: Int, of program: Program, _ instance: Instance) {
    let work = program.operations[operation]
    let seconds = world.pricing.seconds(
      of: work, rows: ExchangeRows(), isOverlapped: false)
    let duration = picoseconds(seconds * rank.slowness)
    rank.clock += duration
    rank.busy += duration
    rank.kernels.add(duration, at: KernelTimes.slot(of: work))
    let flops = work.kernel.flops { ExchangeRows()($0) }
    rank.flops += flops
    rank.causalFLOPs += flops
    rank.operations += 1
    world.log?.add(operation: operation, instance, on: index)
  }

  mutating func start(_ transfer: Int, of program: Program, _ instance: Instance)
    -> TransferHandle
  {
    let work = program.transfers[transfer]
    world.log?.add(work, transfer, instance, on: index)
    let handle = join(
      work, transfer, Int(instance.stage), at: max(rank.clock, rank.carried.end))
    if world.input.plan.gathersAheadOfForward, case .allGather = work.kind,
      case .collective(let number, _, _) = handles[handle.raw]
    {
      rank.gathers[Int(instance.stage), default: []].append(number)
    }
    return handle
  }

  /// Comes to a reduction or a gather of the step.
  private mutating func join(
    _ work: Transfer, _ transfer: Int, _ stage: Int, at time: Int64, delay: Int64 = 0
  ) -> TransferHandle {
    let duration = picoseconds(
      world.pricing.seconds(
        ofCollective: work, stage: stage, over: rank.linkSlowness))
    let pending = world.collectives.arrive(
      index, replica: rank.replica, work, number: transfer, stage: stage, at: time,
      duration: duration + delay)
    if pending.completes { world.wakeParked() }
    handles.append(
      .collective(
        pending.index, .collective(stage: stage, number: transfer, work.kind),
        bytes: bytes(of: work)))
    return TransferHandle(handles.count - 1)
  }

  // MARK: Messages

  mutating func start(_ transfer: PipelineTransfer) -> TransferHandle {
    let place = world.messages.place(of: transfer, replica: rank.place)
    let (bytes, use) = boundaryBuffer(transfer)
    world.log?.add(transfer, bytes: bytes, on: index)
    if transfer.isSend {
      world.messages[place].sender = Int32(index)
    } else {
      rank.memory.acquire(bytes, use)
      world.messages[place].receiver = Int32(index)
    }
    let message = world.messages[place]
    if message.sender >= 0, message.receiver >= 0 { world.move(place, bytes: bytes) }
    handles.append(.message(place, transfer, bytes: bytes, use))
    return TransferHandle(handles.count - 1)
  }

  private func boundaryBuffer(_ transfer: PipelineTransfer) -> (Int, Buffer.Use) {
    let stage = world.input.stages[transfer.stage]
    let id =
      switch (transfer.boundary, transfer.isSend) {
      case (.activation, true): stage.output
      case (.activation, false): stage.input
      case (.gradient, true): stage.inputGradient
      case (.gradient, false): stage.outputGradient
      }
    guard let id else { preconditionFailure("Nothing crosses this boundary.") }
    let instance = Instance(
      stage: transfer.stage, microbatch: transfer.microbatch, pass: .forward)
    return bytes(id, instance)
  }

  mutating func wait(_ handle: TransferHandle) -> Bool {
    switch handles[handle.raw] {
    case .message(let place, let transfer, let bytes, let use):
      let message = world.messages[place]
      guard message.end >= 0 else {
        if transfer.isSend {
          world.messages[place].senderWaits = true
        } else {
          world.messages[place].receiverWaits = true
        }
        rank.isParked = true
        return false
      }
      rank.pipeline.total += message.end - message.moving
      rank.pipeline.addWait(clock: rank.clock, moving: message.moving, end: message.end)
      rank.clock = max(rank.clock, message.end)
      record(.message(transfer), bytes, message.moving, message.end)
      if transfer.isSend { rank.memory.release(bytes, use) }
      return true
    case .collective(let pending, let kind, let bytes):
      guard let (moving, end) = world.collectives.end(of: pending) else {
        world.park(index)
        return false
      }
      rank.data.total += end - moving
      rank.data.addWait(clock: rank.clock, moving: moving, end: end)
      rank.clock = max(rank.clock, end)
      record(kind, bytes, moving, end)
      return true
    }
  }

  func record(_ kind: TransferSpan.Kind, _ bytes: Int, _ start: Int64, _ end: Int64) {
    guard world.catalog.keepsSpans else { return }
    rank.transfers.append(TransferSpan(kind: kind, bytes: bytes, start: start, end: end))
  }

  mutating func handOver(_ boundary: Boundary, stage: Int, microbatch: Int) {}

  mutating func agree() -> Bool {
    if !rank.hasAgreed {
      rank.hasAgreed = true
      world.agreement.arrived += 1
      world.agreement.latest = max(world.agreement.latest, rank.clock)
      if let waits = world.waits {
        world.agreement.wait = max(
          world.agreement.wait, waitForGroups(waits))
      }
      if world.agreement.arrived == world.ranks.count { world.wakeParked() }
    }
    guard world.agreement.arrived == world.ranks.count else {
      world.park(index)
      return false
    }
    rank.data.waiting += world.agreement.wait
    rank.clock = world.agreement.latest + world.agreement.wait + world.agreementDuration
    return true
  }
}
