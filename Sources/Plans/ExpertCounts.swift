import Documents
import Models
import Schedules

/// How many tokens each routed expert of each layer got: a measured load, of which the shares matter.
///
/// Every mixture layer of the model has its counts; a multi-token prediction module is numbered behind
/// the layers.
public struct ExpertCounts: Hashable, Sendable {
  private var counts: [Int: [Int]] = [:]

  /// The counts of a layer, expert by expert.
  ///
  /// The layer must be a mixture of the model that the file was read for.
  public subscript(layer layer: Int) -> [Int] {
    guard let found = counts[layer] else {
      preconditionFailure("Counts are there for every mixture layer.")
    }
    return found
  }

  /// Reads a file of counts for a model.
  ///
  /// Two forms are read. Comma-separated text with the columns `layer`, `expert` and `tokens` in any
  /// order, all counted from 0. Or JSON Lines, such as the metrics of `sluice train`: of the last line
  /// the list `expert_load`, whose items have `layer` and `counts`; other keys are passed over.
  ///
  /// - Throws: `ConfigurationError` with file, line and rule; for a file that is no such text, leaves a
  ///   mixture layer or an expert out, names one that the model does not have, or gives an expert more
  ///   tokens than a router can choose it for.
  public init(file path: String, for architecture: Architecture) throws(ConfigurationError) {
    try self.init(text: textFile(path), name: path, for: architecture)
  }

  /// Reads text that messages call `name`.
  public init(
    text: String, name: String, for architecture: Architecture
  ) throws(ConfigurationError) {
    var reader = ExpertCountsReader(name: name, architecture)
    let lines = text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
      .enumerated().map { (number: $0 + 1, text: $1) }
      .filter { !$0.text.allSatisfy { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D } }
    guard let first = lines.first, let last = lines.last else {
      throw ConfigurationError(file: name, rule: "is empty")
    }
    if first.text.first == UInt8(ascii: "{") {
      // A run that went on and has made no step yet ends with a header.
      let step = lines.last { !$0.text.starts(with: "{\"run\": ".utf8) } ?? last
      try reader.readMetrics(Array(step.text), line: step.number)
    } else {
      try reader.readTable(lines)
    }
    counts = try reader.finished()
  }
}
