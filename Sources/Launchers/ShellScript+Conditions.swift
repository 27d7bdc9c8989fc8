import Documents

extension ShellScript {
  /// Whether a condition holds; nil where that cannot be said.
  mutating func holds(_ nodes: [ShellNode.Joined]) -> Bool? {
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

  mutating func holds(_ words: [ShellWord]) -> Bool? {
    // `(( … ))`, which the lexer calls so.
    if words.count == 2, words[0].plain == "let" {
      let text = (try? expanded(words[1], splitting: false))?.first?.text ?? ""
      return calculate(text).map { $0 != 0 }
    }
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
