/// A number as it is written in decimal digits, equal to others by value: 1.50 and 1.5, 1e3 and 1000.
///
/// Digit by digit, since whole numbers from 2^53 on are not all doubles: a sum or a product whose first sixteen
/// digits are right is wrong.
struct WrittenNumber: Hashable, Sendable {
  private let isNegative: Bool
  /// Without zeros at either end; none for zero.
  private let digits: [UInt8]
  /// The power of ten of the last digit.
  private let exponent: Int
  /// The nearest one.
  let double: Double

  static func == (left: Self, right: Self) -> Bool {
    left.isNegative == right.isNegative && left.digits == right.digits
      && left.exponent == right.exponent
  }

  func hash(into hasher: inout Hasher) {
    hasher.combine(isNegative)
    hasher.combine(digits)
    hasher.combine(exponent)
  }

  /// A number of digits with a minus, a point or a power of ten, such as -12.5e-3; nil for anything else, and
  /// for numbers beyond what doubles hold.
  init?(_ text: some Collection<UInt8>) {
    guard let double = Double(String(decoding: text, as: UTF8.self)), double.isFinite else {
      return nil
    }
    self.double = double
    let mark = text.firstIndex { $0 == UInt8(ascii: "e") || $0 == UInt8(ascii: "E") }
    var power = 0
    if let mark {
      guard let written = Int(String(decoding: text[mark...].dropFirst(), as: UTF8.self)) else {
        return nil
      }
      power = written
    }
    let mantissa = text[..<(mark ?? text.endIndex)]
    let point = mantissa.firstIndex(of: UInt8(ascii: "."))
    let behind = point.map { mantissa.distance(from: $0, to: mantissa.endIndex) - 1 } ?? 0
    var own = mantissa.filter { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }[...]
    guard !own.isEmpty else { return nil }
    own = own.drop { $0 == UInt8(ascii: "0") }
    let whole = own.count
    while own.last == UInt8(ascii: "0") { own = own.dropLast() }
    digits = Array(own)
    exponent = own.isEmpty ? 0 : power - behind + whole - own.count
    isNegative = !own.isEmpty && text.first == UInt8(ascii: "-")
  }
}
