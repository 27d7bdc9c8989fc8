import Documents

/// A reader of TOML 1.0 for configurations: tables, dotted keys, arrays and inline tables become paths with
/// texts, each with its line.
package struct TOML {
  /// A value with the path to it.
  package struct Leaf: Hashable, Sendable {
    package var path: String
    package var text: String
    /// The items of an array that holds no other arrays or tables; the one value of anything else.
    package var items: [String]
    package var line: Int
  }

  private let characters: [Character]
  private let file: String
  private var position = 0
  private var line = 1
  private var section: [String] = []
  private var leaves: [Leaf] = []
  private var seen: [String: Int] = [:]
  private var depth = 0

  private init(_ text: String, file: String) {
    characters = Array(text)
    self.file = file
  }

  /// The values of a file.
  package static func leaves(of text: String, file: String) throws(ConfigurationError) -> [Leaf] {
    var reader = TOML(text, file: file)
    while reader.skipToKey() { try reader.readLine() }
    return reader.leaves
  }

  /// Whether a text begins as TOML does: with a table in brackets or a key with `=`.
  package static func isLikely(_ text: String) -> Bool {
    for line in text.split(whereSeparator: \.isNewline) {
      let words = line.drop { $0 == " " || $0 == "\t" }
      if words.isEmpty || words.hasPrefix("#") { continue }
      if words.hasPrefix("[") { return words.contains("]") && !words.hasPrefix("[{") }
      guard let equals = words.firstIndex(of: "=") else { return false }
      let key = words[..<equals]
      return key.hasSuffix(" ") && !key.hasPrefix("export ") && !key.contains("(")
        && !key.hasPrefix("cfg")
    }
    return false
  }

  private func failure(_ rule: String) -> ConfigurationError {
    ConfigurationError(file: file, line: line, rule: "is not valid TOML: \(rule)")
  }

  private var current: Character? { position < characters.count ? characters[position] : nil }

  private mutating func advance() {
    if characters[position].isNewline { line += 1 }
    position += 1
  }

  private mutating func skipBlanks() {
    while let next = current, next == " " || next == "\t" { advance() }
  }

  /// Passes over blanks, comments and line ends.
  private mutating func skipAll() {
    while let next = current {
      if next == "#" {
        while let inner = current, !inner.isNewline { advance() }
      } else if next.isWhitespace {
        advance()
      } else {
        return
      }
    }
  }

  private mutating func skipToKey() -> Bool {
    skipAll()
    return current != nil
  }

  private mutating func readLine() throws(ConfigurationError) {
    if current == "[" {
      advance()
      let isList = current == "["
      if isList { advance() }
      section = try keys()
      guard current == "]" else { throw failure("a table's name is not closed") }
      advance()
      if isList {
        guard current == "]" else { throw failure("a table's name is not closed") }
        advance()
      }
    } else {
      let path = section + (try keys())
      guard current == "=" else {
        throw failure("expected = behind \(path.joined(separator: "."))")
      }
      advance()
      skipBlanks()
      try readValue(path)
    }
    skipBlanks()
    if current == "#" { while let inner = current, !inner.isNewline { advance() } }
    guard current?.isNewline ?? true else { throw failure("more than one value in a line") }
  }

  /// `a.b."c d"`, up to `=` or `]`.
  private mutating func keys() throws(ConfigurationError) -> [String] {
    var keys: [String] = []
    while true {
      skipBlanks()
      if current == "\"" || current == "'" {
        keys.append(try string())
      } else {
        var key = ""
        while let next = current, next.isLetter || next.isNumber || next == "_" || next == "-" {
          key.append(next)
          advance()
        }
        guard !key.isEmpty else { throw failure("expected a key") }
        keys.append(key)
      }
      skipBlanks()
      guard current == "." else { return keys }
      advance()
    }
  }

  private mutating func readValue(_ path: [String]) throws(ConfigurationError) {
    let start = line
    if current == "{" { return try readTable(path) }
    let (text, items) = try value()
    let joined = path.joined(separator: ".")
    if let earlier = seen[joined] { throw failure("\(joined) is written in line \(earlier) too") }
    seen[joined] = start
    guard joined.utf8.count <= 256 else { throw failure("a key is longer than 256 bytes") }
    leaves.append(Leaf(path: joined, text: text, items: items, line: start))
  }

  private mutating func readTable(_ path: [String]) throws(ConfigurationError) {
    depth += 1
    defer { depth -= 1 }
    guard depth <= 64 else { throw failure("is nested deeper than 64 levels") }
    advance()
    skipAll()
    while current != "}" {
      let inner = path + (try keys())
      guard current == "=" else { throw failure("expected = in a table") }
      advance()
      skipBlanks()
      try readValue(inner)
      skipAll()
      if current == "," {
        advance()
        skipAll()
      } else {
        guard current == "}" else { throw failure("a table is not closed") }
      }
    }
    advance()
  }

  private mutating func value() throws(ConfigurationError) -> (String, [String]) {
    if current == "[" { return try array() }
    if current == "\"" || current == "'" {
      let text = try string()
      return (text, [text])
    }
    var text = ""
    while let next = current, !next.isWhitespace, !",]}#".contains(next) {
      text.append(next)
      advance()
    }
    guard !text.isEmpty else { throw failure("expected a value") }
    return (text, [text])
  }

  private mutating func array() throws(ConfigurationError) -> (String, [String]) {
    depth += 1
    defer { depth -= 1 }
    guard depth <= 64 else { throw failure("is nested deeper than 64 levels") }
    var texts: [String] = []
    var items: [String] = []
    advance()
    skipAll()
    while current != "]" {
      guard current != nil, current != "{" else { throw failure("a list is not closed") }
      let (text, inner) = try value()
      texts.append(text)
      items += inner
      skipAll()
      if current == "," {
        advance()
        skipAll()
      } else {
        guard current == "]" else { throw failure("a list is not closed") }
      }
    }
    advance()
    return ("[\(texts.joined(separator: ", "))]", items)
  }

  private mutating func string() throws(ConfigurationError) -> String {
    guard let quote = current else { throw failure("expected a text") }
    let isLong =
      position + 2 < characters.count && characters[position + 1] == quote
      && characters[position + 2] == quote
    for _ in 0..<(isLong ? 3 : 1) { advance() }
    var text = ""
    while let next = current {
      if next == quote, !isLong || closesLong(quote) {
        for _ in 0..<(isLong ? 3 : 1) { advance() }
        return text
      }
      if next.isNewline, !isLong { break }
      if next == "\\", quote == "\"", position + 1 < characters.count {
        advance()
        switch characters[position] {
        case "n": text.append("\n")
        case "t": text.append("\t")
        default: text.append(characters[position])
        }
      } else {
        text.append(next)
      }
      advance()
    }
    throw failure("a text is not closed")
  }

  private func closesLong(_ quote: Character) -> Bool {
    position + 2 < characters.count && characters[position + 1] == quote
      && characters[position + 2] == quote
  }
}
