import Documents

/// 1 for an answer whose last number is the right one within a tolerance.
public struct NumberRule: RewardRule {
  var field = "answer"
  var place = AnswerPlace.whole
  /// How far the number may be from the right one r: tolerance · max(1, |r|).
  var tolerance = 0.0

  public init(field: String = "answer", place: AnswerPlace = .whole, tolerance: Double = 0) {
    (self.field, self.place, self.tolerance) = (field, place, tolerance)
  }

  public func reward(of completion: String, to prompt: TaskPrompt) throws -> Double {
    let text = try prompt.text(of: field)
    guard let right = Self.lastNumber(in: text) else {
      throw RewardFailure("the prompt's \(printable(field)) is not a number: \(printable(text))")
    }
    guard let answer = place.answer(in: completion), let number = Self.lastNumber(in: answer) else {
      return 0
    }
    return abs(number - right) <= tolerance * max(1, abs(right)) ? 1 : 0
  }

  /// The last number in decimal digits that stands in a text: -3, 2.5, 1e-3.
  ///
  /// A minus between two numbers belongs to neither: 7-3 ends in 3. Time grows with the text.
  static func lastNumber(in text: String) -> Double? {
    let bytes = Array(text.utf8)
    func isDigit(_ index: Int) -> Bool {
      bytes.indices.contains(index) && UInt8(ascii: "0")...UInt8(ascii: "9") ~= bytes[index]
    }
    func skipDigits(_ index: Int) -> Int {
      var index = index
      while isDigit(index) { index += 1 }
      return index
    }
    var last: Double?
    var index = 0
    while index < bytes.count {
      guard isDigit(index) else {
        index += 1
        continue
      }
      let isNegative =
        index > 0 && bytes[index - 1] == UInt8(ascii: "-") && !isDigit(index - 2)
      let start = isNegative ? index - 1 : index
      index = skipDigits(index)
      if index < bytes.count, bytes[index] == UInt8(ascii: "."), isDigit(index + 1) {
        index = skipDigits(index + 1)
      }
      if index < bytes.count, [UInt8(ascii: "e"), UInt8(ascii: "E")].contains(bytes[index]) {
        let isSigned =
          index + 1 < bytes.count
          && [UInt8(ascii: "-"), UInt8(ascii: "+")].contains(bytes[index + 1])
        let exponent = index + (isSigned ? 2 : 1)
        if isDigit(exponent) { index = skipDigits(exponent) }
      }
      let number = Double(String(decoding: bytes[start..<index], as: UTF8.self))
      if let number, number.isFinite { last = number }
    }
    return last
  }
}
