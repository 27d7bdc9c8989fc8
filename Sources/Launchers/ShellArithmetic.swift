/// Whole-number arithmetic of the shell: `+ - * / %`, brackets, names of variables.
package struct ShellArithmetic {
  private let characters: [Character]
  private var position = 0
  private var depth = 0
  private let value: (String) -> String?

  private init(_ text: String, _ value: @escaping (String) -> String?) {
    characters = text.filter { !$0.isWhitespace }.map { $0 }
    self.value = value
  }

  /// The value; nil where a variable has none, a division is by zero, or the text is something else.
  package static func value(of text: String, _ value: @escaping (String) -> String?) -> Int? {
    var reader = ShellArithmetic(text, value)
    guard let result = reader.sum(), reader.position == reader.characters.count else { return nil }
    return result
  }

  private mutating func take(_ choices: String) -> Character? {
    guard position < characters.count, choices.contains(characters[position]) else { return nil }
    position += 1
    return characters[position - 1]
  }

  private mutating func sum() -> Int? {
    guard var result = product() else { return nil }
    while let sign = take("+-") {
      guard let next = product() else { return nil }
      let (sum, overflow) =
        sign == "+"
        ? result.addingReportingOverflow(next) : result.subtractingReportingOverflow(next)
      if overflow { return nil }
      result = sum
    }
    return result
  }

  private mutating func product() -> Int? {
    guard var result = factor() else { return nil }
    while let sign = take("*/%") {
      guard let next = factor() else { return nil }
      let (product, overflow) =
        switch sign {
        case "*": result.multipliedReportingOverflow(by: next)
        case "/": result.dividedReportingOverflow(by: next)
        default: result.remainderReportingOverflow(dividingBy: next)
        }
      if overflow { return nil }
      result = product
    }
    return result
  }

  private mutating func factor() -> Int? {
    depth += 1
    defer { depth -= 1 }
    guard depth < 64 else { return nil }
    if take("-") != nil { return factor().map { 0 - $0 } }
    if take("(") != nil {
      guard let inner = sum(), take(")") != nil else { return nil }
      return inner
    }
    if take("$") != nil { _ = take("{") }
    var name = ""
    while position < characters.count,
      characters[position].isLetter || characters[position].isNumber || characters[position] == "_"
    {
      name.append(characters[position])
      position += 1
    }
    _ = take("}")
    if let number = Int(name) { return number }
    guard !name.isEmpty, let text = value(name) else { return nil }
    return Int(text)
  }
}
