/// One node of a document's tree, with the place where it was written.
struct Element: Hashable, Sendable {
  enum Content: Hashable, Sendable {
    /// A scalar; quotes make it text whatever it looks like.
    case scalar(String, isQuoted: Bool)
    case list([Element])
    case table([Entry])
  }

  /// A key with its value and the line of the key.
  struct Entry: Hashable, Sendable {
    var key: String
    var origin: Origin
    var element: Element
  }

  /// Where something was written: in the file, or on the command line.
  enum Origin: Hashable, Sendable {
    case line(Int, file: String)
    case override
  }

  var content: Content
  var origin: Origin

  /// `null`, `~` or nothing, unquoted: a key that is there without a value.
  var isNull: Bool {
    guard case .scalar(let text, isQuoted: false) = content else { return false }
    return ["", "~", "null", "Null", "NULL"].contains(text)
  }

  /// What the element is, for messages.
  var kind: String {
    switch content {
    case .scalar: isNull ? "nothing" : "a single value"
    case .list: "a list"
    case .table: "a table"
    }
  }

  /// The text of a scalar, for messages.
  var scalarText: String? {
    if case .scalar(let text, _) = content { text } else { nil }
  }
}
