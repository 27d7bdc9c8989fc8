import Documents

/// 1 for an answer whose last number is the right one within a tolerance.
public struct NumberRule: RewardRule {
  var field = "answer"
  var place = AnswerPlace.whole
  /// How far the number may be from the right one r: tolerance · max(1, |r|); with 0 every digit counts.
  var tolerance = 0.0

  public init(field: String = "answer", place: AnswerPlace = .whole, tolerance: Double = 0) {
    (self.field, self.place, self.tolerance) = (field, place, tolerance)
  }

  public var neededField: String? { field }

  public func reward(of completion: String, to prompt: TaskPrompt) throws -> Double {
    let text = try prompt.text(of: field)
    guard let right = Self.lastNumber(in: text) else {
      throw RewardFailure(
        "the prompt's \(printable(field)) is not a number: \(printable(text))", kind: "no number")
    }
    guard let answer = place.answer(in: completion), let number = Self.lastNumber(in: answer) else {
      return 0
    }
    guard tolerance > 0 else { return number == right ? 1 : 0 }
    let distance = abs(number.double - right.double)
    return distance <= tolerance * max(1, abs(right.double)) ? 1 : 0
  }

  /// The last number in decimal digits that stands in a text: -3, 2.5, -.5, 1e-3, 1,000; the minus may be
  /// Unicode's (U+2212).
  ///
  /// A minus between two numbers belongs to neither: 7-3 ends in 3. Commas belong to a number where it
  /// has one to three digits in front of the first and three behind each; 10,20 and 1,0000 end in numbers
  /// of their own. Time grows with the text.
  static func lastNumber(in text: String) -> WrittenNumber? {
    let digits = DigitText(bytes: Array(text.replacing("\u{2212}", with: "-").utf8))
    var last: WrittenNumber?
    var index = 0
    while index < digits.bytes.count {
      // A point begins a number where no digit stands in front of it.
      let isFraction =
        digits.has(".", at: index) && digits.isDigit(index + 1) && !digits.isDigit(index - 1)
      guard isFraction || digits.isDigit(index) else {
        index += 1
        continue
      }
      let isNegative = digits.has("-", at: index - 1) && !digits.isDigit(index - 2)
      let start = isNegative ? index - 1 : index
      if !isFraction { index = digits.endOfWhole(from: index) }
      if digits.has(".", at: index), digits.isDigit(index + 1) {
        index = digits.skip(from: index + 1)
      }
      if digits.has("e", at: index) || digits.has("E", at: index) {
        let isSigned = digits.has("-", at: index + 1) || digits.has("+", at: index + 1)
        let exponent = index + (isSigned ? 2 : 1)
        if digits.isDigit(exponent) { index = digits.skip(from: exponent) }
      }
      let own = digits.bytes[start..<index].filter { $0 != UInt8(ascii: ",") }
      if let number = WrittenNumber(own) { last = number }
    }
    return last
  }
}

/// A text in which numbers are looked for.
private struct DigitText {
  var bytes: [UInt8]

  func isDigit(_ index: Int) -> Bool {
    bytes.indices.contains(index) && UInt8(ascii: "0")...UInt8(ascii: "9") ~= bytes[index]
  }

  func has(_ sign: Unicode.Scalar, at index: Int) -> Bool {
    bytes.indices.contains(index) && bytes[index] == UInt8(ascii: sign)
  }

  /// The first place behind digits.
  func skip(from index: Int) -> Int {
    var index = index
    while isDigit(index) { index += 1 }
    return index
  }

  /// The first place behind a whole number, commas between its thousands included.
  func endOfWhole(from start: Int) -> Int {
    let first = skip(from: start)
    guard first - start <= 3 else { return first }
    var end = first
    while has(",", at: end), isDigit(end + 1) {
      let next = skip(from: end + 1)
      guard next - end == 4 else { return first }
      end = next
    }
    return end
  }
}
