import Engines
import Programs

/// The transfers of one rank inside an action: when they begin, when they are through, and what waits for them.
extension ActionBackend {
  /// A transfer that was started.
  struct Started: Equatable {
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
    var load = LinkLoad.none
    /// What the rank puts in; 0 unless spans are kept.
    var bytes = 0
  }

  /// Hands a reduction to where the ranks of all actions meet.
  private func reduce(_ transfer: Int) -> TransferHandle {
    hostClock += template.hostDurationOfTransfer
    let start = max(clock, hostClock)
    let (taken, load, seconds) = template.reduction(transfer, over: rank.linkSlowness)
    let isShared = load != .none
    record.reductions.append(
      StartedReduction(transfer: Int32(transfer), offset: start, isShared: isShared))
    let alone = picoseconds(seconds)
    let begin = channels.occupy(.data, taken, from: start, for: alone)
    if isShared {
      sharing.begin(CarriedStream.Reduction(start: begin, left: alone, load: load))
    }
    if keepsLog { log(transfer, isTransfer: true) }
    return TransferHandle(-1)
  }

  func log(_ index: Int, isTransfer: Bool) {
    record.started.append(
      StartedWork(
        index: Int32(index), isTransfer: isTransfer, isForward: false, isReduction: true))
  }

  func start(_ transfer: Int, of program: Program, _ instance: Instance)
    -> TransferHandle
  {
    if instance.microbatch < 0 { return reduce(transfer) }
    let work = program.transfers[transfer]
    let price =
      work.kind.expertExchange != nil
      ? template.pricing.price(
        ofExchange: work, rows: rows(instance), isOverlapped: template.isPair,
        over: rank.linkSlowness) : nil
    return start(transfer, work, instance, price)
  }

  /// Starts a transfer of an action's script, by its place there; prices of exchanges that bring equal rows
  /// are known.
  func start(_ sending: ActionScript.Sending, at place: Int) {
    if sending.instance.microbatch < 0 {
      _ = reduce(sending.number)
      return
    }
    let price =
      sending.work.kind.expertExchange != nil
      ? template.price(
        ofExchange: sending.work, number: place, rows: rows(sending.instance), sending.instance,
        over: rank.linkSlowness)
      : nil
    _ = start(sending.number, sending.work, sending.instance, price)
  }

  private func start(
    _ transfer: Int, _ work: Transfer, _ instance: Instance, _ price: ExchangePrice?
  ) -> TransferHandle {
    let stream = work.stream
    hostClock += template.hostDuration(of: work)
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
      // The exchange of counts is the notification that the payload's price holds; the compute stream does
      // not stand still for it. A host that waits issues what follows from now on.
      (started.isOver, started.end) = (true, clock)
      if template.pricing.waitsForCounts { hostClock = max(hostClock, clock) }
      transfers.append(started)
      return TransferHandle(transfers.count - 1)
    case .dispatch, .combine, .combineBackward, .dispatchBackward:
      guard let price else { preconditionFailure("An exchange has a price.") }
      started.preparation = picoseconds(price.preparation)
      started.payload = payload(of: work, price, instance)
      started.load = LinkLoad(adapter: price.adapterShare, link: price.linkShare)
    case .allGather, .reduceScatter, .allReduce, .shift, .toHost, .fromHost:
      var known = work
      if work.rows.exchange != nil { known.rows = .fixed(rows(instance)(work.rows)) }
      let links = stream.isOfHost ? LinkSlowness() : rank.linkSlowness
      started.payload = picoseconds(
        template.pricing.seconds(
          ofCollective: known, stage: Int(instance.stage), over: links))
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

  /// Picoseconds of an exchange's bytes: over the rank's own links, or by its device, whichever is slower.
  private func payload(
    of work: Transfer, _ price: ExchangePrice, _ instance: Instance
  ) -> Int64 {
    if rank.slowness == 1 { return picoseconds(price.payload) }
    let healthy =
      rank.linkSlowness == LinkSlowness()
      ? price
      : template.pricing.price(
        ofExchange: work, rows: rows(instance), isOverlapped: template.isPair)
    return picoseconds(max(price.payload, healthy.payload * rank.slowness))
  }

  /// Settles the end of a transfer, once all ranks have come to it; a stream carries one transfer behind
  /// another, so a rank comes to this one when the one before is over.
  func finish(_ handle: Int) -> Bool {
    if transfers[handle].isOver { return true }
    let previous = transfers[handle].previous
    if previous >= 0, !finish(previous) { return false }
    let slot = Int(transfers[handle].stream.rawValue)
    if transfers[handle].stream.isOfHost {
      settleCopy(handle)
      return true
    }
    if !transfers[handle].isAnnounced {
      transfers[handle].isAnnounced = true
      transfers[handle].started = max(transfers[handle].started, streamEnd[slot])
      let transfer = transfers[handle]
      meetings.arrive(
        transfer.stream, transfer.sequence, at: transfer.started,
        preparation: transfer.preparation, for: weight)
    }
    let transfer = transfers[handle]
    let meeting = meetings[transfer.stream, transfer.sequence]
    guard meeting.arrived == meetings.count else { return false }
    let begin = meeting.ready + meeting.preparation
    let end = begin + moved(transfer, from: begin)
    transfers[handle].isOver = true
    transfers[handle].end = end
    transfers[handle].moving = meeting.ready
    streamEnd[slot] = end
    account(transfer, moving: meeting.ready, end)
    if transfer.load.adapter > 0 {
      // Beside a reduction it takes less of the adapter for longer.
      let share = transfer.load.adapter * Double(transfer.payload) / Double(max(1, end - begin))
      record.windows.append(AdapterWindow(start: begin, end: end, share: share))
    }
    return true
  }

  /// Picoseconds that a transfer's bytes move from `begin` on, beside reductions if it is an exchange.
  private func moved(_ transfer: Started, from begin: Int64) -> Int64 {
    guard transfer.load != .none, !sharing.isEmpty else { return transfer.payload }
    let (end, delay) = sharing.end(ofExchange: transfer.payload, transfer.load, from: begin)
    if delay > 0 { channels.delay(.data, at: begin, by: delay) }
    return end - begin
  }

  /// A copy to the host or from it waits for nobody but the one before.
  private func settleCopy(_ handle: Int) {
    let slot = Int(transfers[handle].stream.rawValue)
    let moving = max(transfers[handle].started, streamEnd[slot])
    let end = moving + transfers[handle].payload
    transfers[handle].isOver = true
    transfers[handle].moving = moving
    transfers[handle].end = end
    streamEnd[slot] = end
    account(transfers[handle], moving: moving, end)
  }

  /// Since when copies have followed each other up to this one, as far as the compute stream has come.
  private func copiesSince(_ transfer: Started) -> Int64 {
    var (since, before) = (transfer.moving, transfer.previous)
    while before >= 0, since > clock, transfers[before].end >= since {
      (since, before) = (transfers[before].moving, transfers[before].previous)
    }
    return since
  }

  private func account(_ transfer: Started, moving: Int64, _ end: Int64) {
    let total = end - moving
    switch transfer.stream {
    case .expert: record.expert.total += total
    case .tensor: record.tensor.total += total
    case .data: record.data.total += total
    case .toHost, .fromHost: record.host.total += total
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

  /// Since when the data stream has been busy without a break until a transfer moved, as far as the compute
  /// stream has come: what a rank waits for is exposed, whichever transfer of its own it is.
  private func busySince(_ transfer: Started) -> Int64 {
    var (since, before) = (transfer.moving, transfer.previous)
    while before >= 0, since > clock {
      guard transfers[before].end >= since else { return since }
      since = min(since, transfers[before].moving)
      before = transfers[before].previous
    }
    return before < 0 && rank.carried.end >= since ? rank.offset : since
  }

  func wait(_ handle: TransferHandle) -> Bool {
    guard finish(handle.raw) else { return false }
    let transfer = transfers[handle.raw]
    guard transfer.end > clock else { return true }
    switch transfer.stream {
    case .expert: record.expert.addWait(clock: clock, moving: transfer.moving, end: transfer.end)
    case .tensor: record.tensor.addWait(clock: clock, moving: transfer.moving, end: transfer.end)
    case .data: record.data.addWait(clock: clock, moving: busySince(transfer), end: transfer.end)
    case .toHost, .fromHost:
      record.host.addWait(clock: clock, moving: copiesSince(transfer), end: transfer.end)
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
