import Engines
import Programs
import Schedules

/// The virtual clock of one rank inside an action.
///
/// A class, since ranks are looked at one beside another, and copies of so many parts cost more than what is
/// done with them.
final class ActionBackend: Backend {
  let template: ActionTemplate
  let rank: ActionRank
  let meetings: Meetings
  let keepsSpans: Bool
  let keepsLog: Bool
  /// Adds up what its kernels come to.
  let keepsFigures: Bool
  /// With nothing beside its kernels; nil where it walks them one by one.
  private let pieces: ScriptPieces?
  private let forwardCount: Int
  var clock: Int64
  /// When the host has issued all so far: a kernel cannot start earlier.
  var hostClock: Int64
  var record = ActionRecord()
  private(set) var kernels = KernelTimes()
  /// Kernels, and pieces of several, that were looked at one by one.
  private(set) var walked = 0
  var transfers: [Started] = []
  // By stream, of which there are eight.
  var streamEnd = SIMD8<Int64>()
  var sequence = SIMD8<Int>()
  var last = SIMD8<Int>(repeating: -1)
  /// What the transfers that were started take of the device.
  var channels: OccupiedChannels
  /// Reductions beside exchanges.
  var sharing = LinkSharing()
  /// How many ranks it comes to meetings for.
  var weight = 1

  init(
    _ template: ActionTemplate, _ rank: ActionRank, _ meetings: Meetings, keepsSpans: Bool,
    keepsLog: Bool, script: ActionScript?, keepsFigures: Bool
  ) {
    self.template = template
    self.rank = rank
    self.meetings = meetings
    self.keepsSpans = keepsSpans
    self.keepsLog = keepsLog
    self.keepsFigures = keepsFigures
    pieces = script.map { template.pieces(of: $0, slowness: rank.slowness) }
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
    for reduction in rank.carried.reductions { sharing.begin(reduction) }
  }

  /// What kernels take is worked out anew, for the rank's own rows.
  private init(_ other: ActionBackend, on rank: ActionRank) {
    self.rank = rank
    (template, meetings, pieces) = (other.template, other.meetings, other.pieces)
    (keepsSpans, keepsLog, keepsFigures) = (other.keepsSpans, other.keepsLog, false)
    forwardCount = other.forwardCount
    (clock, hostClock, record, kernels) = (
      other.clock, other.hostClock, other.record, other.kernels
    )
    (transfers, streamEnd, sequence, last) = (
      other.transfers, other.streamEnd, other.sequence, other.last
    )
    (channels, sharing) = (other.channels, other.sharing)
  }

  /// The same state on a rank that has been carried along by this one.
  func on(_ rank: ActionRank) -> ActionBackend { ActionBackend(self, on: rank) }

  /// Whether nothing tells it apart from another rank of the action that has come as far, but the rows of
  /// exchanges: clocks, streams, what is under way.
  func doesAs(_ other: ActionBackend) -> Bool {
    guard clock == other.clock, hostClock == other.hostClock, streamEnd == other.streamEnd,
      channels.areLike(other.channels), sharing == other.sharing,
      record.reductions == other.record.reductions
    else { return false }
    return zip(transfers, other.transfers).allSatisfy { own, other in
      // Nothing asks any more for what is over, but for the next action's gathers.
      own.isOver && other.isOver && !own.isAhead && own.end <= clock && other.end <= clock
        || own == other
    }
  }

  /// What is left on the data stream.
  var carried: CarriedStream {
    CarriedStream(
      end: streamEnd[Int(Stream.data.rawValue)],
      gathers: transfers.filter(\.isAhead).map {
        CarriedStream.Gather(moving: $0.moving, end: $0.end)
      }, channels: channels.left(at: clock), reductions: sharing.left(at: clock))
  }

  /// What it has done, once all is through.
  func finishedRecord() -> ActionRecord { finishedRecord(keepsFigures: keepsFigures) }

  /// - Parameter keepsFigures: with what its kernels come to.
  func finishedRecord(keepsFigures: Bool) -> ActionRecord {
    var record = sharedRecord
    record.duration = clock
    record.carried = carried
    record.place(rank, template)
    if keepsFigures {
      record.kernels = kernels.parts
      (record.flops, record.causalFLOPs) = template.flops(rank)
    }
    return record
  }

  /// The record with what exchanges have made reductions longer, those of actions before first.
  private var sharedRecord: ActionRecord {
    var (record, delays) = (record, sharing.delays[...])
    record.delays = Array(delays.prefix(rank.carried.reductions.count))
    delays = delays.dropFirst(record.delays.count)
    for index in record.reductions.indices where record.reductions[index].isShared {
      record.reductions[index].delay = delays.removeFirst()
    }
    return record
  }

  /// Whether all that was started has its end; ranks that meet in a transfer are asked in turn.
  func settle() -> Bool {
    let last = last[Int(Stream.data.rawValue)]
    return last < 0 || finish(last)
  }

  func begin(_ item: Item, index: Int) -> Beginning { .walk }
  func end(_ item: Item, index: Int) {}
  func handOver(_ boundary: Boundary, stage: Int, microbatch: Int) {}
  func agree() -> Bool { true }
  func start(_ transfer: PipelineTransfer) -> TransferHandle { TransferHandle(-1) }

  func rows(_ instance: Instance) -> ExchangeRows {
    instance.pass == .forward ? rank.forwardRows : rank.backwardRows
  }

  // Memory does not depend on time: the template has booked it.
  func acquire(_ id: BufferID, _ instance: Instance) {}
  func release(_ id: BufferID, _ instance: Instance) {}

  func issue(_ operation: Int, of program: Program, _ instance: Instance) {
    if instance.microbatch < 0 || instance == template.ahead {
      return convert(operation, of: program)
    }
    let isForward = instance.pass == .forward
    let index = isForward ? operation : forwardCount + operation
    let duration = compute(index)
    if keepsLog {
      record.started.append(
        StartedWork(index: Int32(operation), isTransfer: false, isForward: isForward))
    }
    if keepsSpans {
      record.spans.append(
        Timeline.Span(
          .operation(Int32(operation)), isForward: isForward, stream: .compute,
          start: clock - duration, end: clock))
    }
  }

  /// Computes a kernel, and gives what it takes.
  @discardableResult private func compute(_ index: Int) -> Int64 {
    hostClock += template.hostDurations[index]
    clock = max(clock, hostClock)
    let duration = channels.duration(from: clock) {
      template.duration(of: index, rank, channels: $0)
    }
    count(index, duration)
    clock += duration
    return duration
  }

  private func count(_ index: Int, _ duration: Int64) {
    walked += 1
    record.operations += 1
    guard keepsFigures else { return }
    record.busy += duration
    kernels.add(duration, at: template.kernelSlots[index])
  }

  /// Computes kernels one behind the other, by pieces as long as collectives take as much of the device.
  func compute(_ range: Range<Int>, _ script: ActionScript) {
    guard let pieces else {
      for kernel in script.kernels[range] { compute(kernel) }
      return
    }
    var (taken, until) = channels.taken(at: clock)
    var run = self.run(at: range.lowerBound, pieces, script, taken)
    if let even = run.even, end(of: even) <= until, isEven(run) { return compute(even) }
    for number in run.pieces.indices {
      if clock >= until {
        let before = taken
        (taken, until) = channels.taken(at: clock)
        if taken != before { run = self.run(at: range.lowerBound, pieces, script, taken) }
      }
      switch run.pieces[number] {
      case .own(let index): compute(index)
      case .fixed(let piece, _) where end(of: piece) <= until: compute(piece)
      case .fixed(_, let range):
        for kernel in script.kernels[range] { compute(kernel) }
      }
    }
  }

  /// The pieces of a run of kernels beside so many multiprocessors taken.
  private func run(
    at place: Int, _ pieces: ScriptPieces, _ script: ActionScript, _ taken: Int
  ) -> ScriptPieces.Run {
    guard taken > 0 else { return pieces.runs[place] }
    return template.pieces(of: script, slowness: rank.slowness, channels: taken).runs[place]
  }

  /// When kernels are over that are computed next.
  private func end(of piece: KernelPiece) -> Int64 {
    max(clock + piece.alone, hostClock + piece.issued)
  }

  private func compute(_ piece: KernelPiece) {
    clock = end(of: piece)
    hostClock += piece.host
    walked += 1
    record.operations += piece.count
    guard keepsFigures else { return }
    record.busy += piece.alone
    for part in piece.parts { kernels.add(part.picoseconds, at: part.slot) }
  }

  /// Whether the exchanges behind a run of kernels bring this rank what every rank gets in the mean.
  private func isEven(_ run: ScriptPieces.Run) -> Bool {
    func isEven(_ exchanges: [Int], _ rows: ExchangeRows, _ even: ExchangeRows) -> Bool {
      exchanges.allSatisfy {
        rows.routed[$0] == even.routed[$0] && rows.received[$0] == even.received[$0]
          && rows.sent[$0] == even.sent[$0]
      }
    }
    return isEven(run.forwardExchanges, rank.forwardRows, template.forwardEven)
      && isEven(run.backwardExchanges, rank.backwardRows, template.backwardEven)
  }

  /// Turns a gradient into the format in which it is reduced, or a shard of the next action's into that in
  /// which it is gathered.
  private func convert(_ operation: Int, of program: Program) {
    let work = program.operations[operation]
    let duration = picoseconds(
      template.pricing.seconds(
        of: work, rows: rank.backwardRows, isOverlapped: template.isPair) * rank.slowness)
    hostClock += picoseconds(template.pricing.hostSeconds(of: work))
    clock = max(clock, hostClock)
    walked += 1
    record.operations += 1
    record.busy += duration
    kernels.add(duration, at: KernelTimes.slot(of: work))
    if keepsLog { log(operation, isTransfer: false) }
    if keepsSpans {
      // Numbered behind the operations of the backward.
      record.spans.append(
        Timeline.Span(
          .operation(Int32(template.hostDurations.count - forwardCount + operation)),
          isForward: false, stream: .compute, start: clock, end: clock + duration))
    }
    clock += duration
  }
}
