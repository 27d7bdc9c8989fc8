/// A JSON table as it is written, its keys in the order in which they were added.
struct ConfigEntries: Hashable, Sendable {
  indirect enum Value: Hashable, Sendable {
    case nothing
    case flag(Bool)
    case integer(Int)
    case number(Double)
    case text(String)
    case list([Value])
    case table(ConfigEntries)
  }

  struct Entry: Hashable, Sendable {
    var key: String
    var value: Value
  }

  var entries: [Entry] = []

  mutating func add(_ key: String, _ value: Value) { entries.append(.init(key: key, value: value)) }
  mutating func add(_ key: String, _ value: Int) { add(key, .integer(value)) }
  mutating func add(_ key: String, _ value: Double) { add(key, .number(value)) }
  mutating func add(_ key: String, _ value: Bool) { add(key, .flag(value)) }
  mutating func add(_ key: String, _ value: String) { add(key, .text(value)) }

  /// The table as JSON with one key a line.
  var json: String { Self.text(of: .table(self), indent: "") + "\n" }

  private static func text(of value: Value, indent: String) -> String {
    switch value {
    case .nothing: return "null"
    case .flag(let flag): return flag ? "true" : "false"
    case .integer(let number): return "\(number)"
    case .number(let number): return "\(number)"
    case .text(let text): return quoted(text)
    case .list(let items):
      return "[\(items.map { Self.text(of: $0, indent: indent) }.joined(separator: ", "))]"
    case .table(let table):
      let inner = indent + "  "
      let lines = table.entries.map {
        "\(inner)\(quoted($0.key)): \(Self.text(of: $0.value, indent: inner))"
      }
      return "{\n\(lines.joined(separator: ",\n"))\n\(indent)}"
    }
  }

  private static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"", "\\": result += "\\\(scalar)"
      case _ where scalar.value < 0x20: result += " "
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
