/// Expressions of lists as launchers' files have them: `([0]*3+[1]*58)`, `[1, 0] * 4`, `2`.
///
/// A reader of its own: no part of a file is ever carried out.
package struct ListExpression {
  private enum Value {
    case number(Int)
    case list([Int])
  }

  private let characters: [Character]
  private var position = 0
  private var depth = 0
  /// Lists longer than any model has layers are refused.
  private static let longest = 1 << 16

  private init(_ text: String) {
    characters = text.filter { !$0.isWhitespace && $0 != "'" && $0 != "\"" }.map { $0 }
  }

  /// The numbers of a list; nil for what is no list of numbers.
  package static func list(_ text: String) -> [Int]? {
    var reader = ListExpression(text)
    guard case .list(let list)? = reader.sum(), reader.position == reader.characters.count else {
      return nil
    }
    return list
  }

  private mutating func take(_ character: Character) -> Bool {
    guard position < characters.count, characters[position] == character else { return false }
    position += 1
    return true
  }

  private mutating func sum() -> Value? {
    depth += 1
    defer { depth -= 1 }
    guard depth < 64, var result = product() else { return nil }
    while take("+") {
      guard let next = product() else { return nil }
      switch (result, next) {
      case (.list(let first), .list(let second)) where first.count + second.count <= Self.longest:
        result = .list(first + second)
      default: return nil
      }
    }
    return result
  }

  private mutating func product() -> Value? {
    guard var result = factor() else { return nil }
    while take("*") {
      guard let next = factor() else { return nil }
      switch (result, next) {
      case (.list(let list), .number(let count)), (.number(let count), .list(let list)):
        guard (0...Self.longest).contains(count), list.count * count <= Self.longest else {
          return nil
        }
        result = .list((0..<count).flatMap { _ in list })
      case (.number(let first), .number(let second)):
        let (value, overflow) = first.multipliedReportingOverflow(by: second)
        if overflow { return nil }
        result = .number(value)
      default: return nil
      }
    }
    return result
  }

  private mutating func factor() -> Value? {
    if take("(") {
      guard let inner = sum(), take(")") else { return nil }
      return inner
    }
    if take("[") {
      var list: [Int] = []
      while !take("]") {
        guard let number = integer(), list.count < Self.longest else { return nil }
        list.append(number)
        if !take(",") {
          guard take("]") else { return nil }
          break
        }
      }
      return .list(list)
    }
    return integer().map { .number($0) }
  }

  private mutating func integer() -> Int? {
    var digits = ""
    while position < characters.count, characters[position].isASCII, characters[position].isNumber {
      digits.append(characters[position])
      position += 1
    }
    return Int(digits)
  }
}
