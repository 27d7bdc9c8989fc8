import Documents
import Engines
import Programs
import Schedules
import Simulation

/// Writes a simulated step in the trace format of Chrome, which Perfetto opens: ui.perfetto.dev.
///
/// A process per rank, a track per stream, an event per action with the events of its operations inside,
/// waits of the compute stream among them, and a counter of live memory by use. Times are microseconds
/// with a precision of a picosecond. Messages between pipeline ranks appear as the waits that they cause.
public struct StepTrace: Sendable {
  /// The size in bytes that a trace may have unless told otherwise.
  public static let usualLimit = 512 << 20

  /// The pipeline positions that are written; nil for all.
  public var positions: Set<Int>?
  /// The size in bytes above which the trace is refused.
  public var limit = StepTrace.usualLimit
  private let result: StepResult
  private let step: PlannedStep

  /// The trace of a step that was simulated with `keepsSpans`.
  public init(_ result: StepResult, of step: PlannedStep) {
    self.result = result
    self.step = step
  }

  /// Writes the trace; the file appears only when all of it is written.
  ///
  /// - Throws: `ConfigurationError` if it would exceed the limit or cannot be written.
  ///
  /// - Parameter progress: called before each rank with the number of ranks that are done and their
  ///   total.
  public func write(
    to path: String, progress: (Int, Int) -> Void = { _, _ in }
  ) throws(ConfigurationError) {
    var file = try OutputFile(path: path, limit: limit)
    do throws(ConfigurationError) {
      try file.write("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n")
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
    for stream in Stream.allCases {
      try file.write(
        "{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":\(process),\"tid\":\(stream.rawValue),"
          + "\"args\":{\"name\":\"\(stream)\"}},\n")
    }
    for item in rank.items {
      try event(names.item(item.item), process, .compute, item.start, item.end, to: &file)
      for span in item.spans {
        let name = names.span(span, in: item.item)
        try event(
          name, process, span.stream, item.start + span.start, item.start + span.end, to: &file)
      }
    }
    for sample in TraceMemory.samples(of: rank, step.input) {
      let parts = zip(Buffer.Use.allCases, sample.live)
        .map { "\"\($0)\":\($1)" }.joined(separator: ",")
      try file.write(
        "{\"name\":\"memory, bytes\",\"ph\":\"C\",\"pid\":\(process),"
          + "\"ts\":\(microseconds(sample.time)),\"args\":{\(parts)}},\n")
    }
  }

  /// One complete event; `name` holds its name and category as JSON.
  private func event(
    _ name: String, _ process: Int, _ stream: Stream, _ start: Int64, _ end: Int64,
    to file: inout OutputFile
  ) throws(ConfigurationError) {
    try file.write(
      "{\(name),\"ph\":\"X\",\"pid\":\(process),\"tid\":\(stream.rawValue),"
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
      transfers: program.transfers.map { field($0.traceName, category) },
      waits: program.transfers.map { field("wait for " + $0.traceName, "wait") })
    known[key] = made
    return made
  }

  func item(_ item: Item) -> String {
    switch item {
    case .run(let action): field("\(action)", "action")
    case .overlapped(let forward, let backward): field("\(forward) + \(backward)", "action")
    case .start: field("start message", "message")
    case .wait: field("wait for message", "wait")
    case .handOver: field("hand over", "message")
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
