/// Named numbers in the order in which they were written, each with its source.
///
/// This is the form in which the constants of a device come from a cluster file's `kernels:`
/// section and go back to whoever wants to see them.
public struct NumberTable: Hashable, Sendable {
  /// One constant: its dotted name, its value in SI units, and where it came from.
  public struct Entry: Hashable, Sendable {
    public var name: String
    public var value: Double
    public var source: String

    public init(_ name: String, _ value: Double, source: String) {
      self.name = name
      self.value = value
      self.source = source
    }
  }

  public private(set) var entries: [Entry]

  /// Keeps the order; of two entries with the same name the later one counts.
  public init(_ entries: [Entry]) {
    self.entries = entries
  }

  /// The value of a name, or nil.
  public subscript(name: String) -> Double? {
    entries.last { $0.name == name }?.value
  }

  /// This table with the entries of another one added, which take precedence.
  public func overridden(by other: NumberTable) -> NumberTable {
    NumberTable(entries.filter { other[$0.name] == nil } + other.entries)
  }
}

/// A constant that a device's table lacks, does not know, or gives an impossible value.
public struct NumberTableError: Error, Hashable, CustomStringConvertible {
  /// The constant's dotted name.
  public var name: String
  /// What is wrong with it.
  public var rule: String

  public init(name: String, rule: String) {
    self.name = name
    self.rule = rule
  }

  public var description: String { "\(name): \(rule)" }
}

/// Hands out the numbers of a table and remembers which ones were asked for.
struct NumberReader {
  let table: NumberTable
  private(set) var asked: Set<String> = []

  init(_ table: NumberTable) {
    self.table = table
  }

  /// A number that must be there, finite and above zero (or zero, where that is allowed).
  mutating func number(_ name: String, zero: Bool = false) throws(NumberTableError) -> Double {
    asked.insert(name)
    guard let value = table[name] else {
      throw NumberTableError(name: name, rule: "is missing from the device's constants")
    }
    guard value.isFinite, value > 0 || (zero && value == 0) else {
      throw NumberTableError(
        name: name, rule: "must be \(zero ? "zero or more" : "more than zero"), is \(value)")
    }
    return value
  }

  /// A number of things that must be whole.
  mutating func count(_ name: String) throws(NumberTableError) -> Int {
    let value = try number(name)
    guard value == value.rounded(), value < 1e9 else {
      throw NumberTableError(name: name, rule: "must be a whole number, is \(value)")
    }
    return Int(value)
  }

  /// Whether any name starts with this prefix.
  func has(_ prefix: String) -> Bool {
    table.entries.contains { $0.name.hasPrefix(prefix) }
  }

  /// Refuses names that nothing asked for: a misspelt constant must not be ignored.
  func finish() throws(NumberTableError) {
    for entry in table.entries where !asked.contains(entry.name) {
      throw NumberTableError(name: entry.name, rule: "is not a constant of the cost formulas")
    }
  }
}
