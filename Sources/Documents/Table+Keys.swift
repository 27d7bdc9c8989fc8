extension Table {
  /// Whether a key was written; does not count as reading it, but as asking for it.
  public func contains<Value>(_ key: Key<Value>) -> Bool {
    note(key)
    return contains(key.name)
  }

  /// Whether a table was written; does not count as reading it, but as asking for it.
  public func contains<Keys>(_ key: TableKey<Keys>) -> Bool { contains(key.label) }

  /// The value of a key that must be there, at least in this case.
  public func required<Value>(_ key: Key<Value>) throws(ConfigurationError) -> Value {
    note(key)
    return try required(key.name, key.expected)
  }

  /// The value of a key, or nil where it is missing or `null`.
  public func optional<Value>(_ key: Key<Value>) throws(ConfigurationError) -> Value? {
    precondition(key.absence != .isAnError, "\(key.name) must be there")
    note(key)
    return try optional(key.name, key.expected)
  }

  /// The value of a key, or its default where it is missing or `null`.
  public func value<Value>(_ key: Key<Value>) throws(ConfigurationError) -> Value {
    guard let fallback = key.fallback else {
      preconditionFailure("the default of \(key.name) depends on others")
    }
    return try value(key, default: fallback)
  }

  /// The value of a key, or where it is missing or `null` the default that follows from others.
  public func value<Value>(
    _ key: Key<Value>, default fallback: Value
  ) throws(ConfigurationError) -> Value {
    try optional(key) ?? fallback
  }

  /// The values of two keys that say the same thing: one that the command line gives takes the place of the
  /// other one in the file, and both are there only where both were written in one place.
  public func alternatives<First, Second>(
    _ first: Key<First>, _ second: Key<Second>
  ) throws(ConfigurationError) -> (first: First?, second: Second?) {
    let values = (first: try optional(first), second: try optional(second))
    let areGiven = (isOverride(first), isOverride(second))
    guard values.first != nil, values.second != nil, areGiven.0 != areGiven.1 else {
      return values
    }
    return areGiven.0 ? (values.first, nil) : (nil, values.second)
  }

  /// Whether the command line gave the value of a key, or a part of it.
  public func isOverride<Value>(_ key: Key<Value>) -> Bool { field(key.name)?.isOverride == true }

  /// What stands under the key of a table, if it was written.
  public func field<Keys>(_ key: TableKey<Keys>) -> Field? { field(key.label) }

  /// The table under a key that must be there.
  public func table<Keys>(_ key: TableKey<Keys>) throws(ConfigurationError) -> Table {
    precondition(key.absence == .isAnError && !key.isList, "\(key.label) may be left out")
    return try table(key.label)
  }

  /// The table under a key, or nil where it is missing or `null`.
  public func optionalTable<Keys>(_ key: TableKey<Keys>) throws(ConfigurationError) -> Table? {
    precondition(key.absence != .isAnError && !key.isList, "\(key.label) must be there")
    return try optionalTable(key.label)
  }

  /// The table under a key; an empty one, in which every key has its default, where it is missing.
  public func tableOrDefaults<Keys>(_ key: TableKey<Keys>) throws(ConfigurationError) -> Table {
    try optionalTable(key) ?? empty(key.label)
  }

  /// The table that stands for a plain value: an empty one, in which every key has its default.
  public func withDefaults<Value, Keys>(_ key: EitherKey<Value, Keys>) -> Table {
    empty(key.plain.name)
  }

  /// The tables of the list under a key; none where the key is missing.
  public func tables<Keys>(_ key: TableKey<Keys>) throws(ConfigurationError) -> [Table] {
    precondition(key.isList, "\(key.label) is a table")
    return try tables(key.label)
  }

  /// The plain value or the table under a key, or nil where it is missing or `null`.
  ///
  /// A key that must be there is an error where it is missing.
  public func either<Value, Keys>(
    _ key: EitherKey<Value, Keys>
  ) throws(ConfigurationError) -> Either<Value>? {
    note(key.plain)
    guard let field = field(key.plain.name), !field.isNull else {
      guard key.plain.absence == .isAnError else { return nil }
      return .plain(try required(key.plain))
    }
    if key.isList, field.isList { return .tables(try tables(key.plain.name)) }
    if !key.isList, field.isTable { return .table(try table(key.plain.name)) }
    return .plain(try field.read(key.plain.expected))
  }

  /// An error about the value under `key`, or about the table if the key was not written.
  public func error<Value>(
    _ rule: String, at key: Key<Value>, suggestion: String? = nil
  ) -> ConfigurationError {
    error(rule, at: key.name, suggestion: suggestion)
  }

  /// An error about the table under `key`, or about the one around it if the key was not written.
  public func error<Keys>(_ rule: String, at key: TableKey<Keys>) -> ConfigurationError {
    error(rule, at: key.label)
  }
}
