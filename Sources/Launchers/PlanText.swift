/// A plan file as it is written: keys in their order, each with where it comes from.
struct PlanText: Hashable, Sendable {
  struct Entry: Hashable, Sendable {
    var key: String
    var value: String
    var reason: String?
  }

  /// Lines of comment at the top.
  var heading: [String] = []
  private(set) var entries: [Entry] = []

  mutating func add(_ key: String, _ value: some CustomStringConvertible, _ reason: String? = nil) {
    entries.append(.init(key: key, value: "\(value)", reason: reason))
  }

  mutating func add(_ key: String, text: String) { add(key, Self.quoted(text)) }

  /// A table on one line, where it has entries.
  mutating func add(_ key: String, table: [(String, String)], _ reason: String? = nil) {
    guard !table.isEmpty else { return }
    add(key, "{\(table.map { "\($0.0): \($0.1)" }.joined(separator: ", "))}", reason)
  }

  /// The value of a key that was added.
  func value(_ key: String) -> String? { entries.last { $0.key == key }?.value }

  /// A text in double quotes.
  static func quoted(_ text: String) -> String {
    let plain = text.map { $0.isNewline || $0 == "\t" ? " " : $0 }
    let escaped = String(plain).replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
    return "\"\(escaped)\""
  }

  /// The file, comments behind the keys that have a reason.
  var yaml: String {
    var lines = heading.map { "# \($0)" }
    let width = min(34, entries.map { $0.key.count + 2 + $0.value.count }.max() ?? 0)
    for entry in entries {
      let line = "\(entry.key): \(entry.value)"
      guard let reason = entry.reason else {
        lines.append(line)
        continue
      }
      let padding = String(repeating: " ", count: max(0, width - line.count))
      lines.append("\(line)\(padding)  # \(reason.map { $0.isNewline ? " " : "\($0)" }.joined())")
    }
    return lines.joined(separator: "\n") + "\n"
  }
}
