import Documents

/// A part of a shell script.
indirect enum ShellNode: Hashable, Sendable {
  case command([ShellWord], line: Int)
  /// `NAME=(…)` or `NAME+=(…)`.
  case array(name: String, words: [ShellWord], appends: Bool, line: Int)
  /// Parts with what joins each to the one before: `&&`, `||` or anything else.
  case list([Joined])
  /// Conditions with what follows where they hold, and what follows where none does.
  case branches([Branch], otherwise: [Joined], line: Int)
  case choice(ShellWord, [Option], line: Int)
  /// What is carried out any number of times, or nobody knows when.
  case loop([Joined], line: Int)

  struct Joined: Hashable, Sendable {
    var mark: String
    var node: ShellNode
  }

  struct Branch: Hashable, Sendable {
    var condition: [Joined]
    var body: [Joined]
  }

  struct Option: Hashable, Sendable {
    var patterns: [String?]
    var body: [Joined]
  }
}

/// Reads commands, branches and loops out of the tokens of a shell script.
struct ShellParser {
  private let tokens: [ShellToken]
  private let file: String
  private var position = 0
  private var depth = 0

  private init(_ tokens: [ShellToken], file: String) {
    self.tokens = tokens
    self.file = file
  }

  static func parse(_ text: String, file: String) throws(ConfigurationError) -> [ShellNode.Joined] {
    var parser = ShellParser(try ShellLexer.tokens(of: text, file: file), file: file)
    var nodes: [ShellNode.Joined] = []
    while parser.position < parser.tokens.count {
      nodes += try parser.list(until: [])
      // A word that closes what nobody opened is passed over.
      parser.position += 1
    }
    return nodes
  }

  private func failure(_ rule: String, _ line: Int) -> ConfigurationError {
    ConfigurationError(file: file, line: line, rule: rule)
  }

  private var keyword: String? {
    guard position < tokens.count, case .word(let word) = tokens[position], !word.isQuoted else {
      return nil
    }
    return word.plain
  }

  private var line: Int {
    guard position < tokens.count else { return 1 }
    return switch tokens[position] {
    case .word(let word): word.line
    case .mark(_, let line): line
    }
  }

  private static let closing: Set = ["then", "elif", "else", "fi", "do", "done", "esac"]

  /// Parts up to one of some words, or to the end of a branch; the word itself is not taken.
  private mutating func list(
    until ends: Set<String>
  ) throws(ConfigurationError) -> [ShellNode.Joined] {
    depth += 1
    defer { depth -= 1 }
    guard depth <= 64 else { throw failure("is nested deeper than 64 levels", line) }
    var nodes: [ShellNode.Joined] = []
    var mark = "\n"
    while position < tokens.count {
      if case .mark(let text, _) = tokens[position] {
        if text == ";;" { return nodes }
        if text != "\n" || mark != "&&" && mark != "||" { mark = text }
        position += 1
        continue
      }
      if let keyword, ends.contains(keyword) || Self.closing.contains(keyword) { return nodes }
      nodes.append(.init(mark: mark, node: try node()))
      mark = "\n"
    }
    return nodes
  }

  private mutating func node() throws(ConfigurationError) -> ShellNode {
    let start = line
    switch keyword {
    case "if": return try branches(start)
    case "for", "while", "until", "select": return try loop(start)
    case "case": return try choice(start)
    case "{", "}", "!", "function", "time":
      position += 1
      return .list([])
    default: return try command(start)
    }
  }

  private mutating func branches(_ start: Int) throws(ConfigurationError) -> ShellNode {
    var branches: [ShellNode.Branch] = []
    var otherwise: [ShellNode.Joined] = []
    while position < tokens.count {
      let word = keyword
      position += 1
      switch word {
      case "if", "elif":
        let condition = try list(until: ["then"])
        guard keyword == "then" else { throw failure("this `if` has no `then`", start) }
        position += 1
        branches.append(.init(condition: condition, body: try list(until: [])))
      case "else": otherwise = try list(until: [])
      case "fi": return .branches(branches, otherwise: otherwise, line: start)
      default: throw failure("this `if` has no `fi`", start)
      }
    }
    throw failure("this `if` has no `fi`", start)
  }

  private mutating func loop(_ start: Int) throws(ConfigurationError) -> ShellNode {
    while position < tokens.count, keyword != "do" { position += 1 }
    position += 1
    let body = try list(until: ["done"])
    guard keyword == "done" else { throw failure("this loop has no `done`", start) }
    position += 1
    return .loop(body, line: start)
  }

  private mutating func choice(_ start: Int) throws(ConfigurationError) -> ShellNode {
    position += 1
    guard position < tokens.count, case .word(let subject) = tokens[position] else {
      throw failure("this `case` has no word", start)
    }
    position += 1
    var options: [ShellNode.Option] = []
    if keyword == "in" { position += 1 }
    while position < tokens.count, keyword != "esac" {
      var patterns: [String?] = []
      while position < tokens.count {
        if case .word(let word) = tokens[position] { patterns.append(word.plain) }
        if case .mark(")", _) = tokens[position] { break }
        if keyword == "esac" { break }
        position += 1
      }
      if keyword == "esac" { break }
      position += 1
      options.append(.init(patterns: patterns, body: try list(until: ["esac"])))
      if position < tokens.count, case .mark(";;", _) = tokens[position] { position += 1 }
      while position < tokens.count, case .mark("\n", _) = tokens[position] { position += 1 }
    }
    guard position < tokens.count else { throw failure("this `case` has no `esac`", start) }
    position += 1
    return .choice(subject, options, line: start)
  }

  private mutating func command(_ start: Int) throws(ConfigurationError) -> ShellNode {
    var words: [ShellWord] = []
    while position < tokens.count {
      switch tokens[position] {
      case .word(let word):
        words.append(word)
        position += 1
        if let array = try array(word, isFirst: words.count == 1, start) { return array }
      case .mark("(", let line):
        // A subshell, or a function's name behind which comes its body.
        guard words.isEmpty else {
          if let option = words.last?.plain, option.hasPrefix("--") {
            throw failure("a list in brackets behind \(option) must stand in quotes", line)
          }
          position += 1
          return .list([])
        }
        position += 1
      case .mark: return .command(words, line: start)
      }
    }
    return .command(words, line: start)
  }

  /// `NAME=(` and what follows up to `)`; also behind `declare -a`, `local`, `export`.
  private mutating func array(
    _ word: ShellWord, isFirst: Bool, _ start: Int
  ) throws(ConfigurationError) -> ShellNode? {
    guard let text = word.plain, text.hasSuffix("="), !word.isQuoted, position < tokens.count,
      case .mark("(", _) = tokens[position]
    else { return nil }
    position += 1
    var words: [ShellWord] = []
    while position < tokens.count {
      switch tokens[position] {
      case .word(let word): words.append(word)
      case .mark(")", _):
        position += 1
        let appends = text.hasSuffix("+=")
        return .array(
          name: String(text.dropLast(appends ? 2 : 1)), words: words, appends: appends,
          line: start)
      case .mark("\n", _): break
      case .mark(let mark, let line):
        throw failure("a list in brackets holds '\(mark)'", line)
      }
      position += 1
    }
    throw failure("a list in brackets is not closed", start)
  }
}
