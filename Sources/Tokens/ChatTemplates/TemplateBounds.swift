/// How much a chat template may make: one that needs more does not come to an end, or fills the memory.
struct TemplateBounds {
  /// Statements, turns of loops and items that a loop's condition looks at.
  static let mostSteps = 100_000
  /// Bytes of a text.
  static let mostBytes = 1 << 24
  /// Items that a text or list is taken apart into.
  static let mostItems = 1_000_000
  /// Lists and mappings in one another; a conversation's own are at most 64.
  static let deepestValue = 128
  /// Items of all lists and mappings that are made, those of a value in it each time it is in it.
  private static let mostVisits = 2_000_000

  private var visits = 0

  /// A list or mapping that was made.
  ///
  /// - Throws: where it is too deep or, with those before, too large.
  mutating func admitted(_ value: TemplateValue) throws(TemplateFailure) -> TemplateValue {
    try visit(value, depth: 0)
    return value
  }

  private mutating func visit(_ value: TemplateValue, depth: Int) throws(TemplateFailure) {
    visits += 1
    // A text counts by its size: one that is kept a thousand times fills the memory, too.
    if case .string(let text) = value { visits += text.utf8.count >> 6 }
    guard visits <= Self.mostVisits else { throw TemplateFailure("does not come to an end") }
    guard depth <= Self.deepestValue else {
      throw TemplateFailure("puts lists and mappings into one another too deeply")
    }
    switch value {
    case .list(let items): for item in items { try visit(item, depth: depth + 1) }
    case .table(let entries): for entry in entries { try visit(entry.value, depth: depth + 1) }
    default: break
    }
  }

  /// Texts with another one between them.
  static func joined(
    _ parts: [String], by separator: String = ""
  ) throws(TemplateFailure) -> String {
    var whole = ""
    for (index, part) in parts.enumerated() {
      if index > 0 { whole += separator }
      whole += part
      guard whole.utf8.count <= mostBytes else {
        throw TemplateFailure("writes a text of more than \(mostBytes) bytes")
      }
    }
    return whole
  }
}
