import Engines
import Programs
import Schedules

/// One rank's part of a trace, as text: a process with a track for every stream, an event per item with the
/// events of its operations and waits inside, messages and collectives with arrows from send to receive,
/// and a counter of live memory by use.
///
/// Times are microseconds, cut to whole nanoseconds as the viewer keeps them, so that what nests and what
/// follows does so there too. `bytes` is what the rank puts into a transfer, or of a message receives.
struct TracePart {
  /// What is written down so far and not yet taken.
  private var text = ""
  private let process: Int
  private var lanes: [Lane] = []

  /// A further track, for what overlaps on the others of its name.
  private struct Lane {
    var name: String
    var number: Int
    /// When its last event ends.
    var end: Int64
  }

  /// Numbers of tracks behind those of streams.
  static let firstLane = 16

  /// Begins the part of a rank.
  init(_ title: String, process: Int) {
    self.process = process
    metadata("process_name", "\"name\":\(traceString(title))")
    metadata("process_sort_index", "\"sort_index\":\(process)")
    for stream in Stream.allCases where stream != .pipeline && !stream.isOfHost {
      metadata("thread_name", "\"name\":\"\(stream.traceName)\"", track: Int(stream.rawValue))
      if stream != .compute {
        lanes.append(Lane(name: stream.traceName, number: Int(stream.rawValue), end: .min))
      }
    }
  }

  /// Takes what was written since the last time.
  mutating func take() -> String {
    defer { text = "" }
    return text
  }

  /// Writes all that a rank did.
  ///
  /// - Parameters:
  ///   - transfers: the messages of its program.
  ///   - pipeline: tells the pipeline apart to which the rank belongs.
  ///   - write: takes the text, piece by piece.
  mutating func write<E: Error>(
    _ timeline: Timeline, _ names: inout TraceNames, _ transfers: [PipelineTransfer],
    pipeline: Int, to write: (String) throws(E) -> Void
  ) throws(E) {
    var spans: [(name: String, stream: Stream, start: Int64, end: Int64)] = []
    for item in timeline.items {
      event(names.item(item.item, transfers), 0, item.start, item.end)
      for span in item.spans {
        let name = names.span(span, in: item.item)
        let (start, end) = (item.start + span.start, item.start + span.end)
        if span.stream == .compute {
          event(name, 0, start, end)
        } else {
          spans.append((name, span.stream, start, end))
        }
      }
      try write(take())
    }
    for span in spans.sorted(by: { ($0.start, $0.end) < ($1.start, $1.end) }) {
      let track = track(span.stream.traceName, span.start, span.end)
      event(span.name, track, span.start, span.end)
    }
    for span in timeline.transfers.sorted(by: { ($0.start, $0.end) < ($1.start, $1.end) }) {
      let track = track(span.traceTrack, span.start, span.end)
      event(names.transfer(span), track, span.start, span.end)
      arrow(span, track, pipeline: pipeline)
    }
    for sample in timeline.memory {
      let parts = zip(Buffer.Use.allCases, sample.live)
        .map { "\"\($0)\":\($1)" }.joined(separator: ",")
      text +=
        "{\"name\":\"memory, bytes\",\"ph\":\"C\",\"pid\":\(process),"
        + "\"ts\":\(microseconds(sample.time / 1000)),\"args\":{\(parts)}},\n"
    }
    try write(take())
  }

  /// A track of this name on which nothing is under way from `start` on.
  private mutating func track(_ name: String, _ start: Int64, _ end: Int64) -> Int {
    if let index = lanes.firstIndex(where: { $0.name == name && $0.end <= start }) {
      lanes[index].end = end
      return lanes[index].number
    }
    let count = lanes.count { $0.name == name }
    let number = Self.firstLane + lanes.count { $0.number >= Self.firstLane }
    metadata(
      "thread_name", "\"name\":\"\(name)\(count > 0 ? " \(count + 1)" : "")\"", track: number)
    lanes.append(Lane(name: name, number: number, end: end))
    return number
  }

  /// One end of an arrow from a message's send to its receive: from the first moment of the one to the last
  /// of the other.
  private mutating func arrow(_ span: TransferSpan, _ track: Int, pipeline: Int) {
    guard case .message(let transfer) = span.kind else { return }
    let step = transfer.boundary == .activation ? 1 : -1
    let receiver = transfer.isSend ? transfer.stage + step : transfer.stage
    let id = "\(transfer.boundary) \(receiver) \(transfer.microbatch) \(pipeline)"
    let (start, end) = (span.start / 1000, span.end / 1000)
    text +=
      "{\"name\":\"message\",\"cat\":\"message\",\"ph\":"
      + (transfer.isSend ? "\"s\"" : "\"f\",\"bp\":\"e\"")
      + ",\"id\":\"\(id)\",\"pid\":\(process),\"tid\":\(track),"
      + "\"ts\":\(microseconds(transfer.isSend ? start : max(start, end - 1)))},\n"
  }

  /// One complete event; `name` holds its name, category and arguments as JSON.
  private mutating func event(_ name: String, _ track: Int, _ start: Int64, _ end: Int64) {
    let (first, last) = (start / 1000, end / 1000)
    text +=
      "{\(name),\"ph\":\"X\",\"pid\":\(process),\"tid\":\(track),"
      + "\"ts\":\(microseconds(first)),\"dur\":\(microseconds(last - first))},\n"
  }

  private mutating func metadata(_ name: String, _ arguments: String, track: Int? = nil) {
    let place = track.map { ",\"tid\":\($0)" } ?? ""
    text +=
      "{\"name\":\"\(name)\",\"ph\":\"M\",\"pid\":\(process)\(place),\"args\":{\(arguments)}},\n"
  }
}

/// Nanoseconds as microseconds, so written that a reader who multiplies by 1,000 and cuts what is behind the
/// point has them again: 1.001 times 1,000 is a little less than 1,001.
func microseconds(_ nanoseconds: Int64) -> String {
  let (whole, rest) = nanoseconds.quotientAndRemainder(dividingBy: 1000)
  if rest == 0 { return String(whole) }
  let digits = String(rest)
  let text = "\(whole)." + String(repeating: "0", count: 3 - digits.count) + digits
  guard let value = Double(text), Int64(value * 1000) != nanoseconds else { return text }
  return text + "0001"
}

/// `text` as a JSON string with its quotes.
func traceString(_ text: String) -> String {
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

/// What stands around the parts of all ranks.
enum TraceFrame {
  /// - Parameter inputs: what the step was computed from, as JSON.
  static func head(inputs: String) -> String {
    "{\"displayTimeUnit\":\"ms\",\"otherData\":{\"inputs\":\(inputs)},\"traceEvents\":[\n"
  }

  /// A last event without a comma behind it, which also says what the trace is of.
  static func foot(_ title: String) -> String {
    "{\"name\":\"trace\",\"ph\":\"M\",\"pid\":0,\"args\":{\"name\":\(traceString(title))}}\n]}\n"
  }
}

extension TransferSpan {
  /// The name of its track.
  var traceTrack: String {
    switch kind {
    case .message(let transfer): transfer.isSend ? "send" : "receive"
    case .collective: "reduce and gather"
    }
  }
}

extension Stream {
  /// The name of its track.
  var traceName: String {
    switch self {
    case .compute: "compute"
    case .expert: "expert parallel"
    case .pipeline: "pipeline parallel"
    case .data: "data parallel"
    case .tensor: "tensor parallel"
    case .context: "context parallel"
    case .toHost: "to the host"
    case .fromHost: "from the host"
    }
  }
}
