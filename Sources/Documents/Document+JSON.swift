extension Document: Encodable {
  /// The document as a value of another: keys as written, numbers and `true` or `false` as such where
  /// they are not quoted, everything else as text.
  public func encode(to encoder: any Encoder) throws { try root.encode(to: encoder) }
}

extension Element: Encodable {
  private struct Key: CodingKey {
    var stringValue: String
    var intValue: Int? { nil }

    init(_ key: String) { stringValue = key }
    init?(stringValue: String) { self.init(stringValue) }
    init?(intValue: Int) { nil }
  }

  func encode(to encoder: any Encoder) throws {
    switch content {
    case .table(let entries):
      var table = encoder.container(keyedBy: Key.self)
      for entry in entries { try table.encode(entry.element, forKey: Key(entry.key)) }
    case .list(let elements):
      var list = encoder.unkeyedContainer()
      for element in elements { try list.encode(element) }
    case .scalar(let text, let isQuoted):
      var value = encoder.singleValueContainer()
      if isNull {
        try value.encodeNil()
      } else if isQuoted {
        try value.encode(text)
      } else if let number = Int(text) {
        try value.encode(number)
      } else if let number = Double(text), number.isFinite {
        try value.encode(number)
      } else if text == "true" || text == "false" {
        try value.encode(text == "true")
      } else {
        try value.encode(text)
      }
    }
  }
}

extension Field {
  /// The value as JSON: what is not quoted and looks like a number, `true`, `false` or nothing is that, all
  /// else text.
  public var json: JSONValue { element.json }
}

extension Element {
  fileprivate var json: JSONValue {
    switch content {
    case .table(let entries):
      return .table(entries.map { .init(key: $0.key, value: $0.element.json) })
    case .list(let elements): return .list(elements.map(\.json))
    case .scalar(let text, let isQuoted):
      if isNull { return .null }
      guard !isQuoted, let value = try? JSONValue(Array(text.utf8)), value.isNumberOrFlag else {
        return .string(text)
      }
      return value
    }
  }
}
