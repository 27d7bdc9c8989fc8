import Quantities

/// A view of one table that remembers which keys were asked for.
///
/// Keys that nobody asked for are mistakes of the person who wrote the file: `finish()` on the
/// outermost table finds them, in every table that was opened through it. A class, since what was
/// read belongs to one table however many functions look at it.
public final class Table {
  /// The place of the table itself.
  public let field: Field
  let entries: [Element.Entry]
  private let indexOfKey: [String: Int]
  private let toleratesUnknownKeys: Bool
  private var wasRead: [Bool]
  /// Names that were asked for, in the order of asking: what a wrong key may have meant.
  private var asked: [String] = []
  /// Other words for names that were asked for, as people may try them.
  private var otherNames: [(other: String, name: String)] = []
  private var opened: [Table] = []

  init(field: Field, entries: [Element.Entry], toleratesUnknownKeys: Bool) {
    self.field = field
    self.entries = entries
    self.toleratesUnknownKeys = toleratesUnknownKeys
    wasRead = Array(repeating: false, count: entries.count)
    indexOfKey = Dictionary(
      entries.enumerated().map { ($1.key, $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// The keys in the order in which they were written.
  public var keys: [String] { entries.map(\.key) }

  /// Whether the key was written; does not count as reading it, but as asking for it.
  public func contains(_ key: String) -> Bool {
    asked.append(key)
    return indexOfKey[key] != nil
  }

  /// The value of a key, if it was written (even with no value behind it).
  public func field(_ key: String) -> Field? {
    asked.append(key)
    guard let index = indexOfKey[key] else { return nil }
    wasRead[index] = true
    return field(at: index)
  }

  /// The value of a key that must be there.
  public func required<Value>(
    _ key: String, _ expected: Expected<Value>
  ) throws(ConfigurationError) -> Value {
    guard let field = field(key) else { throw missing(key) }
    return try field.read(expected)
  }

  /// The value of a key, or nil where it is missing or `null`.
  public func optional<Value>(
    _ key: String, _ expected: Expected<Value>
  ) throws(ConfigurationError) -> Value? {
    guard let field = field(key), !field.isNull else { return nil }
    return try field.read(expected)
  }

  /// The value of a key, or `fallback` where it is missing or `null`.
  public func value<Value>(
    _ key: String, _ expected: Expected<Value>, default fallback: Value
  ) throws(ConfigurationError) -> Value {
    try optional(key, expected) ?? fallback
  }

  /// The table under a key that must be there.
  public func table(
    _ key: String, toleratesUnknownKeys: Bool = false
  ) throws(ConfigurationError) -> Table {
    guard let field = field(key) else { throw missing(key) }
    return adopt(try field.table(toleratesUnknownKeys: toleratesUnknownKeys))
  }

  /// The table under a key, or nil where it is missing or `null`.
  public func optionalTable(
    _ key: String, toleratesUnknownKeys: Bool = false
  ) throws(ConfigurationError) -> Table? {
    guard let field = field(key), !field.isNull else { return nil }
    return adopt(try field.table(toleratesUnknownKeys: toleratesUnknownKeys))
  }

  /// The tables of the list under a key; none where the key is missing.
  public func tables(_ key: String) throws(ConfigurationError) -> [Table] {
    guard let field = field(key), !field.isNull else { return [] }
    var tables: [Table] = []
    for item in try field.items() { tables.append(adopt(try item.table())) }
    return tables
  }

  /// Every key with its value, in the order written, all of them counted as read.
  public func allFields() -> [(key: String, field: Field)] {
    entries.indices.map { index in
      wasRead[index] = true
      return (entries[index].key, field(at: index))
    }
  }

  /// The keys that nobody read so far, with their values, in the order written; they stay unread.
  public var unreadFields: [(key: String, field: Field)] {
    entries.indices.filter { !wasRead[$0] }.map { (entries[$0].key, field(at: $0)) }
  }

  /// Keeps a key's other names for the message about a key that nobody asked for.
  func note<Value>(_ key: Key<Value>) {
    otherNames += key.otherNames.map { ($0, key.name) }
  }

  /// Makes `finish()` of this table cover `table`, which was opened from one of its fields.
  @discardableResult public func adopt(_ table: Table) -> Table {
    opened.append(table)
    return table
  }

  /// Refuses keys that nobody asked for, here and in the tables opened from here.
  ///
  /// Where a file may hold keys of other programs, only those are refused that the command line set.
  public func finish() throws(ConfigurationError) {
    let unread = entries.indices.first { index in
      !wasRead[index] && (!toleratesUnknownKeys || entries[index].origin == .override)
    }
    if let unread {
      let key = entries[unread].key
      let rule =
        asked.contains(key)
        ? "key has no meaning here"
        : toleratesUnknownKeys ? "nothing reads this key" : "unknown key"
      throw field(at: unread).located(rule, value: nil, suggestion: meant(by: key))
    }
    for table in opened { try table.finish() }
  }

  /// The name that a person who wrote `key` most likely meant.
  private func meant(by key: String) -> String? {
    let words = key.lowercased().replacing("_", with: "-")
    if let known = otherNames.first(where: { $0.other == words }) { return known.name }
    return nearestName(to: key, among: asked.filter { indexOfKey[$0] == nil } + asked)
  }

  /// An error about the value under `key`, or about the table if the key was not written.
  public func error(
    _ rule: String, at key: String? = nil, suggestion: String? = nil
  ) -> ConfigurationError {
    guard let key else { return field.error(rule, suggestion: suggestion) }
    guard let index = indexOfKey[key] else {
      return pathed(key).located(rule, value: nil, suggestion: suggestion)
    }
    return field(at: index).error(rule, suggestion: suggestion)
  }

  private func missing(_ key: String) -> ConfigurationError {
    let unread = entries.indices.filter { !wasRead[$0] }.map { entries[$0].key }
    let near = nearestName(to: key, among: unread)
    let rule = near.map { "required key is missing; found \($0)" } ?? "required key is missing"
    return pathed(key).located(rule, value: nil, suggestion: nil)
  }

  /// A table without entries where `key` would be.
  func empty(_ key: String) -> Table {
    Table(field: pathed(key), entries: [], toleratesUnknownKeys: false)
  }

  /// The place where `key` would be, for messages.
  private func pathed(_ key: String) -> Field {
    Field(
      document: field.document, keyPath: path(key),
      origin: field.origin ?? field.element.origin, element: field.element)
  }

  private func path(_ key: String) -> String {
    field.keyPath.isEmpty ? key : "\(field.keyPath).\(key)"
  }

  private func field(at index: Int) -> Field {
    let entry = entries[index]
    return Field(
      document: field.document, keyPath: path(entry.key), origin: entry.origin,
      element: entry.element)
  }
}
