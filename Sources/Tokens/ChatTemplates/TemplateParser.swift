/// Reads a chat template's statements: texts, outputs, `if`, `for`, `set`.
///
/// The part of Jinja that the templates of open models are written in; what else a template has is
/// refused by its name and line.
struct TemplateParser {
  private let pieces: [TemplatePiece]
  private var next = 0

  static func statements(of text: String) throws(TemplateFailure) -> [TemplateStatement] {
    var parser = TemplateParser(pieces: try TemplateLexer.pieces(of: text))
    let (statements, end) = try parser.body(until: [], depth: 0)
    if let end { throw TemplateFailure("has \(end.word) without its beginning", line: end.line) }
    return statements
  }

  private init(pieces: [TemplatePiece]) { self.pieces = pieces }

  /// The tag that ended a body.
  private struct End {
    var word: String
    var words: TemplateWords
    var line: Int
  }

  private static let deepestNesting = 64

  /// Statements up to one of some tags, or to the end.
  private mutating func body(
    until ends: Set<String>, depth: Int
  ) throws(TemplateFailure) -> ([TemplateStatement], End?) {
    var statements: [TemplateStatement] = []
    while next < pieces.count {
      let piece = pieces[next]
      next += 1
      switch piece {
      case .text(let text): statements.append(.init(kind: .text(text), line: 0))
      case .output(let tokens, let line):
        var words = TemplateWords(tokens, line: line)
        let value = try words.expression()
        try words.expectEnd()
        statements.append(.init(kind: .output(value), line: line))
      case .block(let tokens, let line):
        guard depth < Self.deepestNesting else {
          throw TemplateFailure("is nested too deeply", line: line)
        }
        var words = TemplateWords(tokens, line: line)
        let word = try words.name()
        if ends.contains(word) || Self.ends.contains(word) {
          return (statements, End(word: word, words: words, line: line))
        }
        statements += try block(word, words, line, depth: depth)
      }
    }
    return (statements, nil)
  }

  private static let ends: Set<String> = [
    "endif", "elif", "else", "endfor", "endset", "endgeneration",
  ]

  private mutating func block(
    _ word: String, _ words: TemplateWords, _ line: Int, depth: Int
  ) throws(TemplateFailure) -> [TemplateStatement] {
    func made(_ kind: TemplateStatement.Kind) -> [TemplateStatement] {
      [.init(kind: kind, line: line)]
    }
    switch word {
    case "if": return made(try conditional(words, line, depth: depth))
    case "for": return made(.loop(try loop(words, line, depth: depth)))
    case "set": return made(try set(words, line, depth: depth))
    case "break", "continue":
      try words.expectEnd()
      return made(word == "break" ? .leave : .goOn)
    case "generation":
      // What the assistant says: a mark for those who train, which changes no text.
      let (statements, end) = try body(until: ["endgeneration"], depth: depth + 1)
      _ = try closed(end, by: ["endgeneration"], "generation", line)
      return statements
    default: throw TemplateFailure("has the tag \(word), which is not known", line: line)
    }
  }

  /// The tag that ends a block, which must be one of some.
  private func closed(
    _ end: End?, by words: [String], _ block: String, _ line: Int
  ) throws(TemplateFailure) -> End {
    guard let end else { throw TemplateFailure("has \(block) without an end", line: line) }
    guard words.contains(end.word) else {
      throw TemplateFailure("has \(end.word) within \(block)", line: end.line)
    }
    return end
  }

  private mutating func conditional(
    _ first: TemplateWords, _ line: Int, depth: Int
  ) throws(TemplateFailure) -> TemplateStatement.Kind {
    var words = first
    var branches: [TemplateStatement.Branch] = []
    while true {
      let condition = try words.expression()
      try words.expectEnd()
      let (own, end) = try body(until: ["elif", "else", "endif"], depth: depth + 1)
      branches.append(.init(condition: condition, body: own))
      let tag = try closed(end, by: ["elif", "else", "endif"], "if", line)
      if tag.word == "endif" { return .conditional(branches, else: []) }
      if tag.word == "else" {
        let (rest, end) = try body(until: ["endif"], depth: depth + 1)
        _ = try closed(end, by: ["endif"], "if", line)
        return .conditional(branches, else: rest)
      }
      words = tag.words
    }
  }

  private mutating func loop(
    _ words: TemplateWords, _ line: Int, depth: Int
  ) throws(TemplateFailure) -> TemplateStatement.Loop {
    var words = words
    var names = [try words.name()]
    while words.take(",") { names.append(try words.name()) }
    guard words.takeName("in") else {
      throw TemplateFailure("has a for without in", line: line)
    }
    let items = try words.simpleExpression()
    let condition = words.takeName("if") ? try words.expression() : nil
    if words.takeName("recursive") {
      throw TemplateFailure("has a recursive loop, which is not known", line: line)
    }
    try words.expectEnd()
    let (own, end) = try body(until: ["else", "endfor"], depth: depth + 1)
    var otherwise: [TemplateStatement] = []
    if try closed(end, by: ["else", "endfor"], "for", line).word == "else" {
      let (rest, end) = try body(until: ["endfor"], depth: depth + 1)
      _ = try closed(end, by: ["endfor"], "for", line)
      otherwise = rest
    }
    return .init(
      names: names, items: items, condition: condition, body: own, otherwise: otherwise)
  }

  private mutating func set(
    _ words: TemplateWords, _ line: Int, depth: Int
  ) throws(TemplateFailure) -> TemplateStatement.Kind {
    var words = words
    let name = try words.name()
    let attribute = words.take(".") ? try words.name() : nil
    if words.take("=") {
      let value = try words.expression()
      try words.expectEnd()
      return .set(name, attribute: attribute, value)
    }
    guard attribute == nil, words.isAtEnd else {
      throw TemplateFailure("has a set that is not known", line: line)
    }
    let (own, end) = try body(until: ["endset"], depth: depth + 1)
    _ = try closed(end, by: ["endset"], "set", line)
    return .capture(name, own)
  }
}
