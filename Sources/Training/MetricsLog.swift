import Documents
import Foundation

/// What a log begins with, and says again where a run went on: what the lines behind it were computed
/// from.
public struct LogHeader: Hashable, Sendable {
  /// The run that wrote them, as its checkpoints name it: `TrainingState.run`.
  public var run: String
  /// The step behind which they begin.
  public var afterStep: Int
  /// What the run computes from, as a JSON object on one line; nil where nobody has said it.
  public var inputs: String?

  public init(run: String, afterStep: Int, inputs: String? = nil) {
    self.run = run
    self.afterStep = afterStep
    self.inputs = inputs
  }

  /// One JSON object on one line.
  public var line: String {
    let inputs = inputs.map { ", \"inputs\": \($0)" } ?? ""
    return "{\"run\": \(JSONValue.quoted(run)), \"after_step\": \(afterStep)\(inputs)}"
  }

  /// Reads a line, but for its inputs; nil if it is another one.
  init?(_ value: JSONValue) {
    guard let run = value["run"]?.text, let step = value["after_step"]?.number else { return nil }
    self.init(run: run, afterStep: step)
  }
}

/// A file of metrics that grows while a run goes on: a header, and a line for a step.
///
/// A class, since it owns an open file.
public final class MetricsLog {
  /// What becomes of lines that are there already.
  public enum EarlierLines: Hashable, Sendable {
    case removed
    /// The file gets another name.
    case setAside
    /// Those of the run of that name stay up to the header's step: later ones will be made again. Another
    /// run's file gets another name.
    case continued(run: String)
  }

  private let file: GrowingFile
  /// What became of another run's log, for people.
  public let notice: String?

  /// Opens the file, whose folder is made if need be, and writes a header behind the lines that stay.
  ///
  /// - Parameter inputs: what the run reads, which is never written to.
  /// - Throws: `CheckpointError` where the disk refuses.
  public init(
    path: String, _ header: LogHeader, _ earlier: EarlierLines = .removed,
    besides inputs: [String] = []
  ) throws(CheckpointError) {
    _ = try makeFolder(parentFolder(of: path))
    var lines: [UInt8] = []
    var notice: String?
    if fileSize(path) > 0 {
      var kept: [UInt8]?
      if case .continued(let run) = earlier {
        kept = try Self.lines(of: run, in: path, upTo: header.afterStep)
      }
      if let kept {
        lines = kept
      } else if earlier != .removed {
        let name = try Self.setAside(path)
        notice = "\(path) is of another run, or does not say of which, and stays as \(name)"
      }
    }
    lines += Array((header.line + "\n").utf8)
    do throws(ConfigurationError) {
      var file = try OutputFile(OutputPath(path, besides: inputs), limit: .max)
      try file.write(lines)
      try file.close()
    } catch {
      throw CheckpointError(.system, file: path, rule: error.rule)
    }
    self.notice = notice
    file = try GrowingFile(path: path, mode: .append)
  }

  /// The lines up to a step; nil where another run wrote them, or nobody knows who did.
  ///
  /// A last line that was cut is left out.
  ///
  /// - Complexity: linear in the file's bytes; of the lines of steps that others follow only the number is read.
  private static func lines(
    of run: String, in path: String, upTo step: Int
  ) throws(CheckpointError) -> [UInt8]? {
    var kept: [UInt8] = []
    // The run that wrote the lines at the step; of a log that begins there, the first one.
    var writer: String?
    let bytes = try InputFile(path: path).allBytes(limit: 1 << 34)
    let lines = bytes.split(separator: UInt8(ascii: "\n"))
    for (index, line) in lines.enumerated() {
      // A line that was cut is the last one.
      if index + 1 < lines.count, let number = Self.step(ofWhole: line) {
        guard number <= step else { break }
      } else {
        guard let value = try? JSONValue(Array(line)) else { break }
        if let header = LogHeader(value) {
          if writer == nil || header.afterStep < step { writer = header.run }
          guard header.afterStep < step else { break }
        } else {
          guard let number = value["step"]?.number, number <= step else { break }
        }
      }
      kept += line
      kept.append(UInt8(ascii: "\n"))
    }
    return writer == run && !run.isEmpty ? kept : nil
  }

  /// The number of a step's line that is whole, as this type writes it; nil for any other line.
  private static func step(ofWhole line: ArraySlice<UInt8>) -> Int? {
    let beginning = Array("{\"step\": ".utf8)
    guard line.starts(with: beginning), line.last == UInt8(ascii: "}") else { return nil }
    let digits = line.dropFirst(beginning.count).prefix { 0x30...0x39 ~= $0 }
    guard (1...18).contains(digits.count), line[digits.endIndex] == UInt8(ascii: ",") else {
      return nil
    }
    return digits.reduce(0) { 10 * $0 + Int($1 - 0x30) }
  }

  /// Gives a log another name, `log.jsonl.earlier`, and says it.
  private static func setAside(_ path: String) throws(CheckpointError) -> String {
    let name = "\(path).earlier"
    var (other, number) = (name, 1)
    while (try? FileManager.default.attributesOfItem(atPath: other)) != nil {
      number += 1
      other = "\(name)-\(number)"
    }
    try move(path, to: other)
    return lastName(of: other)
  }

  /// Whether a file is a log that this type wrote, or empty.
  ///
  /// It begins with a header, or, of a sluice that wrote none, with a step's line as this type writes it. A
  /// table of one's own that has a step is neither.
  ///
  /// - Throws: `CheckpointError` where it cannot be read.
  static func isLog(_ path: String) throws(CheckpointError) -> Bool {
    let file = try InputFile(path: path)
    let beginning = try file.bytes(at: 0, count: min(file.count, 1 << 20))
    guard let line = beginning.split(separator: UInt8(ascii: "\n")).first else {
      return beginning.isEmpty
    }
    if step(ofWhole: line) != nil {
      let keys = (try? JSONValue(Array(line)))?.entries?.map(\.key) ?? []
      return keys.starts(with: ["step", "tokens", "global_batch"])
    }
    return (try? JSONValue(Array(line))).flatMap(LogHeader.init) != nil
  }

  /// Adds a line.
  public func write(_ metrics: StepMetrics) throws(CheckpointError) {
    try write(line: metrics.line)
  }

  /// Adds a JSON object of a step, which begins with the step's number.
  func write(line: String) throws(CheckpointError) {
    try file.write(Array((line + "\n").utf8))
  }
}
