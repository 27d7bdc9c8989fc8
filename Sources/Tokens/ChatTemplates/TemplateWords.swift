/// The words of a tag, read as expressions with Jinja's precedence: `or`, `and`, `not`, comparisons, `+ -`,
/// `~`, `* / // %`, signs, and closest filters and tests.
struct TemplateWords {
  private let tokens: [TemplateToken]
  private var next = 0
  private let line: Int
  private var depth = 0

  init(_ tokens: [TemplateToken], line: Int) { (self.tokens, self.line) = (tokens, line) }

  private static let deepestNesting = 64

  /// Operators, filters and parts of a tag, each of which takes what is in front of it: a tree as deep.
  private var links = 0
  private static let mostLinks = 512

  private mutating func countLink() throws(TemplateFailure) {
    links += 1
    guard links <= Self.mostLinks else {
      throw failure("has more than \(Self.mostLinks) operators in a tag")
    }
  }

  var isAtEnd: Bool { next >= tokens.count }

  private var token: TemplateToken? { isAtEnd ? nil : tokens[next] }

  private func failure(_ rule: String) -> TemplateFailure { TemplateFailure(rule, line: line) }

  func expectEnd() throws(TemplateFailure) {
    guard isAtEnd else { throw failure("has more in a tag than is known: \(shown)") }
  }

  /// The next word, for messages.
  private var shown: String {
    switch token {
    case nil: "its end"
    case .name(let word), .sign(let word): word
    case .string(let text): "\"\(text.prefix(40))\""
    case .integer(let number): "\(number)"
    case .decimal(let number): "\(number)"
    }
  }

  mutating func take(_ sign: String) -> Bool {
    guard token == .sign(sign) else { return false }
    next += 1
    return true
  }

  mutating func takeName(_ word: String) -> Bool {
    guard token == .name(word) else { return false }
    next += 1
    return true
  }

  private mutating func expect(_ sign: String) throws(TemplateFailure) {
    guard take(sign) else { throw failure("lacks \(sign) in front of \(shown)") }
  }

  mutating func name() throws(TemplateFailure) -> String {
    guard case .name(let word)? = token else { throw failure("lacks a name in front of \(shown)") }
    next += 1
    return word
  }

  // MARK: Conditions

  /// A whole expression; several with commas between them are a list.
  mutating func expression() throws(TemplateFailure) -> TemplateExpression {
    let first = try conditional()
    guard token == .sign(",") else { return first }
    throw failure("has a list without brackets, which is not known")
  }

  private mutating func conditional() throws(TemplateFailure) -> TemplateExpression {
    depth += 1
    defer { depth -= 1 }
    guard depth < Self.deepestNesting else { throw failure("is nested too deeply") }
    var value = try simpleExpression()
    while takeName("if") {
      try countLink()
      let condition = try simpleExpression()
      let other = takeName("else") ? try conditional() : nil
      value = .conditional(value, if: condition, else: other)
    }
    return value
  }

  /// An expression without a condition behind it: the items of a loop.
  mutating func simpleExpression() throws(TemplateFailure) -> TemplateExpression {
    var value = try conjunction()
    while takeName("or") {
      try countLink()
      value = .either(value, try conjunction())
    }
    return value
  }

  private mutating func conjunction() throws(TemplateFailure) -> TemplateExpression {
    var value = try negation()
    while takeName("and") {
      try countLink()
      value = .both(value, try negation())
    }
    return value
  }

  private mutating func negation() throws(TemplateFailure) -> TemplateExpression {
    var count = 0
    while takeName("not") { count += 1 }
    let value = try comparison()
    if count == 0 { return value }
    return count % 2 == 1 ? .negated(value) : .negated(.negated(value))
  }

  private mutating func comparison() throws(TemplateFailure) -> TemplateExpression {
    let first = try sum()
    var pairs: [TemplateExpression] = []
    var left = first
    while true {
      var own: String?
      for sign in ["==", "!=", "<=", ">=", "<", ">"] where own == nil && take(sign) { own = sign }
      if own == nil, takeName("in") { own = "in" }
      if own == nil, token == .name("not"), next + 1 < tokens.count, tokens[next + 1] == .name("in")
      {
        next += 2
        own = "not in"
      }
      guard let own else { break }
      try countLink()
      let right = try sum()
      pairs.append(
        own == "not in" ? .negated(.binary("in", left, right)) : .binary(own, left, right))
      left = right
    }
    guard var all = pairs.first else { return first }
    // a < b < c says both.
    for pair in pairs.dropFirst() { all = .both(all, pair) }
    return all
  }

  // MARK: Sums and products

  private mutating func sum() throws(TemplateFailure) -> TemplateExpression {
    try operations(["+", "-"]) { words throws(TemplateFailure) in
      try words.operations(["~"]) { words throws(TemplateFailure) in
        try words.operations(["*", "//", "/", "%"]) { words throws(TemplateFailure) in
          try words.signed()
        }
      }
    }
  }

  private mutating func operations(
    _ signs: [String],
    _ operand: (inout TemplateWords) throws(TemplateFailure) -> TemplateExpression
  ) throws(TemplateFailure) -> TemplateExpression {
    var value = try operand(&self)
    while case .sign(let sign)? = token, signs.contains(sign) {
      try countLink()
      next += 1
      value = .binary(sign, value, try operand(&self))
    }
    return value
  }

  private mutating func signed() throws(TemplateFailure) -> TemplateExpression {
    var isNegative = false
    while true {
      if take("-") { isNegative.toggle() } else if !take("+") { break }
    }
    let value = try filtered(try parts(behind: try primary()))
    return isNegative ? .minus(value) : value
  }

  // MARK: Filters and tests

  private mutating func filtered(
    _ value: TemplateExpression
  ) throws(TemplateFailure) -> TemplateExpression {
    var value = value
    while true {
      if take("|") {
        try countLink()
        value = .filter(value, try name(), try arguments() ?? .init())
      } else if takeName("is") {
        try countLink()
        let isNegated = takeName("not")
        let test = TemplateExpression.test(value, try name(), try testArguments())
        value = isNegated ? .negated(test) : test
      } else if token == .sign("(") || token == .sign(".") || token == .sign("[") {
        value = try parts(behind: value)
      } else {
        return value
      }
    }
  }

  /// What a test is given: in brackets, or one word behind it.
  private mutating func testArguments() throws(TemplateFailure) -> TemplateExpression.Arguments {
    if let given = try arguments() { return given }
    switch token {
    case .string?, .integer?, .decimal?: return .init(plain: [try primary()])
    case .name(let word)? where !Self.behindTests.contains(word):
      return .init(plain: [try parts(behind: try primary())])
    default: return .init()
    }
  }

  private static let behindTests: Set<String> = ["and", "or", "if", "else", "is", "not", "in"]

  /// Arguments in brackets; nil where there are no brackets.
  private mutating func arguments() throws(TemplateFailure) -> TemplateExpression.Arguments? {
    guard take("(") else { return nil }
    var given = TemplateExpression.Arguments()
    while !take(")") {
      if case .name(let word)? = token, next + 1 < tokens.count, tokens[next + 1] == .sign("=") {
        next += 2
        given.named.append((word, try conditional()))
      } else {
        given.plain.append(try conditional())
      }
      if !take(",") {
        try expect(")")
        break
      }
    }
    return given
  }
}

// MARK: - Operands

extension TemplateWords {
  /// Attributes, items and calls behind an operand.
  private mutating func parts(
    behind value: TemplateExpression
  ) throws(TemplateFailure) -> TemplateExpression {
    var value = value
    while true {
      if take(".") {
        try countLink()
        if case .integer(let number)? = token {
          next += 1
          value = .item(value, .literal(.integer(number)))
        } else {
          value = .attribute(value, try name())
        }
      } else if take("[") {
        try countLink()
        value = try item(of: value)
      } else if let given = try arguments() {
        try countLink()
        value = .call(value, given)
      } else {
        return value
      }
    }
  }

  /// An item, or a part with up to two colons.
  private mutating func item(
    of value: TemplateExpression
  ) throws(TemplateFailure) -> TemplateExpression {
    var bounds: [TemplateExpression?] = [nil]
    while !take("]") {
      if take(":") {
        bounds.append(nil)
      } else {
        bounds[bounds.count - 1] = try conditional()
        guard token == .sign(":") || token == .sign("]") else {
          throw failure("lacks ] in front of \(shown)")
        }
      }
    }
    if bounds.count == 1, let index = bounds[0] { return .item(value, index) }
    guard (2...3).contains(bounds.count) else { throw failure("has an item without a place") }
    return .slice(value, bounds)
  }

  private mutating func primary() throws(TemplateFailure) -> TemplateExpression {
    let found = token
    next += 1
    switch found {
    case .string(var text)?:
      while case .string(let more)? = token {
        text += more
        next += 1
      }
      return .literal(.string(text))
    case .integer(let number)?: return .literal(.integer(number))
    case .decimal(let number)?: return .literal(.decimal(number))
    case .name(let word)?:
      switch word {
      case "true", "True": return .literal(.boolean(true))
      case "false", "False": return .literal(.boolean(false))
      case "none", "None": return .literal(.none)
      default: return .name(word)
      }
    case .sign("(")?:
      let first = try conditional()
      if take(",") { return .list([first] + (try items(closedBy: ")"))) }
      try expect(")")
      return first
    case .sign("[")?: return .list(try items(closedBy: "]"))
    case .sign("{")?: return try table()
    default:
      next -= 1
      throw failure("lacks a value in front of \(shown)")
    }
  }

  private mutating func items(
    closedBy sign: String
  ) throws(TemplateFailure) -> [TemplateExpression] {
    var items: [TemplateExpression] = []
    while !take(sign) {
      items.append(try conditional())
      if !take(",") {
        try expect(sign)
        break
      }
    }
    return items
  }

  private mutating func table() throws(TemplateFailure) -> TemplateExpression {
    var entries: [(key: TemplateExpression, value: TemplateExpression)] = []
    while !take("}") {
      let key = try conditional()
      try expect(":")
      entries.append((key, try conditional()))
      if !take(",") {
        try expect("}")
        break
      }
    }
    return .table(entries)
  }
}
