import Documents
import Engines
import Programs
import Schedules

/// A real step of all ranks in the format of `StepTrace`: a process per rank, a track per stream.
///
/// Each rank makes its own part; one of them writes the parts of all to a file.
public struct RunTrace: Sendable {
  /// The events of one rank as text.
  public private(set) var text = ""
  private let rank: Int
  private let stages: [StageProgram]

  /// Describes what a rank did.
  ///
  /// - Parameters:
  ///   - operations: the operations that were carried out, in order: one for each span of an operation.
  ///   - timeline: spans in picoseconds since the start of the step.
  ///   - stages: the programs of all stages.
  public init(
    rank: Int, operations: [(instance: Instance, index: Int)], _ timeline: Timeline,
    stages: [StageProgram]
  ) {
    self.rank = rank
    self.stages = stages
    begin()
    var next = 0
    var open: (instance: Instance, start: Int64, end: Int64)?
    for span in timeline.spans {
      guard case .operation = span.kind, next < operations.count else {
        event("wait", "wait", span.stream, span.start, span.end)
        continue
      }
      let (instance, index) = operations[next]
      next += 1
      if let known = open, known.instance == instance {
        open?.end = span.end
      } else {
        if let open { action(open) }
        open = (instance, span.start, span.end)
      }
      event(name(instance, index), "\(instance.pass)", span.stream, span.start, span.end)
    }
    if let open { action(open) }
  }

  private mutating func begin() {
    text +=
      "{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":\(rank),\"args\":"
      + "{\"name\":\"rank \(rank)\"}},\n"
    for stream in Stream.allCases {
      text +=
        "{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":\(rank),\"tid\":\(stream.rawValue),"
        + "\"args\":{\"name\":\"\(stream)\"}},\n"
    }
  }

  private func name(_ instance: Instance, _ index: Int) -> String {
    guard instance.microbatch >= 0 else { return "optimizer" }
    let program = stages[Int(instance.stage)].program(for: instance.pass)
    return program.operations[index].traceName
  }

  private mutating func action(_ span: (instance: Instance, start: Int64, end: Int64)) {
    let instance = span.instance
    let name =
      instance.microbatch < 0
      ? "optimizer of stage \(instance.stage)"
      : "\(Action(instance.pass, stage: Int(instance.stage), microbatch: Int(instance.microbatch)))"
    event(name, "action", .compute, span.start, span.end)
  }

  private mutating func event(
    _ name: String, _ category: String, _ stream: Stream, _ start: Int64, _ end: Int64
  ) {
    text +=
      "{\"name\":\"\(name)\",\"cat\":\"\(category)\",\"ph\":\"X\",\"pid\":\(rank),"
      + "\"tid\":\(stream.rawValue),\"ts\":\(Double(start) / 1e6),"
      + "\"dur\":\(Double(end - start) / 1e6)},\n"
  }

  /// Writes the parts of all ranks, one behind the other, as one file.
  ///
  /// - Throws: `ConfigurationError` if the file cannot be written.
  public static func write(_ parts: String, title: String, to path: String) throws {
    var file = try OutputFile(path: path)
    try file.write("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n")
    try file.write(parts)
    let name = try jsonText(title).trimmingSuffix(while: \.isNewline)
    try file.write("{\"name\":\"trace\",\"ph\":\"M\",\"pid\":0,\"args\":{\"name\":\(name)}}\n]}\n")
    try file.close()
  }
}

extension String {
  /// The text without what its end has of such characters.
  fileprivate func trimmingSuffix(while isLeftOut: (Character) -> Bool) -> Substring {
    var rest = self[...]
    while let last = rest.last, isLeftOut(last) { rest = rest.dropLast() }
    return rest
  }
}
