/// A key of a file: how its value is read, what holds where it is left out, and what it means.
///
/// The one place that describes a key: `Table` reads by it, and `KeyReference` prints it.
public struct Key<Value> {
  /// The key as it is written: `tensor-parallel`.
  public let name: String
  let expected: Expected<Value>
  let absence: Absence
  let fallback: Value?
  let meaning: String
  let otherNames: [String]

  /// A key that must be there.
  ///
  /// - Parameter otherNames: words for the same thing that people may try; messages lead from them.
  public init(
    _ name: String, _ expected: Expected<Value>, _ meaning: String, otherNames: [String] = []
  ) {
    self.init(name, expected, .isAnError, nil, meaning, otherNames)
  }

  /// A key that stands for `fallback` where it is left out.
  public init(
    _ name: String, _ expected: Expected<Value>, default fallback: Value, _ meaning: String,
    otherNames: [String] = []
  ) {
    self.init(name, expected, .means(Self.text(of: fallback)), fallback, meaning, otherNames)
  }

  /// A key whose absence has the meaning that `otherwise` says in words.
  public init(
    _ name: String, _ expected: Expected<Value>, otherwise: String, _ meaning: String,
    otherNames: [String] = []
  ) {
    self.init(name, expected, .means(otherwise), nil, meaning, otherNames)
  }

  private init(
    _ name: String, _ expected: Expected<Value>, _ absence: Absence, _ fallback: Value?,
    _ meaning: String, _ otherNames: [String]
  ) {
    self.name = name
    self.expected = expected
    self.absence = absence
    self.fallback = fallback
    self.meaning = meaning
    self.otherNames = otherNames
  }

  /// A value as it is written in a file.
  private static func text(of value: Value) -> String {
    if let name = (value as? any RawRepresentable)?.rawValue as? String { return name }
    if let number = value as? Double { return ValueForm.plain(number) }
    return "\(value)"
  }
}

/// What it means that a key is left out.
enum Absence: Hashable, Sendable {
  case isAnError
  /// A value, or words.
  case means(String)
}

/// A key with a table of its own: `clock: {boost: …}`; `keys.clock.boost` is a key of the table.
@dynamicMemberLookup
public struct TableKey<Keys: KeySet> {
  /// The key as it is written; not `name`, which tables have as a key of their own.
  let label: String
  /// The keys of the table.
  public let keys: Keys
  let absence: Absence
  let meaning: String
  /// Whether a list of such tables is meant.
  let isList: Bool

  /// A table that must be there.
  public init(_ name: String, _ keys: Keys, list isList: Bool = false, _ meaning: String) {
    (label, self.keys, self.absence, self.meaning) = (name, keys, .isAnError, meaning)
    self.isList = isList
  }

  /// A table that may be left out.
  public init(
    _ name: String, _ keys: Keys, list isList: Bool = false, otherwise: String, _ meaning: String
  ) {
    (label, self.keys, self.absence, self.meaning) = (name, keys, .means(otherwise), meaning)
    self.isList = isList
  }

  public subscript<Member>(dynamicMember path: KeyPath<Keys, Member>) -> Member {
    keys[keyPath: path]
  }
}

/// A key with either a plain value or a table: `precision: bf16`, `precision: {base: bf16, …}`.
@dynamicMemberLookup
public struct EitherKey<Value, Keys: KeySet> {
  /// The key with its plain value.
  public let plain: Key<Value>
  /// The keys of the table.
  public let keys: Keys
  /// Whether a list of such tables stands beside the plain value.
  let isList: Bool

  public init(_ plain: Key<Value>, _ keys: Keys, list isList: Bool = false) {
    (self.plain, self.keys, self.isList) = (plain, keys, isList)
  }

  public subscript<Member>(dynamicMember path: KeyPath<Keys, Member>) -> Member {
    keys[keyPath: path]
  }
}

/// What was written under an `EitherKey`.
public enum Either<Value> {
  case plain(Value)
  case table(Table)
  case tables([Table])
}

/// The keys of one table, each a stored property; their order is that of the reference.
public protocol KeySet {
  /// What the reference says about them.
  var entries: [KeyEntry] { get }
}

/// What the reference says about one key.
public struct KeyEntry: Hashable, Sendable {
  public var name: String
  /// What may be written; nil where only a table may stand.
  public var form: ValueForm?
  /// What is meant where the key is left out; nil where it must be there.
  public var fallback: String?
  public var meaning: String
  /// The keys of the table that may stand here; nil where none may.
  public var keys: [KeyEntry]?
  /// Whether a list of tables is meant.
  public var isList: Bool
}

/// What may be a property of a `KeySet`.
public protocol Described {
  /// What the reference says about it; of several keys, all of them.
  var entries: [KeyEntry] { get }
}

extension Absence {
  fileprivate var words: String? { if case .means(let words) = self { words } else { nil } }
}

extension Key: Described {
  public var entries: [KeyEntry] {
    [
      KeyEntry(
        name: name, form: expected.form, fallback: absence.words, meaning: meaning, keys: nil,
        isList: false)
    ]
  }
}

extension TableKey: Described {
  public var entries: [KeyEntry] {
    [
      KeyEntry(
        name: label, form: nil, fallback: absence.words, meaning: meaning, keys: keys.entries,
        isList: isList)
    ]
  }
}

extension EitherKey: Described {
  public var entries: [KeyEntry] {
    plain.entries.map {
      var entry = $0
      entry.keys = keys.entries
      entry.isList = isList
      return entry
    }
  }
}

extension Array: Described where Element: Described {
  public var entries: [KeyEntry] { flatMap(\.entries) }
}

extension KeySet {
  /// The keys in the order of their declaration: nothing has to list them a second time.
  public var entries: [KeyEntry] {
    Mirror(reflecting: self).children.flatMap { child -> [KeyEntry] in
      guard let described = child.value as? any Described else {
        preconditionFailure("\(child.label ?? "a property") of a set of keys is no key")
      }
      return described.entries
    }
  }
}
