import Engines
import Programs
import Schedules

/// What is written down of an item while it is under way; times are picoseconds since the step began.
struct ItemRecord {
  var start: Int64 = 0
  var spans: [Timeline.Span] = []
  /// What was live when most was, and when that was.
  var highest = MemoryUse()
  var highestTime: Int64 = 0
  /// The number in the item's program of the first gather of the step that it waits for.
  var firstGather = 0
}

/// A transfer under way, with what reports call it.
struct KeptTransfer {
  /// Where a transfer belongs.
  enum Place {
    /// To an action, by its number in the program.
    case action(Instance, index: Int)
    /// To the step: a message, or a collective of the optimizer.
    case step(TransferSpan.Kind)
  }

  var transfer: any PendingTransfer
  var place: Place
  var stream: Stream
  /// What this rank puts in, or of a message receives.
  var bytes: Int
  var start: UInt64
}

extension RankBackend {
  /// Nanoseconds of the host's clock as picoseconds since the step began.
  func stepTime(_ time: UInt64) -> Int64 { Int64(time - ledger.began) * 1000 }

  /// Writes down an operation, a transfer or a wait of the item under way.
  func span(
    _ kind: Timeline.Span.Kind, isForward: Bool, _ stream: Stream, _ start: UInt64, _ end: UInt64,
    bytes: Int = 0
  ) {
    guard recording.timeline else { return }
    itemRecord.spans.append(
      Timeline.Span(
        kind, isForward: isForward, stream: stream, start: stepTime(start) - itemRecord.start,
        end: stepTime(end) - itemRecord.start, bytes: bytes))
  }

  /// Writes down a transfer that is over, and where it belongs to an action the wait for it: the wait for a
  /// message is an item of its own.
  func record(_ kept: KeptTransfer, waitedFrom start: UInt64, _ end: UInt64) {
    switch kept.place {
    case .action(let instance, let index):
      let isForward = instance.pass == .forward
      span(.wait(Int32(index)), isForward: isForward, .compute, start, end)
      span(
        .transfer(Int32(index)), isForward: isForward, kept.stream, kept.start, end,
        bytes: kept.bytes)
    case .step(let kind):
      if case .collective(_, let number, _) = kind {
        span(
          .wait(Int32(itemRecord.firstGather + number)), isForward: true, .compute, start, end)
      }
      ledger.timeline.transfers.append(
        TransferSpan(
          kind: kind, bytes: kept.bytes, start: stepTime(kept.start), end: stepTime(end)))
    }
  }

  /// Writes down an item that is over, and the memory that it took.
  func finishRecord(of item: Item) {
    let end = stepTime(nanoseconds())
    ledger.timeline.items.append(
      ItemSpan(item: item, start: itemRecord.start, end: end, spans: itemRecord.spans))
    let before = ledger.timeline.memory.last?.total ?? 0
    let hasPeak = itemRecord.highest.total > max(before, arena.live.total)
    if hasPeak { sampleMemory(itemRecord.highest, itemRecord.highestTime) }
    if hasPeak || arena.live.total != before { sampleMemory(arena.live, end) }
  }

  /// Writes down what is live when the step begins.
  func sampleMemory() {
    if recording.timeline { sampleMemory(arena.live, 0) }
  }

  private func sampleMemory(_ live: MemoryUse, _ time: Int64) {
    ledger.timeline.memory.append(
      MemorySample(time: time, live: Buffer.Use.allCases.map { live[$0] }))
  }
}
