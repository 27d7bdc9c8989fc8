import Clusters
import Documents
import Quantities

/// What a constant of a cost formula may be: wider than any hardware, and narrow enough for every formula
/// to give a time.
package enum ConstantKind: Sendable {
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

  /// What a file may say, in SI units.
  package var range: ClosedRange<Double> {
    switch self {
    case .rows: 1...4096
    // The smallest tile of any library has 64 rows and 64 columns.
    case .tile: 64...4096
    case .keys, .cycles: 0...100_000
    case .step: 8...192
    case .share: 0.001...1
    case .fraction: 0...1
    case .ranks: 2...4096
    case .bytes: 1...0x1p50
    case .flopsPerClock: 1...1_000_000
    case .multiple: 0...100
    case .exponent: 1...16
    case .rate: 1e6...1e18
    case .time: 0...1
    case .latency: 1e-9...1
    }
  }

  /// How it is written in a file, read in SI units.
  var expected: Expected<Double> {
    let (least, most) = (range.lowerBound, range.upperBound)
    switch self {
    case .rows, .tile, .step, .ranks:
      return Expected.integer(in: Int(least)...Int(most)).map { Double($0) }
    case .fraction: return .fraction
    case .bytes:
      return Expected.quantity(in: ByteCount(Int(least))...ByteCount(Int(most)))
        .map { Double($0.bytes) }
    case .keys, .cycles, .share, .flopsPerClock, .multiple, .exponent:
      return .number(in: range)
    case .rate:
      return Expected.quantity(in: BytesPerSecond(least)...BytesPerSecond(most)).map { $0.value }
    case .time, .latency:
      return Expected.quantity(in: Seconds(least)...Seconds(most)).map { $0.value }
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
