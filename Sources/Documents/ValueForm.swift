import Quantities

/// What may be written as the value of a key, for people and for tests that write values.
public indirect enum ValueForm: Hashable, Sendable {
  /// A text, in words: `path of a file`.
  case text(String)
  /// `true` or `false`.
  case boolean
  case integer(ClosedRange<Int>)
  case number(ClosedRange<Double>)
  /// A number above zero.
  case positiveNumber
  /// A number with a unit.
  case quantity(QuantityForm)
  /// One of these words.
  case choice([String])
  case list(ValueForm, count: ClosedRange<Int>)
  /// The value as it is, or in a table with its `source` or `assumption`.
  case sourced(ValueForm)
  case either([ValueForm])

  /// A number with a unit, as its type describes it.
  public struct QuantityForm: Hashable, Sendable {
    /// What the quantity is: `bandwidth`.
    public var noun: String
    /// A valid text: `200 GB/s`.
    public var example: String
    /// The limits in words, where there are any: `1 MB/s to 1 EB/s`.
    public var range: String?

    init<Value: Quantity>(_ type: Value.Type, range: String? = nil) {
      // `a bandwidth`: every noun has an article.
      let article = Value.noun.prefix { $0 != " " }
      noun = String(Value.noun.dropFirst(article.count + 1))
      example = Value.example
      self.range = range
    }

    init<Value: Quantity>(_ range: ClosedRange<Value>) {
      self.init(Value.self, range: "\(range.lowerBound) to \(range.upperBound)")
    }
  }
}

extension ValueForm {
  /// The word that a list of this form may hold, as it is written or nearly; nil where none is near.
  func member(meantBy text: String) -> String? {
    guard case .list(.choice(let names), _) = self else { return nil }
    return nearestNames(to: text, among: names).first
  }
}

extension ValueForm: CustomStringConvertible {
  /// The form in words: `integer 1 to 4,096`; a sourced value is marked with `*`.
  public var description: String {
    switch self {
    case .text(let words): words
    case .boolean: "true or false"
    case .integer(let range): "integer \(Self.words(range))"
    case .number(let range): "number \(Self.words(range))"
    case .positiveNumber: "number above 0"
    case .quantity(let form):
      "\(form.noun) such as \(form.example)" + (form.range.map { ", \($0)" } ?? "")
    case .choice(let names): names.joined(separator: " | ")
    case .list(let item, let count):
      count.lowerBound == count.upperBound
        ? "list of \(count.lowerBound): \(item)" : "list of: \(item)"
    case .sourced(let form): "\(form) *"
    case .either(let forms): forms.map(\.description).joined(separator: "; or ")
    }
  }

  /// `1 to 4,096`, `from 0` where there is no upper bound.
  private static func words(_ range: ClosedRange<Int>) -> String {
    let lower = grouped(range.lowerBound)
    if range.lowerBound == range.upperBound { return lower }
    return range.upperBound == .max ? "from \(lower)" : "\(lower) to \(grouped(range.upperBound))"
  }

  private static func words(_ range: ClosedRange<Double>) -> String {
    let lower = plain(range.lowerBound)
    return range.upperBound == .greatestFiniteMagnitude
      ? "from \(lower)" : "\(lower) to \(plain(range.upperBound))"
  }

  /// A number without a decimal point where it is whole.
  static func plain(_ number: Double) -> String {
    let isWhole = number == number.rounded() && abs(number) < 1e6
    return isWhole ? String(Int(number)) : "\(number)"
  }

  /// A whole number with commas between thousands.
  private static func grouped(_ number: Int) -> String {
    let digits = String(number.magnitude)
    var text = ""
    for (index, digit) in digits.enumerated() {
      if index > 0, (digits.count - index) % 3 == 0 { text.append(",") }
      text.append(digit)
    }
    return number < 0 ? "-" + text : text
  }
}
