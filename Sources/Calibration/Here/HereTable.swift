import Clusters
import Documents
import Quantities

/// What `sluice calibrate --here` measured, as the CSV in which it is handed over.
///
/// One line for each kernel or message that was timed, and lines `# key: value` in front with what the machine
/// is. The last column says the first work that a row has (FLOPs, else bytes, else rows) in millions a second: a
/// table whose times have another unit contradicts itself there.
public struct HereTable: Sendable {
  /// A kernel of one shape in one state of the machine.
  public struct KernelRow: Hashable, Sendable {
    public var kernel: ProcessorKernel
    public var ranks: Int
    public var active: Int
    /// Operations, bytes of activations, bytes of weights, rows.
    public var work: [Double]
    public var seconds: Double

    public init(
      _ kernel: ProcessorKernel, ranks: Int, active: Int, work: [Double], seconds: Double
    ) {
      self.kernel = kernel
      self.ranks = ranks
      self.active = active
      self.work = work
      self.seconds = seconds
    }
  }

  /// A message one way.
  public struct MessageRow: Hashable, Sendable {
    public var way: Processor.Way
    /// Ranks that were started on the machine, and how many were busy.
    ///
    /// Busy are the two of the message, and those that computed meanwhile. A table that says 2 of 2 has messages while all others waited, however many.
    public var ranks: Int
    public var active: Int
    public var bytes: Double
    public var seconds: Double

    public init(
      _ way: Processor.Way, ranks: Int = 2, active: Int = 2, bytes: Double, seconds: Double
    ) {
      self.way = way
      (self.ranks, self.active) = (ranks, active)
      self.bytes = bytes
      self.seconds = seconds
    }
  }

  /// Where it was measured: processor, cores, memory (bytes), nodes, ranks of a node.
  public var facts: [(key: String, value: String)] = []
  public var kernels: [KernelRow] = []
  public var messages: [MessageRow] = []
  /// The file, for messages.
  public var file = "the measurement"

  public init() {}

  /// The columns.
  static let columns = [
    "part", "name", "ranks", "active", "flops", "bytes", "weights", "rows", "seconds", "rate",
  ]

  /// A fact's value.
  public subscript(fact key: String) -> String? { facts.first { $0.key == key }?.value }

  /// The table as text, which `init(text:file:)` reads back.
  public var text: String {
    var lines = facts.map { "# \($0.key): \($0.value)" }
    lines.append(Self.columns.joined(separator: ","))
    for row in kernels {
      lines.append(
        (["kernel", row.kernel.rawValue, "\(row.ranks)", "\(row.active)"]
          + row.work.map { "\($0)" } + ["\(row.seconds)", "\(Self.rate(row.work, row.seconds))"])
          .joined(separator: ","))
    }
    for row in messages {
      let work = [0, row.bytes, 0, 0]
      lines.append(
        (["message", row.way.rawValue, "\(row.ranks)", "\(row.active)"] + work.map { "\($0)" }
          + ["\(row.seconds)", "\(Self.rate(work, row.seconds))"]).joined(separator: ","))
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private static func rate(_ work: [Double], _ seconds: Double) -> Double {
    (work.first { $0 > 0 } ?? 1) / seconds * 1e-6
  }
}

extension HereTable {
  /// Reads a file, of at most 64 MiB.
  public init(path: String) throws(ConfigurationError) {
    let bytes = try ByteStream(path).whole(atMost: 64 << 20)
    try self.init(text: String(decoding: bytes, as: UTF8.self), file: path)
  }

  /// Reads a table; every fault is an error with its line.
  public init(text: String, file: String) throws(ConfigurationError) {
    self.file = file
    var hasHead = false
    // Windows ends lines with two bytes, which Swift reads as one character.
    let lines = text.split(omittingEmptySubsequences: false) { $0.isNewline }
    for (index, line) in lines.enumerated() {
      if line.isEmpty { continue }
      if line.hasPrefix("#") {
        let parts = line.dropFirst().split(separator: ":", maxSplits: 1)
        if parts.count == 2 {
          facts.append((Self.trimmed(parts[0]), Self.trimmed(parts[1])))
        }
        continue
      }
      let cells = line.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
      if !hasHead {
        guard cells == Self.columns else {
          throw Self.error(
            file, index, "expected the columns \(Self.columns.joined(separator: ","))",
            String(line.prefix(80)))
        }
        hasHead = true
      } else {
        try read(cells, index)
      }
    }
    guard hasHead else {
      throw ConfigurationError(
        file: file, rule: "has no line of columns: expected \(Self.columns.joined(separator: ","))")
    }
  }

  private static func trimmed(_ text: Substring) -> String {
    String(text.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
  }

  private static func error(
    _ file: String, _ index: Int, _ rule: String, _ value: String? = nil, suggestion: String? = nil
  ) -> ConfigurationError {
    ConfigurationError(
      file: file, line: index + 1, value: value, rule: rule, suggestion: suggestion)
  }

  private mutating func read(_ cells: [String], _ index: Int) throws(ConfigurationError) {
    guard cells.count == Self.columns.count else {
      throw Self.error(
        file, index, "has \(cells.count) cells, expected \(Self.columns.count): the line is cut")
    }
    func number(_ column: Int, isPositive: Bool) throws(ConfigurationError) -> Double {
      guard let value = Double(cells[column]), value.isFinite, value <= 1e18,
        isPositive ? value > 0 : value >= 0
      else {
        throw Self.error(
          file, index,
          "\(Self.columns[column]): expected a number \(isPositive ? "above" : "of at least") 0",
          cells[column])
      }
      return value
    }
    func count(_ column: Int) throws(ConfigurationError) -> Int {
      guard let value = Int(cells[column]), (1...4096).contains(value) else {
        throw Self.error(
          file, index, "\(Self.columns[column]): expected a whole number from 1 to 4096",
          cells[column])
      }
      return value
    }
    var work: [Double] = []
    for column in 4..<8 { work.append(try number(column, isPositive: false)) }
    let (seconds, rate) = (
      try number(8, isPositive: true), try number(9, isPositive: true)
    )
    let expected = Self.rate(work, seconds)
    guard abs(rate / expected - 1) < 0.01 else {
      throw Self.error(
        file, index,
        "seconds and rate contradict each other: \(expected) million a second follow from the time; "
          + "are its units seconds?", cells[9])
    }
    let (ranks, active) = (try count(2), try count(3))
    guard active <= ranks else {
      throw Self.error(file, index, "active must not exceed the \(ranks) ranks", cells[3])
    }
    switch cells[0] {
    case "kernel":
      guard let kernel = ProcessorKernel(rawValue: cells[1]) else {
        throw Self.error(
          file, index, "is no class of kernels", cells[1],
          suggestion: nearestName(to: cells[1], among: ProcessorKernel.allCases.map(\.rawValue)))
      }
      kernels.append(
        KernelRow(kernel, ranks: ranks, active: active, work: work, seconds: seconds))
    case "message":
      guard let way = Processor.Way(rawValue: cells[1]) else {
        throw Self.error(file, index, "expected a message of node or network", cells[1])
      }
      guard active >= 2 else {
        throw Self.error(file, index, "active must be at least the message's 2 ranks", cells[3])
      }
      messages.append(
        MessageRow(way, ranks: ranks, active: active, bytes: work[1], seconds: seconds))
    default: throw Self.error(file, index, "expected a part kernel or message", cells[0])
    }
  }
}
