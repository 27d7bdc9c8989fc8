import Documents

/// What a JSON value must look like: the part of JSON Schema (draft 2020-12) that rules need.
///
/// `type`, `properties`, `required`, `additionalProperties`, `items`, `minItems`, `maxItems`, `enum`.
public struct JSONSchema: Hashable, Sendable {
  /// The types that JSON Schema names.
  enum Kind: String, CaseIterable, Hashable, Sendable {
    case object, array, string, number, integer, boolean, null
  }

  var kind: Kind?
  var properties: [Property] = []
  var required: [String] = []
  var admitsOthers = true
  /// Of every item; at most one.
  var items: [JSONSchema] = []
  var itemCount = 0...Int.max
  /// Values of which it must be one, numbers by value; empty for any.
  var choices: [JSONValue] = []

  struct Property: Hashable, Sendable {
    var key: String
    var schema: JSONSchema
  }

  /// Whether a value is as the schema asks.
  public func admits(_ value: JSONValue) -> Bool {
    guard kind.map({ Self.isOf($0, value) }) ?? true else { return false }
    guard choices.isEmpty || choices.contains(where: value.hasValues(of:)) else { return false }
    if let entries = value.entries {
      guard required.allSatisfy({ value[$0] != nil }) else { return false }
      return entries.allSatisfy { entry in
        properties.first { $0.key == entry.key }?.schema.admits(entry.value) ?? admitsOthers
      }
    }
    if let values = value.items {
      return itemCount.contains(values.count)
        && values.allSatisfy { items.first?.admits($0) ?? true }
    }
    return true
  }

  private static func isOf(_ kind: Kind, _ value: JSONValue) -> Bool {
    switch (kind, value) {
    case (.object, .table), (.array, .list), (.string, .string), (.boolean, .boolean),
      (.null, .null), (.number, .integer), (.number, .decimal), (.integer, .integer),
      (.number, .long), (.integer, .long):
      true
    // 1.0 is an integer of JSON Schema.
    case (.integer, .decimal(let number)): number == number.rounded()
    default: false
    }
  }
}

extension JSONSchema {
  /// A schema as a table of a document.
  public static var expected: Expected<JSONSchema> {
    Expected(.text("a table in words of JSON Schema")) { field throws(ConfigurationError) in
      try JSONSchema(field)
    }
  }

  private init(_ field: Field) throws(ConfigurationError) {
    let table = try field.table()
    kind = try table.optional("type", .choice())
    if let fields = table.field("properties") {
      for (key, field) in try fields.table().allFields() {
        properties.append(.init(key: key, schema: try JSONSchema(field)))
      }
    }
    required = try table.value("required", .list(of: .string), default: [])
    admitsOthers = try table.value("additionalProperties", .boolean, default: true)
    if let field = table.field("items") { items = [try JSONSchema(field)] }
    let least = try table.value("minItems", .integer(), default: 0)
    let most = try table.value("maxItems", .integer(), default: Int.max)
    guard least <= most else { throw table.error("is less than minItems", at: "maxItems") }
    itemCount = least...most
    if let field = table.field("enum") {
      choices = try field.items().map(\.json)
      guard !choices.isEmpty else { throw table.error("admits nothing", at: "enum") }
    }
    try table.finish()
  }
}
