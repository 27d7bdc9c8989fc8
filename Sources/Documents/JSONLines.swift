/// Files with one JSON table on every line.
public enum JSONLines {
  /// A line of a file, with the place that messages name.
  public struct Line: Hashable, Sendable {
    public let file: String
    /// Counted from one.
    public let number: Int
    /// A table.
    public let value: JSONValue

    /// An error about a key of the line.
    public func error(_ rule: String, at key: String = "") -> ConfigurationError {
      ConfigurationError(file: file, line: number, keyPath: key, rule: rule)
    }

    /// The text under a key that must be there.
    public func text(_ key: String) throws(ConfigurationError) -> String {
      guard let found = value[key] else { throw error("required key is missing", at: key) }
      guard let text = found.text else { throw error("expected a text", at: key) }
      return text
    }
  }

  private static let largestFile = 1 << 26

  /// The lines of a file that are not empty.
  ///
  /// - Throws: `ConfigurationError` for a file that cannot be read, and for a line that is no table.
  public static func read(_ path: String) throws(ConfigurationError) -> [Line] {
    let bytes = try fileContents(path, atMost: largestFile + 1)
    guard bytes.count <= largestFile else {
      throw ConfigurationError(file: path, rule: "is larger than 64 MiB")
    }
    var lines: [Line] = []
    let parts = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    for (index, part) in parts.enumerated() where part.contains(where: { $0 > 0x20 }) {
      func failure(_ rule: String) -> ConfigurationError {
        ConfigurationError(file: path, line: index + 1, rule: rule)
      }
      guard String(validating: part, as: UTF8.self) != nil else {
        throw failure("is not UTF-8 text")
      }
      let value: JSONValue
      do throws(JSONValue.Failure) {
        value = try JSONValue(Array(part))
      } catch {
        throw failure("\(error.rule), at byte \(error.offset + 1) of the line")
      }
      guard value.entries != nil else { throw failure("expected a table, {…}") }
      lines.append(Line(file: path, number: index + 1, value: value))
    }
    return lines
  }

  /// Writes tables, one a line.
  ///
  /// - Throws: `ConfigurationError` of the status `.storage` where the disk refuses.
  public static func write(
    _ values: some Sequence<JSONValue>, to path: OutputPath
  ) throws(ConfigurationError) {
    var file = try OutputFile(path)
    for value in values { try file.write(value.compact + "\n") }
    try file.close()
  }
}
