/// A decimal number as it was written: digits, an optional fraction, an optional exponent.
///
/// Signs in front, `inf`, `nan`, hexadecimal and digit separators are not part of the form.
struct DecimalText: Hashable, Sendable {
  /// The characters that were read.
  let text: String
  /// The digits without the point, and how many of them stood behind it; nil when these do not fit
  /// in 64 bits or an exponent was written.
  let scaled: (digits: Int64, decimals: Int)?

  /// The number, correctly rounded; infinite when it is too large for a `Double`.
  var value: Double { Double(text) ?? .infinity }

  static func == (left: DecimalText, right: DecimalText) -> Bool { left.text == right.text }
  func hash(into hasher: inout Hasher) { hasher.combine(text) }

  /// Reads the longest decimal at the start of `text` and returns it with what follows.
  static func prefix(of text: String) -> (DecimalText, rest: Substring)? {
    let bytes = Array(text.utf8)
    var position = 0
    func digits() -> Int {
      let start = position
      while position < bytes.count, isDigit(bytes[position]) { position += 1 }
      return position - start
    }
    guard digits() > 0 else { return nil }
    var decimals = 0
    if position < bytes.count, bytes[position] == UInt8(ascii: ".") {
      position += 1
      decimals = digits()
      guard decimals > 0 else { return nil }
    }
    let mantissaEnd = position
    if let end = exponentEnd(in: bytes, from: position) { position = end }
    let mantissa = bytes[..<mantissaEnd].filter(isDigit)
    let exact = Int64(String(decoding: mantissa, as: UTF8.self))
    let scaled = position == mantissaEnd && decimals <= 18 ? exact.map { ($0, decimals) } : nil
    let written = String(decoding: bytes[..<position], as: UTF8.self)
    let rest = text[text.utf8.index(text.startIndex, offsetBy: position)...]
    return (DecimalText(text: written, scaled: scaled), rest)
  }

  private static func isDigit(_ byte: UInt8) -> Bool {
    byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
  }

  /// Where an exponent that starts at `start` ends; nil when there is none (`E` may begin a unit).
  private static func exponentEnd(in bytes: [UInt8], from start: Int) -> Int? {
    guard start < bytes.count, bytes[start] | 0x20 == UInt8(ascii: "e") else { return nil }
    var position = start + 1
    if position < bytes.count,
      bytes[position] == UInt8(ascii: "+") || bytes[position] == UInt8(ascii: "-")
    {
      position += 1
    }
    let firstDigit = position
    while position < bytes.count, isDigit(bytes[position]) { position += 1 }
    return position > firstDigit ? position : nil
  }
}
