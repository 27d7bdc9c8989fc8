import Documents

/// A word of a shell script with what is to be expanded in it.
struct ShellWord: Hashable, Sendable {
  enum Part: Hashable, Sendable {
    case text(String)
    /// What stands between `${` and `}`, or behind `$`.
    case variable(String, isQuoted: Bool)
    /// What stands between `$((` and `))`.
    case arithmetic(String)
    /// What only a running shell knows: `$(…)` and `` `…` ``.
    case command(String)
  }

  var parts: [Part]
  var line: Int
  /// Whether any of it is in quotes, so that it stays a word where it is empty.
  var isQuoted: Bool

  /// The text of a word without expansions.
  var plain: String? {
    var text = ""
    for part in parts {
      guard case .text(let piece) = part else { return nil }
      text += piece
    }
    return text
  }

  /// Whether it is a list and nothing else: `$@`, `${LIST[@]}`.
  var isListAlone: Bool {
    guard case .variable(let name, _)? = parts.first, parts.count == 1 else { return false }
    return name.hasPrefix("@") || name.hasSuffix("[@]")
  }
}

/// A piece of a shell script: a word, or what stands between commands.
enum ShellToken: Hashable, Sendable {
  case word(ShellWord)
  /// `\n ; ;; & && | || ( )`, each with its line.
  case mark(String, line: Int)
}

/// Cuts a shell script into words and marks, without carrying out anything.
struct ShellLexer {
  private let characters: [Character]
  private let file: String
  private var position = 0
  private var line = 1
  private var tokens: [ShellToken] = []
  /// Ends of here-documents whose texts begin at the next line.
  private var documents: [String] = []

  init(_ text: String, file: String) {
    characters = Array(text)
    self.file = file
  }

  /// The pieces of a script.
  static func tokens(of text: String, file: String) throws(ConfigurationError) -> [ShellToken] {
    var lexer = ShellLexer(text, file: file)
    while let character = lexer.current { try lexer.step(character) }
    return lexer.tokens
  }

  private var current: Character? { position < characters.count ? characters[position] : nil }

  private func starts(with text: String, at offset: Int = 0) -> Bool {
    let start = position + offset
    let end = start + text.count
    return end <= characters.count && String(characters[start..<end]) == text
  }

  private func failure(_ rule: String, line: Int) -> ConfigurationError {
    ConfigurationError(file: file, line: line, rule: rule)
  }

  private mutating func advance() {
    if characters[position].isNewline { line += 1 }
    position += 1
  }

  private mutating func step(_ character: Character) throws(ConfigurationError) {
    if character.isNewline {
      tokens.append(.mark("\n", line: line))
      advance()
      skipDocuments()
    } else if character == " " || character == "\t" {
      advance()
    } else if character == "\\", position + 1 < characters.count,
      characters[position + 1].isNewline
    {
      advance()
      advance()
    } else if character == "#" {
      while let next = current, !next.isNewline { advance() }
    } else if starts(with: "<<"), !starts(with: "<<<") {
      readDocumentName()
    } else if starts(with: "(("), !followsWord("for") {
      try readExpression()
    } else if let mark = [";;", "&&", "||", ";", "&", "|", "(", ")"].first(where: {
      starts(with: $0)
    }) {
      tokens.append(.mark(mark, line: line))
      for _ in mark { advance() }
    } else {
      tokens.append(.word(try word()))
    }
  }

  private func followsWord(_ text: String) -> Bool {
    guard case .word(let word)? = tokens.last else { return false }
    return word.plain == text || word.plain?.hasSuffix("=") == true
  }

  /// `(( … ))` is another spelling of `let`.
  private mutating func readExpression() throws(ConfigurationError) {
    let start = line
    let text = try bracketed("((", "(", ")", extra: 1, start)
    for part in ["let", text] {
      tokens.append(.word(.init(parts: [.text(part)], line: start, isQuoted: part != "let")))
    }
  }

  private mutating func readDocumentName() {
    position += 2
    if current == "-" { advance() }
    while current == " " { advance() }
    var name = ""
    while let next = current, !next.isWhitespace {
      if next != "'", next != "\"", next != "\\" { name.append(next) }
      advance()
    }
    documents.append(name)
  }

  private mutating func skipDocuments() {
    while let name = documents.first {
      guard current != nil else { return }
      var text = ""
      while let next = current, !next.isNewline {
        text.append(next)
        advance()
      }
      if current != nil { advance() }
      if text.drop(while: { $0 == "\t" || $0 == " " }) == name { documents.removeFirst() }
    }
  }

  private mutating func word() throws(ConfigurationError) -> ShellWord {
    let start = line
    var parts: [ShellWord.Part] = []
    var text = ""
    var isQuoted = false
    func flush() {
      if !text.isEmpty { parts.append(.text(text)) }
      text = ""
    }
    while let next = current, !next.isWhitespace, !";&|()".contains(next) {
      switch next {
      case "'":
        isQuoted = true
        advance()
        while let inner = current, inner != "'" {
          text.append(inner)
          advance()
        }
        guard current != nil else { throw failure("a quote is not closed", line: start) }
        advance()
      case "\"":
        isQuoted = true
        flush()
        parts += try quoted(from: start)
      case "\\":
        advance()
        if let escaped = current {
          if !escaped.isNewline { text.append(escaped) }
          advance()
        }
      case "$", "`":
        flush()
        parts.append(try expansion(isQuoted: false))
      default:
        text.append(next)
        advance()
      }
    }
    flush()
    return ShellWord(parts: parts, line: start, isQuoted: isQuoted)
  }

  /// What stands in double quotes.
  private mutating func quoted(from start: Int) throws(ConfigurationError) -> [ShellWord.Part] {
    var parts: [ShellWord.Part] = []
    var text = ""
    advance()
    while let next = current, next != "\"" {
      if next == "$" || next == "`" {
        if !text.isEmpty { parts.append(.text(text)) }
        text = ""
        parts.append(try expansion(isQuoted: true))
        continue
      }
      if next == "\\", position + 1 < characters.count {
        let escaped = characters[position + 1]
        if escaped.isNewline || "\\\"$`".contains(escaped) {
          advance()
          if !escaped.isNewline { text.append(escaped) }
          advance()
          continue
        }
      }
      text.append(next)
      advance()
    }
    guard current != nil else { throw failure("a quote is not closed", line: start) }
    advance()
    if !text.isEmpty { parts.append(.text(text)) }
    return parts
  }

  private mutating func expansion(
    isQuoted: Bool
  ) throws(ConfigurationError) -> ShellWord.Part {
    let start = line
    if current == "`" {
      advance()
      var text = ""
      while let next = current, next != "`" {
        text.append(next)
        advance()
      }
      guard current != nil else { throw failure("a quote is not closed", line: start) }
      advance()
      return .command(text)
    }
    if starts(with: "$((") { return .arithmetic(try bracketed("$((", "(", ")", extra: 1, start)) }
    if starts(with: "$(") { return .command(try bracketed("$(", "(", ")", extra: 0, start)) }
    if starts(with: "${") {
      return .variable(try bracketed("${", "{", "}", extra: 0, start), isQuoted: isQuoted)
    }
    advance()
    var name = ""
    if let first = current, "@*#?$!".contains(first) || first.isNumber {
      name.append(first)
      advance()
    } else {
      while let next = current, next.isLetter || next.isNumber || next == "_" {
        name.append(next)
        advance()
      }
    }
    return name.isEmpty ? .text("$") : .variable(name, isQuoted: isQuoted)
  }

  /// The text up to the bracket that closes, and `extra` more of them.
  private mutating func bracketed(
    _ opening: String, _ open: Character, _ close: Character, extra: Int, _ start: Int
  ) throws(ConfigurationError) -> String {
    for _ in opening { advance() }
    var depth = 0
    var text = ""
    while let next = current {
      if next == open { depth += 1 }
      if next == close {
        if depth == 0 {
          for _ in 0...extra where current == close { advance() }
          return text
        }
        depth -= 1
      }
      text.append(next)
      advance()
    }
    throw failure("\(opening) is not closed", line: start)
  }
}
