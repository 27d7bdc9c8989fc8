import Documents

/// Texts of a file with characters that the tokenizer has no token for: how many there are, and where.
package struct UnknownCharacters: Hashable, Sendable {
  private let file: String
  private let what: String
  private var count = 0
  private var firstLine = 0

  /// As yet no text of a file.
  ///
  /// - Parameter what: what the texts are called, in the plural.
  package init(of what: String, in file: String) { (self.what, self.file) = (what, file) }

  /// Looks at the tokens of a line's text.
  package mutating func look(
    at tokens: some Sequence<Int32>, of line: JSONLines.Line, _ tokenizer: Tokenizer
  ) {
    guard let unknown = tokenizer.unknown, tokens.contains(unknown) else { return }
    if count == 0 { firstLine = line.number }
    count += 1
  }

  /// What people should know of it; nil where every text has its tokens.
  package var notice: String? {
    guard count > 0 else { return nil }
    return
      "\(file): \(count) \(what) have characters that the tokenizer has no token for, and are read "
      + "without them; the first is line \(firstLine)"
  }
}
