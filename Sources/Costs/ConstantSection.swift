import Clusters
import Documents
import Quantities

/// What a constant of a cost formula may be.
enum ConstantKind {
  /// A whole number of things, at least one.
  case count
  /// A number above zero; a number from zero.
  case positive, number
  /// Bytes per second; seconds.
  case rate, time

  /// How it is written in a file, read in SI units.
  var expected: Expected<Double> {
    switch self {
    case .count: Expected.integer(in: 1...1_000_000_000).map { Double($0) }
    case .number: .number()
    case .positive: .positiveNumber
    case .rate:
      Expected.quantity(in: BytesPerSecond(1e6)...BytesPerSecond(1e18)).map { $0.value }
    case .time: Expected.quantity(in: Seconds.zero...Seconds(1)).map { $0.value }
    }
  }
}

/// Reads the constants of a section of a cluster file, each with its source.
///
/// A constant that is missing, misspelt or impossible is an error with its file, line and key.
struct ConstantSection {
  private let table: Table
  private let prefix: String
  private(set) var entries: [NumberTable.Entry] = []

  init(_ table: Table, prefix: String) {
    self.table = table
    self.prefix = prefix
  }

  mutating func read(_ name: String, _ kind: ConstantKind) throws(ConfigurationError) {
    let constant = try table.required(name, .sourced(kind.expected))
    entries.append(
      .init(prefix + name, constant.value, source: constant.origin.description))
  }

  mutating func read(_ constants: [(String, ConstantKind)]) throws(ConfigurationError) {
    for (name, kind) in constants { try read(name, kind) }
  }
}

extension KernelParameters {
  /// The section as a table; an error that says where to take one from if the file has none.
  func constants(_ name: String) throws(ConfigurationError) -> Table {
    if let table = try read() { return table }
    throw place.error(
      "needs the section \(name): a shipped cluster's can be taken by its name (\(name): h800-2048)"
    )
  }
}
