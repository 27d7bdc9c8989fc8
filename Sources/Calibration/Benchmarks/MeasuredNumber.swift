import Documents

extension BenchmarkText {
  /// A number that a line has in one of its columns.
  ///
  /// - Parameters:
  ///   - what: the column, for the message.
  ///   - zero: whether 0 is a value, as rounding leaves it of small rates.
  /// - Returns: nil for words that are no number at all: an empty cell, `N/A`.
  /// - Throws: `ConfigurationError` with the line for what no clock has measured: `nan`, `inf`, what is below zero,
  ///   and zero itself. A row that says so beside good values is one of a run that failed.
  func measured(
    _ word: some StringProtocol, _ what: String, _ line: Line, zero: Bool = false
  ) throws(ConfigurationError) -> Double? {
    guard let value = Double(String(word)) else { return nil }
    // What is subnormal is nothing, on some threads and so on all.
    if zero, value.isZero || value.isSubnormal { return 0 }
    guard let value = positive(word) else {
      throw error(
        line, "expected \(what) \(zero ? "of at least" : "above") 0, and finite",
        value: String(word))
    }
    return value
  }

  /// The bytes of a row, its first word; nil for words that are no number, and for messages of none.
  ///
  /// - Throws: `ConfigurationError` with the line for numbers that no size has.
  func size(_ word: some StringProtocol, _ line: Line) throws(ConfigurationError) -> Int? {
    if let bytes = counting(word) { return bytes }
    guard let value = Double(String(word)), value != 0 else { return nil }
    throw error(line, "expected a size in whole bytes", value: String(word))
  }
}
