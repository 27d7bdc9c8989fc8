import Documents
import Engines
import Programs
import Schedules

/// A real step of all ranks in the format of `StepTrace`: a process per rank, a track per stream.
///
/// Each rank makes its own part; one of them writes the parts of all to a file.
public struct RunTrace: Sendable {
  /// What lasted for a span.
  public enum Work: Hashable, Sendable {
    /// An operation or a transfer of a stage's program, by its index.
    case operation(Instance, index: Int)
    case transfer(Instance, index: Int)
    /// A message between pipeline ranks.
    case message(Boundary, isSend: Bool, stage: Int, microbatch: Int)
  }

  /// The events of one rank as text.
  public private(set) var text = ""
  private let rank: Int
  private let stages: [StageProgram]
  private var open: (instance: Instance, start: UInt64, end: UInt64)?

  /// Begins the part of a rank; `stages` are the programs of all stages.
  public init(rank: Int, stages: [StageProgram]) {
    self.rank = rank
    self.stages = stages
    text +=
      "{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":\(rank),\"args\":"
      + "{\"name\":\"rank \(rank)\"}},\n"
    for stream in Stream.allCases {
      text +=
        "{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":\(rank),\"tid\":\(stream.rawValue),"
        + "\"args\":{\"name\":\"\(stream)\"}},\n"
    }
  }

  /// Adds a span, in nanoseconds since the start of the step; those of one stream in their order.
  ///
  /// - Parameter isWait: whether the rank stood still for the work.
  public mutating func add(
    _ work: Work, _ stream: Stream, isWait: Bool, start: UInt64, end: UInt64
  ) {
    if case .operation(let instance, _) = work {
      if let known = open, known.instance == instance {
        open?.end = end
      } else {
        close()
        open = (instance, start, end)
      }
    }
    let (name, category) = title(work)
    event(
      isWait ? "wait for \(name)" : name, isWait ? "wait" : category, stream, start, end)
  }

  /// Ends the part; to be called behind the last span.
  public mutating func close() {
    guard let span = open else { return }
    open = nil
    let instance = span.instance
    let name =
      instance.microbatch < 0
      ? "optimizer of stage \(instance.stage)"
      : "\(Action(instance.pass, stage: Int(instance.stage), microbatch: Int(instance.microbatch)))"
    event(name, "action", .compute, span.start, span.end)
  }

  private func title(_ work: Work) -> (name: String, category: String) {
    switch work {
    case .operation(let instance, let index):
      guard let program = program(instance) else { return ("optimizer", "optimizer") }
      return (program.operations[index].traceName, "\(instance.pass)")
    case .transfer(let instance, let index):
      guard let program = program(instance) else { return ("gradients, parameters", "optimizer") }
      return (program.transfers[index].traceName, "\(instance.pass)")
    case .message(let boundary, let isSend, let stage, let microbatch):
      return (
        "\(isSend ? "send" : "receive") \(boundary) of stage \(stage), microbatch \(microbatch)",
        "message"
      )
    }
  }

  /// The program of an action; nil for the optimizer's, which belong to no microbatch.
  private func program(_ instance: Instance) -> Program? {
    guard instance.microbatch >= 0 else { return nil }
    return stages[Int(instance.stage)].program(for: instance.pass)
  }

  private mutating func event(
    _ name: String, _ category: String, _ stream: Stream, _ start: UInt64, _ end: UInt64
  ) {
    text +=
      "{\"name\":\"\(name)\",\"cat\":\"\(category)\",\"ph\":\"X\",\"pid\":\(rank),"
      + "\"tid\":\(stream.rawValue),\"ts\":\(Double(start) / 1e3),"
      + "\"dur\":\(Double(end - start) / 1e3)},\n"
  }

  /// Writes the parts of all ranks, one behind the other, as one file.
  ///
  /// - Throws: `ConfigurationError` if the file cannot be written.
  public static func write(_ parts: String, title: String, to path: OutputPath) throws {
    var file = try OutputFile(path)
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
