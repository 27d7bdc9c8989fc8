/// A JSON table as it is written, its keys in the order in which they were added.
struct ConfigText {
  indirect enum Value {
    case nothing
    case flag(Bool)
    case integer(Int)
    case number(Double)
    case text(String)
    case list([Value])
    case table([(String, Value)])
  }

  private var entries: [(String, Value)] = []

  mutating func add(_ key: String, _ value: Value) {
    entries.append((key, value))
  }

  /// The table as JSON with one key a line.
  var text: String { Self.text(of: .table(entries), indent: "") + "\n" }

  private static func text(of value: Value, indent: String) -> String {
    switch value {
    case .nothing: return "null"
    case .flag(let flag): return flag ? "true" : "false"
    case .integer(let number): return "\(number)"
    case .number(let number): return "\(number)"
    case .text(let text): return "\"\(text)\""
    case .list(let items):
      return "[\(items.map { Self.text(of: $0, indent: indent) }.joined(separator: ", "))]"
    case .table(let entries):
      let inner = indent + "  "
      let lines = entries.map { "\(inner)\"\($0.0)\": \(Self.text(of: $0.1, indent: inner))" }
      return "{\n\(lines.joined(separator: ",\n"))\n\(indent)}"
    }
  }
}
