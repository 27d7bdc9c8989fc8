import Quantities

/// What a key's value is expected to be, and how to read it.
///
/// `try table.required("nodes", .integer(in: 1...131_072))`
public struct Expected<Value> {
  /// What may be written, for the reference of keys.
  public let form: ValueForm
  let read: (Field) throws(ConfigurationError) -> Value

  /// An expectation of one's own; errors come from `Field.error`.
  public init(
    _ form: ValueForm, _ read: @escaping (Field) throws(ConfigurationError) -> Value
  ) {
    self.form = form
    self.read = read
  }

  /// The same value, transformed.
  public func map<Other>(_ transform: @escaping (Value) -> Other) -> Expected<Other> {
    Expected<Other>(form) { field throws(ConfigurationError) in transform(try read(field)) }
  }

  /// A list read as `list` says, any other value as this expectation says.
  ///
  /// A value that is neither, and may be meant as a member of the list, has that list suggested.
  public func or(list: Expected) -> Expected {
    Expected(.either([form, list.form])) { field throws(ConfigurationError) in
      guard !field.isList else { return try list.read(field) }
      do throws(ConfigurationError) {
        return try read(field)
      } catch {
        guard let member = error.value.flatMap(list.form.member(meantBy:)) else { throw error }
        var error = error
        error.rule += ", or a list"
        error.suggestion = "[\(member)]"
        throw error
      }
    }
  }
}

extension Expected where Value == String {
  /// Any text that is not empty.
  public static var string: Expected { text("text") }

  /// Any text that is not empty, described as `words` in the reference of keys: `path of a file`.
  public static func text(_ words: String) -> Expected {
    Expected(.text(words)) { field throws(ConfigurationError) in
      let text = try field.scalar("a text")
      guard !text.isEmpty else { throw field.error("must not be empty") }
      return text
    }
  }
}

extension Expected where Value == Bool {
  /// `true` or `false`, unquoted.
  public static var boolean: Expected {
    Expected(.boolean) { field throws(ConfigurationError) in
      switch try field.scalar("true or false") {
      case "true": return true
      case "false": return false
      default: throw field.error("expected true or false")
      }
    }
  }
}

extension Expected where Value == Int {
  /// A whole number, written in decimal digits, within a range.
  public static func integer(in range: ClosedRange<Int> = 0...Int.max) -> Expected {
    Expected(.integer(range)) { field throws(ConfigurationError) in
      let text = try field.scalar("a whole number")
      let digits = text.first == "-" ? text.dropFirst() : text[...]
      guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
        throw field.error("expected a whole number \(describe(range))")
      }
      guard let number = Int(text) else {
        let isBelow = text.first == "-" || range.upperBound < .max
        throw field.error("must be \(isBelow ? describe(range) : "less than 2^63")")
      }
      guard range.contains(number) else { throw field.error("must be \(describe(range))") }
      return number
    }
  }
}

extension Expected where Value == Double {
  /// A finite decimal number within a range.
  public static func number(
    in range: ClosedRange<Double> = 0...Double.greatestFiniteMagnitude
  ) -> Expected {
    Expected(.number(range)) { field throws(ConfigurationError) in
      let text = try field.scalar("a number")
      let allowed = text.utf8.allSatisfy { "0123456789+-.eE".utf8.contains($0) }
      guard allowed, let number = Double(text), number.isFinite else {
        throw field.error("expected a number without a unit")
      }
      guard range.contains(number) else {
        let upper = range.upperBound == .greatestFiniteMagnitude ? nil : range.upperBound
        let bounds = upper.map { "from \(range.lowerBound) to \($0)" }
        throw field.error("must be \(bounds ?? "at least \(range.lowerBound)")")
      }
      return number
    }
  }

  /// A finite decimal number above zero.
  public static var positiveNumber: Expected {
    Expected(.positiveNumber) { field throws(ConfigurationError) in
      let value = try field.read(Expected<Double>.number())
      guard value > 0 else { throw field.error("must be more than zero") }
      return value
    }
  }

  /// A share: a number from 0 to 1.
  public static var fraction: Expected { .number(in: 0...1) }
}

extension Expected where Value: Quantity {
  /// A number with its unit.
  public static func quantity(_ type: Value.Type = Value.self) -> Expected {
    Expected(.quantity(.init(Value.self))) { field throws(ConfigurationError) in
      switch Value.parse(try field.scalar("\(Value.noun) such as \(Value.example)")) {
      case .value(let value): return value
      case .refused(let rule): throw field.error(rule)
      }
    }
  }

  /// A number with its unit within a range.
  public static func quantity(in range: ClosedRange<Value>) -> Expected {
    Expected(.quantity(.init(range))) { field throws(ConfigurationError) in
      let value = try quantity().read(field)
      guard range.contains(value) else {
        throw field.error("must be from \(range.lowerBound) to \(range.upperBound)")
      }
      return value
    }
  }
}

extension Expected where Value: CaseIterable & RawRepresentable, Value.RawValue == String {
  /// One of the names of an enumeration.
  public static func choice(_ type: Value.Type = Value.self) -> Expected {
    Expected(.choice(Value.allCases.map(\.rawValue))) { field throws(ConfigurationError) in
      let names = Value.allCases.map(\.rawValue)
      let text = try field.scalar("one of \(names.joined(separator: ", "))")
      guard let value = Value(rawValue: text) else {
        throw field.error(
          "expected one of \(names.joined(separator: ", "))",
          suggestion: nearestName(to: text, among: names))
      }
      return value
    }
  }
}

extension Expected {
  /// A list of items that are alike, of a permitted length.
  public static func list<Item>(
    of item: Expected<Item>, count: ClosedRange<Int> = 0...Int.max
  ) -> Expected where Value == [Item] {
    Expected(.list(item.form, count: count)) { field throws(ConfigurationError) in
      let fields = try field.items()
      guard count.contains(fields.count) else {
        throw field.error("must have \(describe(count)) items, has \(fields.count)")
      }
      var items: [Item] = []
      for field in fields { items.append(try item.read(field)) }
      return items
    }
  }
}

/// `at least 2`, `from 2 to 8`, and `2` where there is one alone.
private func describe(_ range: ClosedRange<Int>) -> String {
  if range.lowerBound == range.upperBound { return "\(range.lowerBound)" }
  return range.upperBound == .max
    ? "at least \(range.lowerBound)" : "from \(range.lowerBound) to \(range.upperBound)"
}
