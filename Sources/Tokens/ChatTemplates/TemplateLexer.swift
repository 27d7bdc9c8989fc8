/// A part of a chat template: text as it is, an output, or a block's tag.
enum TemplatePiece: Sendable {
  case text(String)
  case output([TemplateToken], line: Int)
  case block([TemplateToken], line: Int)
}

/// A word of an expression.
enum TemplateToken: Hashable, Sendable {
  case name(String)
  case string(String)
  case integer(Int)
  case decimal(Double)
  /// An operator, or a bracket.
  case sign(String)
}

/// Cuts a template into pieces, with the white space that tags take along.
///
/// As transformers renders templates: behind a block's or comment's tag a line end goes with it, and in
/// front of one that stands first on its line the spaces do (Jinja's `trim_blocks` and `lstrip_blocks`).
/// A minus takes all white space on its side; a plus keeps it.
struct TemplateLexer {
  private let text: [Unicode.Scalar]
  private var position = 0
  private var line = 1
  private var pieces: [TemplatePiece] = []
  /// What stands in front of the next tag.
  private var pending = String.UnicodeScalarView()
  /// Whether what is pending begins a line.
  private var beginsLine = true

  static func pieces(of text: String) throws(TemplateFailure) -> [TemplatePiece] {
    var lexer = TemplateLexer(text)
    return try lexer.read()
  }

  private init(_ text: String) {
    var plain: [Unicode.Scalar] = []
    for scalar in text.unicodeScalars {
      if scalar == "\n", plain.last == "\r" { plain.removeLast() }
      plain.append(scalar)
    }
    if plain.last == "\n" { plain.removeLast() }
    self.text = plain
  }

  private mutating func read() throws(TemplateFailure) -> [TemplatePiece] {
    while position < text.count {
      guard text[position] == "{", let mark = scalar(1), "{%#".unicodeScalars.contains(mark) else {
        pending.append(take())
        continue
      }
      position += 2
      openTag(isOutput: mark == "{")
      let start = line
      switch mark {
      case "#": try skipComment()
      case "{": pieces.append(.output(try tokens(closedBy: "}"), line: start))
      default: pieces.append(.block(try tokens(closedBy: "%"), line: start))
      }
    }
    flush()
    return pieces
  }

  private func scalar(_ offset: Int) -> Unicode.Scalar? {
    position + offset < text.count ? text[position + offset] : nil
  }

  private mutating func take() -> Unicode.Scalar {
    let scalar = text[position]
    if scalar == "\n" { line += 1 }
    position += 1
    return scalar
  }

  private mutating func flush() {
    if !pending.isEmpty { pieces.append(.text(String(pending))) }
    pending = String.UnicodeScalarView()
  }

  /// Takes a tag's sign, and white space in front of it.
  private mutating func openTag(isOutput: Bool) {
    if scalar(0) == "-" {
      position += 1
      while let last = pending.last, last.properties.isWhitespace { pending.removeLast() }
    } else if scalar(0) == "+" {
      position += 1
    } else if !isOutput {
      var own = pending[...]
      while let last = own.last, last != "\n", last.properties.isWhitespace { own.removeLast() }
      if own.last == "\n" || (own.isEmpty && beginsLine) {
        pending = String.UnicodeScalarView(own)
      }
    }
    flush()
  }

  /// Takes what goes with a tag's end.
  private mutating func closeTag(sign: Unicode.Scalar?, isOutput: Bool) {
    beginsLine = false
    if sign == "-" {
      while let next = scalar(0), next.properties.isWhitespace { beginsLine = take() == "\n" }
    } else if !isOutput, sign != "+", scalar(0) == "\n" {
      _ = take()
      beginsLine = true
    }
  }

  private mutating func skipComment() throws(TemplateFailure) {
    let start = line
    while position < text.count {
      if text[position] == "#", scalar(1) == "}" {
        let before = text[position - 1]
        position += 2
        return closeTag(sign: before == "-" || before == "+" ? before : nil, isOutput: false)
      }
      _ = take()
    }
    throw TemplateFailure("has a comment without an end", line: start)
  }

  /// The words of a tag up to its end.
  private mutating func tokens(
    closedBy mark: Unicode.Scalar
  ) throws(TemplateFailure) -> [TemplateToken] {
    let start = line
    var tokens: [TemplateToken] = []
    var depth = 0
    while let next = scalar(0) {
      if next.properties.isWhitespace {
        _ = take()
        continue
      }
      if depth == 0 {
        let sign = (next == "-" || next == "+") && scalar(1) == mark ? next : nil
        let offset = sign == nil ? 0 : 1
        if scalar(offset) == mark, scalar(offset + 1) == "}" {
          position += offset + 2
          closeTag(sign: sign, isOutput: mark == "}")
          return tokens
        }
      }
      let token = try token()
      if case .sign(let sign) = token {
        if ["(", "[", "{"].contains(sign) { depth += 1 }
        if [")", "]", "}"].contains(sign) { depth -= 1 }
      }
      tokens.append(token)
    }
    throw TemplateFailure("has a tag without an end", line: start)
  }

  private mutating func token() throws(TemplateFailure) -> TemplateToken {
    let first = text[position]
    if first == "'" || first == "\"" { return .string(try string(endedBy: first)) }
    if "0"..."9" ~= first { return try number() }
    if first.properties.isAlphabetic || first == "_" {
      return .name(
        taken { $0.properties.isAlphabetic || $0 == "_" || "0"..."9" ~= $0 })
    }
    for sign in ["==", "!=", "<=", ">=", "//", "**"] {
      let own = Array(sign.unicodeScalars)
      if own[0] == first, own[1] == scalar(1) {
        position += 2
        return .sign(sign)
      }
    }
    guard "()[]{}.,:|~+-*/%=<>".unicodeScalars.contains(first) else {
      throw TemplateFailure("has the sign \(first), which is not known", line: line)
    }
    position += 1
    return .sign(String(first))
  }

  private mutating func taken(while isPart: (Unicode.Scalar) -> Bool) -> String {
    var word = String.UnicodeScalarView()
    while let next = scalar(0), isPart(next) {
      word.append(next)
      position += 1
    }
    return String(word)
  }

  private mutating func number() throws(TemplateFailure) -> TemplateToken {
    var word = taken { "0"..."9" ~= $0 }
    if scalar(0) == ".", let next = scalar(1), "0"..."9" ~= next {
      position += 1
      word += "." + taken { "0"..."9" ~= $0 }
      guard let number = Double(word) else {
        throw TemplateFailure("has the number \(word)", line: line)
      }
      return .decimal(number)
    }
    guard let number = Int(word) else {
      throw TemplateFailure("has the number \(word)", line: line)
    }
    return .integer(number)
  }

  /// A quoted text with Python's escapes; one that is not known stands for itself.
  private mutating func string(endedBy mark: Unicode.Scalar) throws(TemplateFailure) -> String {
    let start = line
    position += 1
    var content = String.UnicodeScalarView()
    while position < text.count {
      let next = take()
      if next == mark { return String(content) }
      guard next == "\\", position < text.count else {
        content.append(next)
        continue
      }
      let escape = take()
      switch escape {
      case "n": content.append("\n")
      case "t": content.append("\t")
      case "r": content.append("\r")
      case "\\", "'", "\"": content.append(escape)
      case "\n": break
      case "u", "x":
        let count = escape == "u" ? 4 : 2
        let digits = String(String.UnicodeScalarView(text[position...].prefix(count)))
        guard digits.unicodeScalars.count == count,
          let scalar = UInt32(digits, radix: 16).flatMap(Unicode.Scalar.init)
        else { throw TemplateFailure("has the escape \\\(escape)\(digits)", line: start) }
        position += count
        content.append(scalar)
      default:
        content.append("\\")
        content.append(escape)
      }
    }
    throw TemplateFailure("has a text without an end", line: start)
  }
}
