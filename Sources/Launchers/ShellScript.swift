import Documents

/// What a shell script would run, found out by reading it: variables, arrays, branches that can be decided.
///
/// Nothing is carried out: a command's output stays a `$(…)` in the text, and what stands in loops counts only
/// where it says nothing of a launch.
package struct ShellScript {
  /// A word behind all expansions.
  package struct Word: Hashable, Sendable {
    package var text: String
    package var line: Int
  }

  private let file: String
  private var variables: [String: [Word]] = [:]
  /// What only branches set that are not taken: empty, where nothing else sets it.
  private var passedOver: Set<String> = []
  /// The commands with their words.
  package private(set) var commands: [[Word]] = []
  /// Texts larger than this are no launch.
  private static let most = 1 << 20
  private var size = 0

  /// - Parameter definitions: variables that are set from outside.
  package init(
    _ text: String, file: String, definitions: [String: String] = [:]
  ) throws(ConfigurationError) {
    self.file = file
    for (name, value) in definitions { variables[name] = [Word(text: value, line: 0)] }
    try run(all: ShellParser.parse(text, file: file))
  }

  /// The values of all variables, in the order of their names.
  var arrays: [(name: String, words: [Word])] {
    variables.keys.sorted().map { ($0, variables[$0] ?? []) }
  }

  /// The value of a variable; nil where it is not set.
  func value(_ name: String) -> String? {
    variables[name].map { $0.map(\.text).joined(separator: " ") }
  }

  // MARK: - Parts of the script

  private mutating func run(_ node: ShellNode) throws(ConfigurationError) {
    switch node {
    case .command(let words, let line): try run(words, line)
    case .array(let name, let words, let appends, _):
      var own: [Word] = []
      for word in words { own += try expanded(word) }
      variables[name] = (appends ? variables[name] ?? [] : []) + own
    case .list(let nodes): try run(all: nodes)
    case .branches(let branches, let otherwise, let line):
      for branch in branches {
        guard let holds = holds(branch.condition) else {
          try refuseOptions(
            in: branches.flatMap(\.body) + otherwise, line, "an `if` that cannot be decided")
          return
        }
        if holds {
          for other in branches { passOver(other.body) }
          passOver(otherwise)
          return try run(all: branch.body)
        }
      }
      for other in branches { passOver(other.body) }
      try run(all: otherwise)
    case .choice(let subject, let options, let line):
      let text = try expanded(subject).map(\.text).joined(separator: " ")
      guard unsetVariable(in: text) == nil else {
        return try refuseOptions(
          in: options.flatMap(\.body), line, "a `case` that cannot be decided")
      }
      let chosen = options.first { option in
        option.patterns.contains { $0 == text || $0 == "*" }
      }
      for option in options { passOver(option.body) }
      if let chosen { try run(all: chosen.body) }
    case .loop(let nodes, let line): try refuseOptions(in: nodes, line, "a loop")
    }
  }

  /// Carries out parts in turn; one behind `test &&` or `test ||` where the test says so.
  private mutating func run(all nodes: [ShellNode.Joined]) throws(ConfigurationError) {
    var test: (result: Bool?, line: Int)?
    for joined in nodes {
      if joined.mark == "&&" || joined.mark == "||", let decided = test {
        guard let holds = decided.result else {
          try refuseOptions(in: [joined], decided.line, "what a test decides that nobody can")
          continue
        }
        guard holds == (joined.mark == "&&") else {
          passOver([joined])
          continue
        }
      }
      test = nil
      if case .command(let words, let line) = joined.node,
        ["[", "[[", "test"].contains(words.first?.plain ?? "")
      {
        test = (holds(words), line)
      } else {
        try run(joined.node)
      }
    }
  }

  private mutating func run(_ words: [ShellWord], _ line: Int) throws(ConfigurationError) {
    var rest = words[...]
    while let first = rest.first, let plain = first.plain,
      ["export", "local", "declare", "readonly", "typeset", "set"].contains(plain)
        || (words.count != rest.count && plain.hasPrefix("-") && words[0].plain != "set")
    {
      rest.removeFirst()
    }
    while let first = rest.first, let assignment = Self.assignment(first) {
      let value = try expanded(assignment.value, splitting: false)
      let text = Word(text: value.map(\.text).joined(separator: " "), line: first.line)
      if assignment.appends, var old = variables[assignment.name], let last = old.popLast() {
        variables[assignment.name] = old + [Word(text: last.text + text.text, line: last.line)]
      } else {
        variables[assignment.name] = [text]
      }
      rest.removeFirst()
    }
    guard !rest.isEmpty else { return }
    var command: [Word] = []
    for word in rest { command += try expanded(word) }
    // What is evaluated is read once more.
    if command.first?.text == "eval" { command = command.map(Self.unescaped) }
    if !command.isEmpty { commands.append(command) }
  }

  /// The word without the backslashes that guard its characters.
  private static func unescaped(_ word: Word) -> Word {
    var (text, isGuarded) = ("", false)
    for character in word.text {
      if character == "\\", !isGuarded {
        isGuarded = true
      } else {
        text.append(character)
        isGuarded = false
      }
    }
    return Word(text: text, line: word.line)
  }

  /// `NAME=…` or `NAME+=…` at the start of a word.
  private static func assignment(
    _ word: ShellWord
  ) -> (name: String, value: ShellWord, appends: Bool)? {
    guard case .text(let text)? = word.parts.first, let equals = text.firstIndex(of: "=") else {
      return nil
    }
    var name = text[..<equals]
    let appends = name.hasSuffix("+")
    if appends { name.removeLast() }
    guard let first = name.first, first.isLetter || first == "_",
      name.allSatisfy({ $0.isLetter || $0.isNumber || $0 == "_" })
    else { return nil }
    var value = word
    let rest = String(text[text.index(after: equals)...])
    value.parts[0] = .text(rest)
    return (String(name), value, appends)
  }

  /// Refuses parts that say options but may or may not be carried out.
  private func refuseOptions(
    in nodes: [ShellNode.Joined], _ line: Int, _ what: String
  ) throws(ConfigurationError) {
    guard let word = firstOption(in: nodes, depth: 0) else { return }
    throw ConfigurationError(
      file: file, line: word.line, value: word.plain,
      rule:
        "stands in \(what) (line \(line)): set the variables with --define NAME=VALUE, or write "
        + "out what holds")
  }

  private func firstOption(in nodes: [ShellNode.Joined], depth: Int) -> ShellWord? {
    for node in nodes {
      let found: ShellWord? =
        switch node.node {
        case .command(let words, _), .array(_, let words, _, _):
          words.first { word in
            guard case .text(let text)? = word.parts.first else { return false }
            return MegatronOptions.isKnown(text)
          }
        case .list(let inner), .loop(let inner, _): firstOption(in: inner, depth: depth + 1)
        case .branches(let branches, let otherwise, _):
          firstOption(in: branches.flatMap(\.body) + otherwise, depth: depth + 1)
        case .choice(_, let options, _):
          firstOption(in: options.flatMap(\.body), depth: depth + 1)
        }
      if let found { return found }
    }
    return nil
  }
}

// MARK: - Expansion

extension ShellScript {
  /// Keeps what parts would set that are not carried out.
  private mutating func passOver(_ nodes: [ShellNode.Joined]) {
    for joined in nodes {
      switch joined.node {
      case .command(let words, _):
        passedOver.formUnion(words.compactMap { Self.assignment($0)?.name })
      case .array(let name, _, _, _): passedOver.insert(name)
      case .list(let inner), .loop(let inner, _): passOver(inner)
      case .branches(let branches, let otherwise, _):
        passOver(branches.flatMap(\.body) + otherwise)
      case .choice(_, let options, _): passOver(options.flatMap(\.body))
      }
    }
  }

  /// The words that a word becomes; one that was not in quotes is cut at its spaces.
  private mutating func expanded(
    _ word: ShellWord, splitting: Bool = true
  ) throws(ConfigurationError) -> [Word] {
    var words = [Word(text: "", line: word.line)]
    for part in word.parts {
      switch part {
      case .text(let text): words[words.count - 1].text += text
      case .command(let text): words[words.count - 1].text += "$(\(text))"
      case .arithmetic(let text):
        let known = variables
        let number = ShellArithmetic.value(of: text) { name in
          known[name].map { $0.map(\.text).joined(separator: " ") }
        }
        words[words.count - 1].text += number.map { "\($0)" } ?? "$((\(text)))"
      case .variable(let name, let isQuoted):
        var pieces = values(of: name, line: word.line)
        if !isQuoted, splitting {
          pieces = pieces.flatMap { piece in
            piece.text.split(whereSeparator: \.isWhitespace).map {
              Word(text: String($0), line: piece.line)
            }
          }
        }
        guard let first = pieces.first else { continue }
        // An array's words keep the lines that they were written in.
        let last = words.count - 1
        words[last] = Word(
          text: words[last].text + first.text,
          line: words[last].text.isEmpty && name.contains("[") ? first.line : words[last].line)
        words += pieces.dropFirst()
      }
    }
    if word.parts.isEmpty || (words.count == 1 && words[0].text.isEmpty) {
      words = word.isQuoted ? [Word(text: "", line: word.line)] : []
    }
    size += words.reduce(0) { $0 + $1.text.utf8.count + 1 }
    guard size <= Self.most else {
      throw ConfigurationError(
        file: file, line: word.line, rule: "expands to more than \(Self.most) characters")
    }
    return words
  }

  /// The words of what stands in `${…}`; one that nobody set stays as it is written.
  private func values(of inner: String, line: Int) -> [Word] {
    if inner.contains("["), let name = inner.split(separator: "[").first,
      inner.hasSuffix("[@]") || inner.hasSuffix("[*]")
    {
      return variables[String(name)] ?? []
    }
    return texts(of: inner).map { Word(text: $0, line: line) }
  }

  private func texts(of inner: String) -> [String] {
    let name = String(inner.prefix { $0.isLetter || $0.isNumber || $0 == "_" })
    let rest = inner.dropFirst(name.count)
    let own = variables[name].map { $0.map(\.text) }
    if rest.isEmpty {
      return [own?.joined(separator: " ") ?? (passedOver.contains(name) ? "" : "${\(inner)}")]
    }
    for mark in [":-", ":=", "-", "="] where rest.hasPrefix(mark) {
      let isSet = own.map { mark.hasPrefix(":") ? $0 != [""] && !$0.isEmpty : true } ?? false
      if let own, isSet { return own }
      return [unquoted(String(rest.dropFirst(mark.count)))]
    }
    if rest.hasPrefix("["), rest.hasSuffix("]"), let index = Int(rest.dropFirst().dropLast()) {
      return own.map { index < $0.count && index >= 0 ? [$0[index]] : [] } ?? ["${\(inner)}"]
    }
    return ["${\(inner)}"]
  }

  /// A default's text without its quotes, its own variables expanded once.
  private func unquoted(_ text: String) -> String {
    let plain = text.filter { $0 != "\"" && $0 != "'" }
    guard plain.hasPrefix("$") else { return plain }
    let name = plain.dropFirst().filter { $0 != "{" && $0 != "}" }
    return value(String(name)) ?? plain
  }
}

// MARK: - Conditions

extension ShellScript {
  /// Whether a condition holds; nil where that cannot be said.
  private mutating func holds(_ nodes: [ShellNode.Joined]) -> Bool? {
    var result: Bool? = true
    for (index, joined) in nodes.enumerated() {
      guard case .command(let words, _) = joined.node else { continue }
      let next = holds(words)
      if index == 0 { result = next }
      if joined.mark == "&&" {
        result = result == false || next == false ? false : result.flatMap { _ in next }
      } else if joined.mark == "||" {
        result = result == true || next == true ? true : result.flatMap { _ in next }
      } else if index > 0 {
        result = next
      }
    }
    return result
  }

  private mutating func holds(_ words: [ShellWord]) -> Bool? {
    guard let bracket = words.first?.plain, ["[", "[[", "test"].contains(bracket) else {
      return words.count == 1 ? ["true": true, "false": false][words[0].plain ?? ""] : nil
    }
    var texts: [String] = []
    for word in words.dropFirst() {
      guard let pieces = try? expanded(word, splitting: false) else { return nil }
      let text = pieces.map(\.text).joined(separator: " ")
      // Nobody set it: empty, as it is to a shell.
      texts.append(text.hasPrefix("${") && unsetVariable(in: text) == text ? "" : text)
    }
    if texts.last == "]" || texts.last == "]]" { texts.removeLast() }
    if texts.first == "!" {
      return compare(Array(texts.dropFirst())).map { !$0 }
    }
    return compare(texts)
  }

  private func compare(_ texts: [String]) -> Bool? {
    guard !texts.contains(where: { unsetVariable(in: $0) != nil }) else { return nil }
    switch texts.count {
    case 1: return !texts[0].isEmpty
    case 2:
      switch texts[0] {
      case "-z": return texts[1].isEmpty
      case "-n": return !texts[1].isEmpty
      default: return nil
      }
    case 3:
      let (left, right) = (texts[0], texts[2])
      switch texts[1] {
      case "=", "==": return left == right
      case "!=": return left != right
      default: break
      }
      guard let first = Int(left), let second = Int(right) else { return nil }
      switch texts[1] {
      case "-eq": return first == second
      case "-ne": return first != second
      case "-gt", ">": return first > second
      case "-ge": return first >= second
      case "-lt", "<": return first < second
      case "-le": return first <= second
      default: return nil
      }
    default: return nil
    }
  }
}
