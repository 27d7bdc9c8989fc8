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

  let file: String
  /// What is set from outside, the positions (`1`, `2`) among it.
  let outside: ImportUse
  /// What Slurm sets by the script's header, unless a definition from outside says otherwise.
  let scheduler: [String: String]
  /// What the script sets.
  var variables: [String: [Word]] = [:]
  /// What only branches set that are not taken: empty, where nothing else sets it.
  var passedOver: Set<String> = []
  /// The first place where the script's own arguments stand and none are given.
  var emptyArguments: (spelling: String, line: Int)?
  /// The commands with their words.
  package private(set) var commands: [[Word]] = []
  /// Texts larger than this are no launch.
  static let most = 1 << 20
  var size = 0

  /// - Parameter definitions: variables that are set from outside.
  package init(
    _ text: String, file: String, definitions: [String: String] = [:]
  ) throws(ConfigurationError) {
    try self.init(text, file: file, ImportUse(definitions: definitions))
  }

  init(_ text: String, file: String, _ outside: ImportUse) throws(ConfigurationError) {
    (self.file, self.outside) = (file, outside)
    scheduler = SlurmRequest(header: text).environment
    try run(all: ShellParser.parse(text, file: file))
  }

  /// The values of all variables that the script sets, in the order of their names.
  var arrays: [(name: String, words: [Word])] {
    variables.keys.sorted().map { ($0, variables[$0] ?? []) }
  }

  /// The value of a variable; nil where it is not set.
  func value(_ name: String) -> String? {
    words(of: name).map { $0.map(\.text).joined(separator: " ") }
  }

  /// The words of a variable, of the script or from outside; nil where it is not set.
  func words(of name: String) -> [Word]? {
    variables[name]
      ?? (outside.definition(of: name) ?? scheduler[name]).map { [Word(text: $0, line: 0)] }
  }

  /// Sets a variable, which a definition from outside does not outlast.
  mutating func set(_ name: String, _ words: [Word], line: Int) {
    outside.replace(name, file: file, line: line)
    variables[name] = words
  }

  // MARK: - Parts of the script

  private mutating func run(_ node: ShellNode) throws(ConfigurationError) {
    switch node {
    case .command(let words, let line): try run(words, line)
    case .array(let name, let words, let appends, let line):
      var own: [Word] = []
      for word in words { own += try expanded(word) }
      set(name, (appends ? self.words(of: name) ?? [] : []) + own, line: line)
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
      if case .command(let words, let line) = joined.node, Self.isTest(words) {
        test = (holds(words), line)
      } else {
        try run(joined.node)
      }
    }
  }

  /// Whether a command only tests: `[ … ]`, and `(( … ))` or `let` that sets nothing.
  private static func isTest(_ words: [ShellWord]) -> Bool {
    guard words.count == 2, words[0].plain == "let", let text = words[1].plain else {
      return ["[", "[[", "test"].contains(words.first?.plain ?? "")
    }
    let comparisons = ["==", "!=", "<=", ">="]
    return !["++", "--"].contains(where: text.contains)
      && !comparisons.reduce(text) { $0.replacing($1, with: "") }.contains("=")
  }

  private mutating func run(_ words: [ShellWord], _ line: Int) throws(ConfigurationError) {
    if words.first?.plain == "let" { return try calculate(words.dropFirst()) }
    if words.count > 1, words[0].plain == "set", words[1].plain == "--" {
      return try setArguments(words.dropFirst(2), line)
    }
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
      if assignment.appends, var old = self.words(of: assignment.name), let last = old.popLast() {
        old.append(Word(text: last.text + text.text, line: last.line))
        set(assignment.name, old, line: first.line)
      } else {
        set(assignment.name, [text], line: first.line)
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

  /// `set -- a b`: the script's own arguments from here on.
  private mutating func setArguments(
    _ words: ArraySlice<ShellWord>, _ line: Int
  ) throws(ConfigurationError) {
    var own: [Word] = []
    for word in words { own += try expanded(word) }
    set("@", own, line: line)
    for (index, word) in own.enumerated() { set("\(index + 1)", [word], line: line) }
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
  static func assignment(
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
