/// One value of a document, on its way to becoming a typed one.
public struct Field: Hashable, Sendable {
  let document: String
  /// The path from the outermost table: `node.link.bandwidth`, `degraded[0].link`.
  public let keyPath: String
  let origin: Element.Origin?
  let element: Element

  /// An error at this place that shows the value, if it is a single one.
  public func error(_ rule: String, suggestion: String? = nil) -> ConfigurationError {
    let shown = element.isNull ? nil : element.scalarText
    return located(rule, value: shown, suggestion: suggestion)
  }

  func located(_ rule: String, value: String?, suggestion: String?) -> ConfigurationError {
    var file = document
    var line: Int?
    switch origin ?? element.origin {
    case .line(let number, let origin): (line, file) = (number, origin)
    case .override: file = "--set"
    }
    if keyPath.isEmpty { line = nil }
    return ConfigurationError(
      file: file, line: line, keyPath: keyPath, value: value, rule: rule, suggestion: suggestion)
  }

  /// Whether the key has no value (`key:`, `null`, `~`).
  public var isNull: Bool { element.isNull }

  /// Whether the value was given on the command line, not in the file.
  public var isOverride: Bool { (origin ?? element.origin) == .override }

  /// Whether the value is a table.
  public var isTable: Bool { if case .table = element.content { true } else { false } }

  /// Whether the value is a list.
  public var isList: Bool { if case .list = element.content { true } else { false } }

  /// The value, read as what is expected of it.
  public func read<Value>(_ expected: Expected<Value>) throws(ConfigurationError) -> Value {
    try expected.read(self)
  }

  /// The value as a table.
  public func table(toleratesUnknownKeys: Bool = false) throws(ConfigurationError) -> Table {
    guard case .table(let entries) = element.content else {
      throw error("expected a table of keys and values, found \(element.kind)")
    }
    return Table(field: self, entries: entries, toleratesUnknownKeys: toleratesUnknownKeys)
  }

  /// The items of the value, which must be a list.
  public func items() throws(ConfigurationError) -> [Field] {
    guard case .list(let elements) = element.content else {
      throw error("expected a list, found \(element.kind)")
    }
    return elements.enumerated().map { index, element in
      Field(
        document: document, keyPath: "\(keyPath)[\(index)]",
        origin: origin == .override ? .override : element.origin, element: element)
    }
  }

  /// The text of the value, which must be a single one.
  func scalar(_ expectation: String) throws(ConfigurationError) -> String {
    guard case .scalar(let text, _) = element.content, !element.isNull else {
      throw error("expected \(expectation), found \(element.kind)")
    }
    return text
  }
}
