/// Whole-number arithmetic of the shell: its operators but for assignments, brackets, names of variables.
package struct ShellArithmetic {
  private let characters: [Character]
  private var position = 0
  private var depth: Int
  private let value: (String) -> String?

  private init(_ text: String, depth: Int, _ value: @escaping (String) -> String?) {
    characters = text.filter { !$0.isWhitespace }.map { $0 }
    (self.depth, self.value) = (depth, value)
  }

  /// The value; nil where a variable has none, a division is by zero, or the text is something else.
  package static func value(of text: String, _ value: @escaping (String) -> String?) -> Int? {
    self.value(of: text, depth: 0, value)
  }

  private static func value(
    of text: String, depth: Int, _ value: @escaping (String) -> String?
  ) -> Int? {
    guard depth < 64 else { return nil }
    var reader = ShellArithmetic(text, depth: depth, value)
    guard let result = reader.choice(), reader.position == reader.characters.count else {
      return nil
    }
    return result
  }

  // MARK: - Operators

  /// Operators of two numbers, the loosest first; `**` stands apart, since it groups from the right.
  private static let levels: [[String]] = [
    ["||"], ["&&"], ["|"], ["^"], ["&"], ["==", "!="], ["<=", ">=", "<", ">"], ["<<", ">>"],
    ["+", "-"], ["*", "/", "%"],
  ]

  /// All signs, the longer first: `**` is not `*` twice.
  private static let signs = ["**"] + levels.joined().sorted { $0.count > $1.count }

  private mutating func sign(of choices: [String]) -> String? {
    let found = Self.signs.first { sign in characters[position...].starts(with: sign) }
    guard let found, choices.contains(found) else { return nil }
    position += found.count
    return found
  }

  private mutating func take(_ text: String) -> Bool {
    guard characters[position...].starts(with: text) else { return false }
    position += text.count
    return true
  }

  private mutating func choice() -> Int? {
    depth += 1
    defer { depth -= 1 }
    guard depth < 64, let test = binary(0) else { return nil }
    guard take("?") else { return test }
    guard let first = choice(), take(":"), let second = choice() else { return nil }
    return test != 0 ? first : second
  }

  private mutating func binary(_ level: Int) -> Int? {
    guard level < Self.levels.count else { return power() }
    guard var left = binary(level + 1) else { return nil }
    while let sign = sign(of: Self.levels[level]) {
      guard let right = binary(level + 1), let result = Self.apply(sign, left, right) else {
        return nil
      }
      left = result
    }
    return left
  }

  private mutating func power() -> Int? {
    depth += 1
    defer { depth -= 1 }
    guard depth < 64, let base = unary() else { return nil }
    guard sign(of: ["**"]) != nil else { return base }
    guard let exponent = power(), exponent >= 0, exponent < 64 || abs(base) < 2 else { return nil }
    var result = 1
    for _ in 0..<min(exponent, 64 + exponent % 2) {
      guard let next = Self.apply("*", result, base) else { return nil }
      result = next
    }
    return result
  }

  private static func apply(_ sign: String, _ left: Int, _ right: Int) -> Int? {
    func checked(_ result: (partialValue: Int, overflow: Bool)) -> Int? {
      result.overflow ? nil : result.partialValue
    }
    switch sign {
    case "+": return checked(left.addingReportingOverflow(right))
    case "-": return checked(left.subtractingReportingOverflow(right))
    case "*": return checked(left.multipliedReportingOverflow(by: right))
    case "/": return checked(left.dividedReportingOverflow(by: right))
    case "%": return checked(left.remainderReportingOverflow(dividingBy: right))
    case "<<", ">>":
      guard (0..<63).contains(right) else { return nil }
      return sign == ">>" ? left >> right : apply("*", left, 1 << right)
    case "&": return left & right
    case "|": return left | right
    case "^": return left ^ right
    case "&&": return left != 0 && right != 0 ? 1 : 0
    case "||": return left != 0 || right != 0 ? 1 : 0
    case "==": return left == right ? 1 : 0
    case "!=": return left != right ? 1 : 0
    case "<": return left < right ? 1 : 0
    case "<=": return left <= right ? 1 : 0
    case ">": return left > right ? 1 : 0
    default: return left >= right ? 1 : 0
    }
  }

  // MARK: - Numbers and names

  private mutating func unary() -> Int? {
    depth += 1
    defer { depth -= 1 }
    guard depth < 64 else { return nil }
    if take("-") { return unary().flatMap { Self.apply("-", 0, $0) } }
    if take("+") { return unary() }
    if take("!") { return unary().map { $0 == 0 ? 1 : 0 } }
    if take("(") {
      guard let inner = choice(), take(")") else { return nil }
      return inner
    }
    // An expression within; `$(` alone is a command.
    if characters[position...].starts(with: "$((") {
      position += 1
      return unary()
    }
    return take("${") ? braced() : named(hasDollar: take("$"))
  }

  private mutating func word() -> String {
    let rest = characters[position...].prefix { $0.isLetter || $0.isNumber || $0 == "_" }
    position += rest.count
    return String(rest)
  }

  private func number(named name: String) -> Int? {
    guard let text = value(name) else { return nil }
    // What is set and empty counts as 0.
    return text.allSatisfy(\.isWhitespace) ? 0 : Self.value(of: text, depth: depth + 1, value)
  }

  private mutating func named(hasDollar: Bool) -> Int? {
    let name = word()
    guard let first = name.first else { return nil }
    if hasDollar || !first.isNumber { return number(named: name) }
    if name.hasPrefix("0x") || name.hasPrefix("0X") { return Int(name.dropFirst(2), radix: 16) }
    // A leading 0 is the shell's octal.
    return name.count > 1 && first == "0" ? Int(name.dropFirst(), radix: 8) : Int(name)
  }

  /// `${NAME}` and `${NAME:-default}`.
  private mutating func braced() -> Int? {
    let name = word()
    if take("}") { return number(named: name) }
    guard take(":-") || take("-") || take(":=") || take("=") else { return nil }
    guard let otherwise = choice(), take("}") else { return nil }
    return value(name).map { $0.isEmpty } ?? true ? otherwise : number(named: name)
  }

  // MARK: - What nobody knows

  /// The text with numbers for the names that have one, so that those remain that nobody set.
  package static func withValues(_ text: String, _ value: @escaping (String) -> String?) -> String {
    var result = ""
    var rest = text[...]
    while let next = rest.first {
      guard next.isLetter || next.isNumber || next == "_" else {
        result.append(next)
        rest.removeFirst()
        continue
      }
      let name = String(rest.prefix { $0.isLetter || $0.isNumber || $0 == "_" })
      rest.removeFirst(name.count)
      guard !next.isNumber, let text = value(name) else {
        result += name
        continue
      }
      if let number = self.value(of: text, value) {
        // `$NAME` and `${NAME}` lose what stood around the name.
        if result.hasSuffix("${"), rest.first == "}" {
          result.removeLast(2)
          rest.removeFirst()
        } else if result.hasSuffix("$") {
          result.removeLast()
        }
        result += "\(number)"
      } else {
        // Its own text says what is missing.
        result += text.contains("$") ? text : name
      }
    }
    return result
  }

  /// The first name in an expression; nil where a command stands in front of it, or where there is none.
  static func firstName(in text: Substring) -> String? {
    var rest = text
    while let next = rest.first {
      if next == "`" || (rest.hasPrefix("$(") && !rest.hasPrefix("$((")) { return nil }
      guard next.isLetter || next.isNumber || next == "_" else {
        rest.removeFirst()
        continue
      }
      let name = rest.prefix { $0.isLetter || $0.isNumber || $0 == "_" }
      if !next.isNumber { return String(name) }
      rest = rest[name.endIndex...]
    }
    return nil
  }
}
