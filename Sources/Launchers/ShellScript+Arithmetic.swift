import Documents

/// What a script computes: `$((…))`, `((…))` and `let`.
extension ShellScript {
  /// The value of an expression; nil where it cannot be worked out.
  func calculate(_ text: String) -> Int? {
    ShellArithmetic.value(of: text) { value($0) }
  }

  /// The value of an expression as text, or the expression with what nobody set.
  func calculated(_ text: String) -> String {
    if let number = calculate(text) { return "\(number)" }
    return "$((\(ShellArithmetic.withValues(text) { value($0) })))"
  }

  /// `let NAME=expression …`, `let NAME+=2`, `let NAME++`.
  mutating func calculate(_ words: ArraySlice<ShellWord>) throws(ConfigurationError) {
    for word in words {
      let text = try expanded(word, splitting: false).map(\.text).joined(separator: " ")
        .filter { !$0.isWhitespace }
      let step = ["++", "--"].first { text.hasPrefix($0) || text.hasSuffix($0) }
      let bare = text.drop { step != nil && "+-".contains($0) }
      let name = String(bare.prefix { $0.isLetter || $0.isNumber || $0 == "_" })
      guard let first = name.first, !first.isNumber else { continue }
      var rest = bare.dropFirst(name.count)
      if let step, rest.isEmpty || rest == step { rest = "\(step.prefix(1))=1" }
      // `NAME += 2` and its like.
      let sign = rest.first.flatMap { "+-*/%".contains($0) ? String($0) : nil }
      if sign != nil { rest = rest.dropFirst() }
      guard rest.hasPrefix("="), !rest.hasPrefix("==") else { continue }
      let right = String(rest.dropFirst())
      let value = calculated(sign.map { "\(name)\($0)(\(right))" } ?? right)
      set(name, [Word(text: value, line: word.line)], line: word.line)
    }
  }
}
