import Documents

/// A value while a chat template is rendered.
enum TemplateValue: Sendable {
  /// What nobody has set, with its name for messages.
  case undefined(String)
  case none
  case boolean(Bool)
  case integer(Int)
  case decimal(Double)
  case string(String)
  case list([TemplateValue])
  case table([Entry])
  /// Fields that keep what is set within loops.
  case namespace(Int)
  case function(String)

  /// A key with its value.
  struct Entry: Sendable {
    var key: String
    var value: TemplateValue
  }
}

/// What a chat template asks for that is not known, or refuses itself.
struct TemplateFailure: Error, Hashable {
  var rule: String
  /// The template's line, counted from one.
  var line: Int

  init(_ rule: String, line: Int = 0) { (self.rule, self.line) = (rule, line) }
}

extension TemplateValue {
  init(_ value: JSONValue) {
    switch value {
    case .null: self = .none
    case .boolean(let flag): self = .boolean(flag)
    case .integer(let number): self = .integer(number)
    case .long(let text): self = .decimal(Double(text) ?? .infinity)
    case .decimal(let number): self = .decimal(number)
    case .string(let text): self = .string(text)
    case .list(let items): self = .list(items.map { TemplateValue($0) })
    case .table(let entries):
      self = .table(entries.map { Entry(key: $0.key, value: TemplateValue($0.value)) })
    }
  }

  /// What it is, for messages.
  var kind: String {
    switch self {
    case .undefined(let name): "\(name), which is not defined"
    case .none: "none"
    case .boolean: "a truth value"
    case .integer, .decimal: "a number"
    case .string: "a text"
    case .list: "a list"
    case .table: "a mapping"
    case .namespace: "a namespace"
    case .function(let name): "the function \(name)"
    }
  }

  /// As conditions take it: empty and zero are false.
  var isTrue: Bool {
    switch self {
    case .undefined, .none: false
    case .boolean(let flag): flag
    case .integer(let number): number != 0
    case .decimal(let number): number != 0
    case .string(let text): !text.isEmpty
    case .list(let items): !items.isEmpty
    case .table(let entries): !entries.isEmpty
    case .namespace, .function: true
    }
  }

  var isUndefined: Bool { if case .undefined = self { true } else { false } }

  /// Of numbers and truth values; a truth value counts as 0 or 1.
  var number: Double? {
    switch self {
    case .boolean(let flag): flag ? 1 : 0
    case .integer(let number): Double(number)
    case .decimal(let number): number
    default: nil
    }
  }

  /// Of whole numbers and truth values: exact, as a `Double` would not be.
  var integer: Int? {
    switch self {
    case .boolean(let flag): flag ? 1 : 0
    case .integer(let number): number
    default: nil
    }
  }

  /// The text that an output has.
  func printed() throws(TemplateFailure) -> String {
    switch self {
    case .undefined: ""
    case .none: "None"
    case .boolean(let flag): flag ? "True" : "False"
    case .integer(let number): "\(number)"
    case .decimal(let number): "\(number)"
    case .string(let text): text
    case .list, .table, .namespace, .function:
      throw TemplateFailure("prints \(kind), which is not known: only tojson writes one")
    }
  }

  /// The value under a key of a table; nil where there is none.
  func entry(_ key: String) -> TemplateValue? {
    guard case .table(let entries) = self else { return nil }
    return entries.first { $0.key.utf8.elementsEqual(key.utf8) }?.value
  }

  /// Whether both are the same, texts by their bytes.
  static func areEqual(_ a: TemplateValue, _ b: TemplateValue) -> Bool {
    if let a = a.integer, let b = b.integer { return a == b }
    if let a = a.number, let b = b.number { return a == b }
    switch (a, b) {
    case (.undefined, .undefined), (.none, .none): return true
    case (.string(let a), .string(let b)): return a.utf8.elementsEqual(b.utf8)
    case (.list(let a), .list(let b)):
      return a.count == b.count && zip(a, b).allSatisfy { areEqual($0, $1) }
    case (.table(let own), .table(let others)):
      return own.count == others.count
        && own.allSatisfy { entry in b.entry(entry.key).map { areEqual(entry.value, $0) } ?? false }
    case (.namespace(let a), .namespace(let b)): return a == b
    default: return false
    }
  }

  /// What a loop goes over: items, a mapping's keys, a text's characters; of what is not defined nothing.
  func elements() throws(TemplateFailure) -> [TemplateValue] {
    switch self {
    case .undefined: []
    case .list(let items): items
    case .table(let entries): entries.map { .string($0.key) }
    case .string(let text) where text.utf8.count <= TemplateBounds.mostItems:
      text.unicodeScalars.map { .string(String($0)) }
    case .string: throw TemplateFailure("goes over a text that is too long")
    default: throw TemplateFailure("goes over \(kind)")
    }
  }
}

extension TemplateValue {
  /// JSON as Python's `json.dumps` writes it, letters of all scripts as they are.
  ///
  /// - Parameter indent: spaces of a level; nil for one line.
  func json(indent: Int?, level: Int = 0) throws(TemplateFailure) -> String {
    func wrapped(
      _ parts: [String], _ open: String, _ close: String
    ) throws(TemplateFailure) -> String {
      guard !parts.isEmpty else { return open + close }
      guard let indent else {
        return open + (try TemplateBounds.joined(parts, by: ", ")) + close
      }
      let inner = "\n" + String(repeating: " ", count: indent * (level + 1))
      let outer = "\n" + String(repeating: " ", count: indent * level)
      return open + inner + (try TemplateBounds.joined(parts, by: "," + inner)) + outer + close
    }
    switch self {
    case .none: return "null"
    case .boolean(let flag): return flag ? "true" : "false"
    case .integer(let number): return "\(number)"
    case .decimal(let number): return "\(number)"
    case .string(let text): return try TemplateBounds.joined([Self.quoted(text)])
    case .list(let items):
      var parts: [String] = []
      var bytes = 0
      for item in items {
        parts.append(try item.json(indent: indent, level: level + 1))
        bytes += parts[parts.count - 1].utf8.count
        guard bytes <= TemplateBounds.mostBytes else {
          throw TemplateFailure("writes more than \(TemplateBounds.mostBytes) bytes of JSON")
        }
      }
      return try wrapped(parts, "[", "]")
    case .table(let entries):
      var parts: [String] = []
      var bytes = 0
      for entry in entries {
        let value = try entry.value.json(indent: indent, level: level + 1)
        bytes += value.utf8.count + entry.key.utf8.count
        guard bytes <= TemplateBounds.mostBytes else {
          throw TemplateFailure("writes more than \(TemplateBounds.mostBytes) bytes of JSON")
        }
        parts.append("\(Self.quoted(entry.key)): \(value)")
      }
      return try wrapped(parts, "{", "}")
    case .undefined, .namespace, .function:
      throw TemplateFailure("writes \(kind) as JSON")
    }
  }

  private static func quoted(_ text: String) -> String {
    guard text.utf8.contains(where: { $0 == 0x08 || $0 == 0x0C }) else {
      return JSONValue.quoted(text)
    }
    return text.unicodeScalars.reduce(into: "\"") { quoted, scalar in
      switch scalar.value {
      case 0x08: quoted += "\\b"
      case 0x0C: quoted += "\\f"
      default: quoted += JSONValue.quoted(String(scalar)).dropFirst().dropLast()
      }
    } + "\""
  }
}

extension String {
  /// The text with every occurrence of another replaced, scalar by scalar.
  func replacingScalars(_ part: String, by other: String) throws(TemplateFailure) -> String {
    try TemplateBounds.joined(split(atScalars: part), by: other)
  }

  /// The pieces between occurrences of a text, scalar by scalar.
  ///
  /// - Precondition: the separator is not empty.
  func split(atScalars separator: String) -> [String] {
    let (text, mark) = (Array(unicodeScalars), Array(separator.unicodeScalars))
    precondition(!mark.isEmpty)
    var pieces: [String] = []
    var piece = String.UnicodeScalarView()
    var index = 0
    while index < text.count {
      if text[index...].starts(with: mark) {
        pieces.append(String(piece))
        piece = String.UnicodeScalarView()
        index += mark.count
      } else {
        piece.append(text[index])
        index += 1
      }
    }
    return pieces + [String(piece)]
  }

  /// The text without the scalars of a set at its ends.
  func stripped(
    of set: String?, left: Bool = true, right: Bool = true
  ) -> String {
    func isOut(_ scalar: Unicode.Scalar) -> Bool {
      guard let set else {
        return scalar.properties.isWhitespace || 0x1C...0x1F ~= scalar.value
      }
      return set.unicodeScalars.contains(scalar)
    }
    var own = unicodeScalars[...]
    if left { own = own.drop { isOut($0) } }
    if right { while let last = own.last, isOut(last) { own.removeLast() } }
    return String(own)
  }
}
