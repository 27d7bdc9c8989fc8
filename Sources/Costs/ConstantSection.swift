import Clusters
import Documents
import Quantities

/// What a constant of a cost formula may be: wider than any hardware, and narrow enough for every formula
/// to give a time.
enum ConstantKind {
  /// Rows or columns of a block, elements of a step.
  case rows, tile
  /// A step between tiles' sides; keys and values of attention.
  case step, keys
  /// What is reached of a whole: above 0, at most 1; a part that may be nothing.
  case share, fraction
  /// FLOP per clock and multiprocessor; clock cycles; a multiple of something; an exponent.
  case flopsPerClock, cycles, multiple, exponent
  /// Bytes per second; seconds; seconds of which there are some; bytes.
  case rate, time, latency, bytes
  /// Ranks of a node.
  case ranks

  /// How it is written in a file, read in SI units.
  var expected: Expected<Double> {
    switch self {
    case .rows: Expected.integer(in: 1...4096).map { Double($0) }
    // The smallest tile of any library has 64 rows and 64 columns.
    case .tile: Expected.integer(in: 64...4096).map { Double($0) }
    case .keys: .number(in: 0...100_000)
    case .step: Expected.integer(in: 8...192).map { Double($0) }
    case .share: .number(in: 0.001...1)
    case .fraction: .fraction
    case .ranks: Expected.integer(in: 2...4096).map { Double($0) }
    case .bytes: Expected.quantity(in: ByteCount(1)...ByteCount(1 << 50)).map { Double($0.bytes) }
    case .flopsPerClock: .number(in: 1...1_000_000)
    case .cycles: .number(in: 0...100_000)
    case .multiple: .number(in: 0...100)
    case .exponent: .number(in: 1...16)
    case .rate:
      Expected.quantity(in: BytesPerSecond(1e6)...BytesPerSecond(1e18)).map { $0.value }
    case .time: Expected.quantity(in: Seconds.zero...Seconds(1)).map { $0.value }
    case .latency: Expected.quantity(in: Seconds(1e-9)...Seconds(1)).map { $0.value }
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

  /// - Parameter bound: what the device makes of the value as it was written.
  mutating func read(
    _ key: Key<Sourced<Double>>,
    bound: (Double) throws(ConfigurationError) -> Double = { $0 }
  ) throws(ConfigurationError) {
    let constant = try table.required(key)
    entries.append(
      .init(prefix + key.name, try bound(constant.value), source: constant.origin.description))
  }

  mutating func read(_ keys: [Key<Sourced<Double>>]) throws(ConfigurationError) {
    for key in keys { try read(key) }
  }

  /// Those of the keys that the file has.
  mutating func readIfPresent(
    _ keys: [Key<Sourced<Double>>],
    bound: (Double) throws(ConfigurationError) -> Double = { $0 }
  ) throws(ConfigurationError) {
    for key in keys {
      guard let constant = try table.optional(key) else { continue }
      entries.append(
        .init(
          prefix + key.name, try bound(constant.value), source: constant.origin.description))
    }
  }
}

extension KernelParameters {
  /// The section as a table; an error that says where to take one from if the file has none.
  func constants(_ name: String) throws(ConfigurationError) -> Table {
    if let table = try read() { return table }
    throw place.error(
      "needs the section \(name): a shipped cluster's can be taken by its name (\(name): h800-2048)"
        + (name == "kernels"
          ? "; nobody measured this device's: sluice calibrate FILE… does, and --borrow-kernels "
            + "NAME "
            + "takes another's"
          : "")
    )
  }
}
