/// What stands behind a value.
public enum Provenance: Hashable, Sendable {
  /// A paper, data sheet or measurement.
  case source(String)
  /// Nothing was published; the text says why this value was taken.
  case assumption(String)
  /// The file does not say.
  case unstated
}

/// A value with the place that it came from.
///
/// Written `{value: 200 GB/s, source: "data sheet, table 3"}`, or `{value: …, assumption: "why"}`
/// where nobody has published it, or as the bare value in a user's own file.
public struct Sourced<Value> {
  public var value: Value
  public var origin: Provenance

  public init(_ value: Value, _ origin: Provenance = .unstated) {
    self.value = value
    self.origin = origin
  }

  /// The same origin with another value.
  public func map<Other>(_ transform: (Value) -> Other) -> Sourced<Other> {
    Sourced<Other>(transform(value), origin)
  }
}

extension Sourced: Equatable where Value: Equatable {}
extension Sourced: Hashable where Value: Hashable {}
extension Sourced: Sendable where Value: Sendable {}

extension Expected {
  /// A value as `item` reads it, bare or in a table with its `source` or `assumption`.
  public static func sourced<Item>(_ item: Expected<Item>) -> Expected
  where Value == Sourced<Item> {
    Expected(.sourced(item.form)) { field throws(ConfigurationError) in
      guard field.isTable else { return Sourced(try item.read(field)) }
      let table = try field.table()
      let value = try table.required("value", item)
      let source = try table.optional("source", .string)
      let assumption = try table.optional("assumption", .string)
      try table.finish()
      switch (source, assumption) {
      case (let source?, nil): return Sourced(value, .source(source))
      case (nil, let assumption?): return Sourced(value, .assumption(assumption))
      case (nil, nil): return Sourced(value)
      case (_?, _?):
        throw table.error("a value has a source or is an assumption, not both", at: "assumption")
      }
    }
  }
}

extension Provenance: CustomStringConvertible {
  /// The source as it is, an assumption marked as one, nothing where the file does not say.
  public var description: String {
    switch self {
    case .source(let source): source
    case .assumption(let reason): "assumed: \(reason)"
    case .unstated: ""
    }
  }
}
