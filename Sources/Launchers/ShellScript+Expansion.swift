import Documents

extension ShellScript {
  /// Keeps what parts would set that are not carried out.
  mutating func passOver(_ nodes: [ShellNode.Joined]) {
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
  mutating func expanded(
    _ word: ShellWord, splitting: Bool = true
  ) throws(ConfigurationError) -> [Word] {
    var words = [Word(text: "", line: word.line)]
    for part in word.parts {
      switch part {
      case .text(let text): words[words.count - 1].text += text
      case .command(let text): words[words.count - 1].text += "$(\(text))"
      case .arithmetic(let text): words[words.count - 1].text += calculated(text)
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
      // `"$@"` and `"${LIST[@]}"` of nothing are no word, quoted as they are.
      words = word.isQuoted && !word.isListAlone ? [Word(text: "", line: word.line)] : []
    }
    size += words.reduce(0) { $0 + $1.text.utf8.count + 1 }
    guard size <= Self.most else {
      throw ConfigurationError(
        file: file, line: word.line, rule: "expands to more than \(Self.most) characters")
    }
    return words
  }

  /// The words of what stands in `${…}`; one that nobody set stays as it is written.
  private mutating func values(of inner: String, line: Int) -> [Word] {
    if inner == "#" { return [Word(text: "\(arguments().count)", line: line)] }
    if inner.hasPrefix("@") || inner.hasPrefix("*"), let own = arguments(inner, line) {
      return own
    }
    if inner.contains("["), let name = inner.split(separator: "[").first,
      inner.hasSuffix("[@]") || inner.hasSuffix("[*]")
    {
      return words(of: String(name)) ?? []
    }
    return texts(of: inner, line).map { Word(text: $0, line: line) }
  }

  /// The script's own arguments.
  private func arguments() -> [Word] {
    if let all = words(of: "@") {
      return variables["@"] != nil
        ? all
        : all.flatMap { word in
          word.text.split(whereSeparator: \.isWhitespace).map {
            Word(text: String($0), line: word.line)
          }
        }
    }
    var own: [Word] = []
    while own.count < 256, let next = words(of: "\(own.count + 1)") { own += next }
    return own
  }

  /// `$@`, and `${@:2}` from the second on; nil for anything else that begins so.
  private mutating func arguments(_ inner: String, _ line: Int) -> [Word]? {
    let rest = inner.dropFirst()
    guard rest.isEmpty || rest.hasPrefix(":"), let from = rest.isEmpty ? 1 : Int(rest.dropFirst())
    else { return nil }
    let all = arguments()
    if all.isEmpty, emptyArguments == nil {
      emptyArguments = (rest.isEmpty ? "$\(inner)" : "${\(inner)}", line)
    }
    return Array(all.dropFirst(max(0, from - 1)))
  }

  private mutating func texts(of inner: String, _ line: Int) -> [String] {
    let name = String(inner.prefix { $0.isLetter || $0.isNumber || $0 == "_" })
    let rest = inner.dropFirst(name.count)
    let own = words(of: name).map { $0.map(\.text) }
    if rest.isEmpty {
      return [own?.joined(separator: " ") ?? (passedOver.contains(name) ? "" : "${\(inner)}")]
    }
    for mark in [":-", ":=", "-", "="] where rest.hasPrefix(mark) {
      let isSet = own.map { mark.hasPrefix(":") ? $0 != [""] && !$0.isEmpty : true } ?? false
      if let own, isSet { return own }
      let otherwise = unquoted(String(rest.dropFirst(mark.count)))
      if mark.hasSuffix("=") { set(name, [Word(text: otherwise, line: line)], line: line) }
      return [otherwise]
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
    if plain.hasPrefix("$(("), plain.hasSuffix("))") {
      return calculated(String(plain.dropFirst(3).dropLast(2)))
    }
    let name = plain.dropFirst().filter { $0 != "{" && $0 != "}" }
    return value(String(name)) ?? plain
  }
}
