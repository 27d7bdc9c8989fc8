/// SentencePiece's treatment of spaces: a mark stands for each, words begin with one.
struct Metaspace: Hashable, Sendable {
  /// Where a mark is put in front of a piece of text that does not begin with one.
  enum Prepending: String, Hashable, Sendable, CaseIterable {
    /// In front of every piece.
    case always
    /// In front of the piece that begins the text.
    case first
    case never
  }

  /// What stands for a space, U+2581 as a rule.
  var mark: [UInt8]
  var prepending: Prepending
  /// Whether every mark begins a word of its own.
  var splits: Bool

  /// The words of a piece of text, spaces turned into marks.
  ///
  /// - Parameter isFirst: the piece begins the whole text.
  func words(of text: [UInt8], isFirst: Bool) -> [[UInt8]] {
    var marked = text.replacing([UInt8(ascii: " ")], by: mark)
    let isPrepended = prepending == .always || prepending == .first && isFirst
    if isPrepended, !marked.starts(with: mark) { marked = mark + marked }
    guard splits else { return [marked] }
    var words: [[UInt8]] = []
    var start = 0
    for index in marked.indices where index > start && marked[index...].starts(with: mark) {
      words.append(Array(marked[start..<index]))
      start = index
    }
    words.append(Array(marked[start...]))
    return words
  }
}
