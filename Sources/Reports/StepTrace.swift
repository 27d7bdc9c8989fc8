import Documents
import Engines
import Programs
import Schedules
import Simulation

/// Writes a simulated step in the trace format of Chrome, which Perfetto opens: ui.perfetto.dev.
///
/// A process per rank, a track per stream, an event per action with the events of its operations inside,
/// waits of the compute stream among them, and a counter of live memory by use. Messages between pipeline
/// ranks, reductions and gathers lie on tracks of their own from the moment at which all that take part
/// have come to them, with their bytes and peers; an arrow leads from each send to its receive. Times are
/// microseconds with a precision of a picosecond.
public struct StepTrace: Sendable {
  /// The size in bytes that a trace may have unless told otherwise.
  public static let usualLimit = 512 << 20

  /// The pipeline positions that are written; nil for all.
  public var positions: Set<Int>?
  /// The size in bytes above which the trace is refused.
  public var limit = StepTrace.usualLimit
  private let result: StepResult
  private let step: PlannedStep
  /// The inputs as JSON on one line.
  private let inputs: String

  /// The trace of a step that was simulated with `keepsSpans`, from `inputs`.
  public init(_ result: StepResult, of step: PlannedStep, _ inputs: Inputs) throws {
    self.result = result
    self.step = step
    self.inputs = try jsonLine(inputs)
  }

  /// Writes the trace; the file appears only when all of it is written.
  ///
  /// - Throws: `ConfigurationError` if it would exceed the limit or cannot be written.
  ///
  /// - Parameter progress: called before each rank with the number of ranks that are done and their
  ///   total.
  public func write(
    to path: OutputPath, progress: (Int, Int) -> Void = { _, _ in }
  ) throws(ConfigurationError) {
    var file = try OutputFile(path, limit: limit)
    do throws(ConfigurationError) {
      try file.write(
        "{\"displayTimeUnit\":\"ms\",\"otherData\":{\"inputs\":\(inputs)},\"traceEvents\":[\n")
      var names = TraceNames(step.input)
      let ranks = result.ranks.filter { positions?.contains($0.position) ?? true }
      for (done, rank) in ranks.enumerated() {
        progress(done, ranks.count)
        try write(rank, &names, to: &file)
      }
      // A last event without a comma behind it; it also says what the trace is of.
      let title = jsonString(
        "\(step.placed.architecture.name) on \(step.cluster.name), plan \(step.placed.plan.name)")
      try file.write(
        "{\"name\":\"trace\",\"ph\":\"M\",\"pid\":0,\"args\":{\"name\":\(title)}}\n]}\n")
      try file.close()
    } catch {
      guard error.rule.contains("limit") else { throw error }
      throw ConfigurationError(
        file: error.file,
        rule: error.rule + "; choose fewer ranks with --trace-positions or raise --trace-limit")
    }
  }

  private func write(
    _ rank: RankResult, _ names: inout TraceNames, to file: inout OutputFile
  ) throws(ConfigurationError) {
    let replicas = result.ranks.reduce(0) { max($0, $1.replica) } + 1
    let process = rank.position * replicas + rank.replica
    let alike = step.placed.plan.worldSize / result.ranks.count
    let title =
      "position \(rank.position)"
      + (replicas > 1 ? ", replica \(rank.replica)" : alike > 1 ? " (\(alike) ranks alike)" : "")
    try file.write(
      "{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":\(process),\"args\":"
        + "{\"name\":\(jsonString(title))}},\n")
    try file.write(
      "{\"name\":\"process_sort_index\",\"ph\":\"M\",\"pid\":\(process),\"args\":"
        + "{\"sort_index\":\(process)}},\n")
    for stream in Stream.allCases where stream != .pipeline {
      try track("\(stream)", Int(stream.rawValue), process, to: &file)
    }
    for item in rank.items {
      try event(names.item(item.item), process, 0, item.start, item.end, to: &file)
      for span in item.spans {
        let name = names.span(span, in: item.item)
        try event(
          name, process, Int(span.stream.rawValue), item.start + span.start,
          item.start + span.end, to: &file)
      }
    }
    try writeTransfers(rank, process, names, to: &file)
    for sample in TraceMemory.samples(of: rank, step.input) {
      let parts = zip(Buffer.Use.allCases, sample.live)
        .map { "\"\($0)\":\($1)" }.joined(separator: ",")
      try file.write(
        "{\"name\":\"memory, bytes\",\"ph\":\"C\",\"pid\":\(process),"
          + "\"ts\":\(microseconds(sample.time)),\"args\":{\(parts)}},\n")
    }
  }

  /// Messages and collectives; what overlaps lies on different tracks.
  private func writeTransfers(
    _ rank: RankResult, _ process: Int, _ names: TraceNames, to file: inout OutputFile
  ) throws(ConfigurationError) {
    var tracks: [TransferTrack] = []
    for span in rank.transfers.sorted(by: { ($0.start, $0.end) < ($1.start, $1.end) }) {
      let kind = TransferTrack.Kind(span)
      var index = tracks.firstIndex { $0.kind == kind && $0.end <= span.start }
      if index == nil {
        let number = tracks.count { $0.kind == kind } + 1
        tracks.append(TransferTrack(kind: kind))
        index = tracks.count - 1
        try track(
          kind.rawValue + (number > 1 ? " \(number)" : ""), TransferTrack.first + tracks.count - 1,
          process, to: &file)
      }
      guard let index else { continue }
      tracks[index].end = span.end
      let place = TransferTrack.first + index
      try event(names.transfer(span), process, place, span.start, span.end, to: &file)
      try writeArrow(span, replica: rank.replica, process, place, to: &file)
    }
  }

  /// The end of an arrow from a message's send to its receive.
  private func writeArrow(
    _ span: TransferSpan, replica: Int, _ process: Int, _ place: Int, to file: inout OutputFile
  ) throws(ConfigurationError) {
    guard case .message(let transfer) = span.kind else { return }
    let step = transfer.boundary == .activation ? 1 : -1
    let receiver = transfer.isSend ? transfer.stage + step : transfer.stage
    let id = "\(transfer.boundary) \(receiver) \(transfer.microbatch) \(replica)"
    try file.write(
      "{\"name\":\"message\",\"cat\":\"message\",\"ph\":"
        + (transfer.isSend ? "\"s\"" : "\"f\",\"bp\":\"e\"")
        + ",\"id\":\"\(id)\",\"pid\":\(process),\"tid\":\(place),"
        + "\"ts\":\(microseconds(span.start))},\n")
  }

  private func track(
    _ name: String, _ number: Int, _ process: Int, to file: inout OutputFile
  ) throws(ConfigurationError) {
    try file.write(
      "{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":\(process),\"tid\":\(number),"
        + "\"args\":{\"name\":\"\(name)\"}},\n")
  }

  /// One complete event; `name` holds its name, category and arguments as JSON.
  private func event(
    _ name: String, _ process: Int, _ track: Int, _ start: Int64, _ end: Int64,
    to file: inout OutputFile
  ) throws(ConfigurationError) {
    try file.write(
      "{\(name),\"ph\":\"X\",\"pid\":\(process),\"tid\":\(track),"
        + "\"ts\":\(microseconds(start)),\"dur\":\(microseconds(end - start))},\n")
  }

  /// Picoseconds as microseconds with up to six decimals, exactly.
  private func microseconds(_ picoseconds: Int64) -> String {
    let (whole, rest) = picoseconds.quotientAndRemainder(dividingBy: 1_000_000)
    if rest == 0 { return String(whole) }
    let digits = String(rest)
    return "\(whole)." + String(repeating: "0", count: 6 - digits.count) + digits
  }
}

/// A track of messages or collectives.
private struct TransferTrack {
  enum Kind: String {
    case send, receive
    case collective = "reduce and gather"

    init(_ span: TransferSpan) {
      switch span.kind {
      case .message(let transfer): self = transfer.isSend ? .send : .receive
      case .collective: self = .collective
      }
    }
  }

  /// Numbers of tracks behind those of streams.
  static let first = 16

  var kind: Kind
  /// When its last event ends.
  var end: Int64 = 0
}

/// The names of events, made once for every operation of a program.
private struct TraceNames {
  private struct Key: Hashable {
    var stage: Int
    var pass: Action.Pass
  }

  private struct Names {
    var operations: [String]
    var transfers: [String]
    var waits: [String]
  }

  private let input: StepInput
  private var known: [Key: Names] = [:]

  init(_ input: StepInput) { self.input = input }

  /// The name of a span of an action's program.
  mutating func span(_ span: Timeline.Span, in item: Item) -> String {
    let action: Action
    switch item {
    case .run(let lone): action = lone
    case .overlapped(let forward, let backward): action = span.isForward ? forward : backward
    default: return field("operation", "optimizer")
    }
    let names = names(Key(stage: action.stage, pass: action.pass))
    switch span.kind {
    case .operation(let index): return names.operations[Int(index)]
    case .transfer(let index): return names.transfers[Int(index)]
    case .wait(let index): return names.waits[Int(index)]
    }
  }

  private mutating func names(_ key: Key) -> Names {
    // Stages of one shape run the same programs, but their layers have other numbers.
    if let made = known[key] { return made }
    let program = input.stages[key.stage].program(for: key.pass)
    let category = "\(key.pass)"
    let made = Names(
      operations: program.operations.map { field($0.traceName, category) },
      transfers: program.transfers.map {
        field($0.traceName, category) + arguments($0, stage: key.stage)
      },
      waits: program.transfers.map { field("wait for " + $0.traceName, "wait") })
    known[key] = made
    return made
  }

  /// Bytes and ranks of a transfer within an action; those of an exchange where every rank receives the
  /// same.
  private func arguments(_ transfer: Transfer, stage: Int) -> String {
    let rows = input.balancedRows[stage]
    let plan = input.plan
    let (count, ranks) =
      switch transfer.kind {
      case .dispatch(let exchange), .combine(let exchange), .combineBackward(let exchange),
        .dispatchBackward(let exchange):
        (rows.received[exchange], plan.expertParallel)
      case .counts: (plan.expertParallel, plan.expertParallel)
      case .allGather(let group), .reduceScatter(let group), .allReduce(let group):
        (rows(transfer.rows), copies(group, stage))
      }
    return Self.arguments(bytes: count * transfer.bytesPerRow, ranks: ranks)
  }

  private static func arguments(bytes: Int, ranks: Int) -> String {
    ",\"args\":{\"bytes\":\(bytes),\"ranks\":\(ranks)}"
  }

  private func copies(_ group: TransferKind.Group, _ stage: Int) -> Int {
    switch group {
    case .tensor: input.plan.tensorParallel
    case .context: input.plan.contextParallel
    case .world: input.plan.worldSize
    default: input.stages[stage].segments.first { $0.group == group }?.copies ?? 1
    }
  }

  /// A message or a collective outside of actions.
  func transfer(_ span: TransferSpan) -> String {
    switch span.kind {
    case .message(let message):
      let way = message.isSend ? "send" : "receive"
      return field(
        "\(way) \(message.boundary) of stage \(message.stage), microbatch \(message.microbatch)",
        "message")
        + ",\"args\":{\"bytes\":\(span.bytes),\"peer\":\(message.peer)}"
    case .collective(let stage, _, let kind):
      let group: TransferKind.Group =
        switch kind {
        case .allGather(let of), .reduceScatter(let of), .allReduce(let of): of
        default: .world
        }
      return field("\(kind.traceName) \(group) of stage \(stage)", "optimizer")
        + Self.arguments(bytes: span.bytes, ranks: copies(group, stage))
    }
  }

  func item(_ item: Item) -> String {
    switch item {
    case .run(let action): field("\(action)", "action")
    case .overlapped(let forward, let backward): field("\(forward) + \(backward)", "action")
    case .start: field("start message", "message")
    case .wait: field("wait for message", "wait")
    case .handOver: field("hand over", "message")
    case .lane(let step):
      switch step.change {
      case .open(let lane, _): field("begin lane \(lane) of stage \(step.stage)", "optimizer")
      case .fold: field("add lanes of stage \(step.stage)", "optimizer")
      }
    case .reduce(let stage): field("reduce gradients of stage \(stage)", "optimizer")
    case .norm(let stage): field("gradient norm of stage \(stage)", "optimizer")
    case .agree: field("agree on the norm", "optimizer")
    case .update(let stage): field("update stage \(stage)", "optimizer")
    case .settle(let stage): field("gather parameters of stage \(stage)", "optimizer")
    }
  }

  private func field(_ name: String, _ category: String) -> String {
    "\"name\":\(jsonString(name)),\"cat\":\"\(category)\""
  }
}

/// `text` as a JSON string with its quotes.
private func jsonString(_ text: String) -> String {
  var result = "\""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "\"": result += "\\\""
    case "\\": result += "\\\\"
    case _ where scalar.value < 32:
      let digits = String(scalar.value, radix: 16)
      result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    default: result.unicodeScalars.append(scalar)
    }
  }
  return result + "\""
}
