/// A number with a unit, which people write as `200 GB/s` or `3.7 us`.
public protocol Quantity: Hashable, Sendable, Comparable, CustomStringConvertible {
  /// What the quantity is, for messages: `a bandwidth`.
  static var noun: String { get }

  /// A valid text, for messages: `200 GB/s`.
  static var example: String { get }

  /// The units that a text may carry, in the order in which messages list them.
  static var units: [UnitOfMeasure] { get }

  /// Reads a number followed by one of `units`; the unit is not optional and letter case counts.
  static func parse(_ text: String) -> Reading<Self>

  /// The value in its base unit with every digit that matters, such that `parse` gives it back.
  var exactDescription: String { get }
}

/// What came of reading a text: the value, or the rule that the text breaks.
public enum Reading<Value> {
  case value(Value)
  /// The rule, as the end of a sentence: `expected a bandwidth such as 200 GB/s`.
  case refused(String)

  /// The value, if there is one.
  public var value: Value? {
    if case .value(let value) = self { value } else { nil }
  }

  /// The rule that was broken, if one was.
  public var refusal: String? {
    if case .refused(let rule) = self { rule } else { nil }
  }
}

extension Reading: Equatable where Value: Equatable {}
extension Reading: Sendable where Value: Sendable {}

/// A unit's name and its size in base units, as the fraction `numerator / denominator`.
public struct UnitOfMeasure: Hashable, Sendable {
  /// The unit as people write it; letter case counts, for `Gb/s` is an eighth of `GB/s`.
  public let name: String
  public let numerator: Double
  public let denominator: Double

  /// A unit of `numerator / denominator` base units.
  public init(_ name: String, _ numerator: Double, per denominator: Double = 1) {
    precondition(numerator > 0 && denominator > 0)
    self.name = name
    self.numerator = numerator
    self.denominator = denominator
  }
}

extension Quantity {
  /// `expected a bandwidth such as 200 GB/s; units: B/s, kB/s, …`.
  static var expectation: String {
    let names = units.map(\.name).joined(separator: ", ")
    return "expected \(noun) such as \(example); units: \(names)"
  }

  /// Splits a text into its decimal and its unit, or says which rule it breaks.
  static func split(_ text: String) -> Reading<(decimal: DecimalText, unit: UnitOfMeasure)> {
    if text.hasPrefix("-") { return .refused("must not be negative; \(expectation)") }
    guard let (decimal, rest) = DecimalText.prefix(of: text) else { return .refused(expectation) }
    let name = rest.drop { $0 == " " }
    guard let unit = units.first(where: { $0.name == name }) else {
      if name.isEmpty { return .refused("a unit is missing; \(expectation)") }
      let near = nearestName(to: String(name), among: units.map(\.name))
      let hint = near.map { "; did you mean \($0)?" } ?? ""
      return .refused("unknown unit; \(expectation)\(hint)")
    }
    return .value((decimal, unit))
  }
}
