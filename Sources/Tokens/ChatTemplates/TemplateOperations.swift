/// Attributes, items and operators of chat templates.
extension TemplateRun {
  func attribute(
    _ name: String, of owner: TemplateValue
  ) throws(TemplateFailure) -> TemplateValue {
    switch owner {
    case .undefined, .function: throw TemplateFailure("asks for .\(name) of \(owner.kind)")
    case .namespace(let number): namespaces[number][name] ?? .undefined(name)
    default: owner.entry(name) ?? .undefined(name)
    }
  }

  func item(
    of owner: TemplateValue, at place: TemplateValue
  ) throws(TemplateFailure) -> TemplateValue {
    switch (owner, place) {
    case (_, .string(let key)): return try attribute(key, of: owner)
    case (.list(let items), .integer(let index)):
      let own = index < 0 ? items.count + index : index
      return items.indices.contains(own) ? items[own] : .undefined("an item behind the last one")
    case (.string(let text), .integer(let index)):
      let scalars = Array(text.unicodeScalars)
      let own = index < 0 ? scalars.count + index : index
      return scalars.indices.contains(own)
        ? .string(String(scalars[own])) : .undefined("a letter behind the last one")
    default: throw TemplateFailure("asks for an item of \(owner.kind)")
    }
  }

  /// The part between two bounds, by steps, as Python cuts.
  func slice(_ owner: TemplateValue, _ bounds: [Int?]) throws(TemplateFailure) -> TemplateValue {
    let given = bounds.count > 2 ? bounds[2] ?? 1 : 1
    guard given != 0 else { throw TemplateFailure("cuts in steps of 0") }
    // Nothing is so long that a longer step made a difference.
    let step = min(max(given, -(1 << 40)), 1 << 40)
    func places(_ count: Int) -> [Int] {
      func place(_ bound: Int?, usual: Int) -> Int {
        guard let bound else { return usual }
        let own = bound < 0 ? count + bound : bound
        return step > 0 ? min(max(own, 0), count) : min(max(own, -1), count - 1)
      }
      let first = place(bounds[0], usual: step > 0 ? 0 : count - 1)
      let end = place(bounds[1], usual: step > 0 ? count : -1)
      return Array(stride(from: first, to: end, by: step))
    }
    switch owner {
    case .list(let items): return .list(places(items.count).map { items[$0] })
    case .string(let text):
      let scalars = Array(text.unicodeScalars)
      var view = String.UnicodeScalarView()
      for place in places(scalars.count) { view.append(scalars[place]) }
      return .string(String(view))
    default: throw TemplateFailure("cuts \(owner.kind)")
    }
  }

  func combined(
    _ left: TemplateValue, _ sign: String, _ right: TemplateValue
  ) throws(TemplateFailure) -> TemplateValue {
    switch sign {
    case "==": return .boolean(TemplateValue.areEqual(left, right))
    case "!=": return .boolean(!TemplateValue.areEqual(left, right))
    case "in": return .boolean(try Self.holds(right, left))
    case "~": return .string(try TemplateBounds.joined([left.printed(), right.printed()]))
    case "+":
      if case (.string(let a), .string(let b)) = (left, right) {
        return .string(try TemplateBounds.joined([a, b]))
      }
      if case (.list(let a), .list(let b)) = (left, right) { return .list(a + b) }
      return try difference(left, right, "+")
    case "<", ">", "<=", ">=": return .boolean(try Self.compare(left, sign, right))
    default: return try difference(left, right, sign)
    }
  }

  /// Arithmetic of numbers, with Python's rounding towards what is smaller.
  func difference(
    _ left: TemplateValue, _ right: TemplateValue, _ sign: String
  ) throws(TemplateFailure) -> TemplateValue {
    guard let a = left.number, let b = right.number else {
      throw TemplateFailure("computes \(left.kind) \(sign) \(right.kind)")
    }
    guard sign != "/", let own = left.integer, let other = right.integer else {
      return try Self.decimal(a, sign, b)
    }
    let (result, hasOverflowed): (Int, Bool)
    switch sign {
    case "+": (result, hasOverflowed) = own.addingReportingOverflow(other)
    case "-": (result, hasOverflowed) = own.subtractingReportingOverflow(other)
    case "*": (result, hasOverflowed) = own.multipliedReportingOverflow(by: other)
    case "//", "%":
      guard other != 0 else { throw TemplateFailure("divides by 0") }
      let (quotient, isTooLarge) = own.dividedReportingOverflow(by: other)
      let rest = own.remainderReportingOverflow(dividingBy: other).partialValue
      let isBelow = rest != 0 && (rest < 0) != (other < 0)
      result = sign == "%" ? (isBelow ? rest + other : rest) : (isBelow ? quotient - 1 : quotient)
      hasOverflowed = sign == "//" && isTooLarge
    default: throw TemplateFailure("computes with \(sign), which is not known")
    }
    guard !hasOverflowed else { throw TemplateFailure("computes a number that is too large") }
    return .integer(result)
  }

  private static func decimal(
    _ a: Double, _ sign: String, _ b: Double
  ) throws(TemplateFailure) -> TemplateValue {
    switch sign {
    case "+": return .decimal(a + b)
    case "-": return .decimal(a - b)
    case "*": return .decimal(a * b)
    case "/" where b != 0: return .decimal(a / b)
    case "/", "//", "%":
      throw TemplateFailure(
        b == 0 ? "divides by 0" : "computes \(a) \(sign) \(b), which is not known")
    default: throw TemplateFailure("computes \(a) \(sign) \(b), which is not known")
    }
  }

  private static func compare(
    _ left: TemplateValue, _ sign: String, _ right: TemplateValue
  ) throws(TemplateFailure) -> Bool {
    func holds<Value: Comparable>(_ a: Value, _ b: Value) -> Bool {
      switch sign {
      case "<": a < b
      case ">": a > b
      case "<=": a <= b
      default: a >= b
      }
    }
    if let a = left.integer, let b = right.integer { return holds(a, b) }
    if let a = left.number, let b = right.number { return holds(a, b) }
    if case (.string(let a), .string(let b)) = (left, right) {
      let isLess = a.unicodeScalars.lexicographicallyPrecedes(b.unicodeScalars)
      return holds(isLess ? 0 : (a.utf8.elementsEqual(b.utf8) ? 1 : 2), 1)
    }
    throw TemplateFailure("compares \(left.kind) \(sign) \(right.kind)")
  }

  /// Whether something is among a list, within a text, or a key of a mapping.
  static func holds(
    _ whole: TemplateValue, _ part: TemplateValue
  ) throws(TemplateFailure) -> Bool {
    switch (whole, part) {
    case (.undefined, _): return false
    case (.string(let text), .string(let own)):
      return own.isEmpty || text.split(atScalars: own).count > 1
    case (.list(let items), _): return items.contains { TemplateValue.areEqual($0, part) }
    case (.table, .string(let key)): return whole.entry(key) != nil
    default: throw TemplateFailure("looks for \(part.kind) in \(whole.kind)")
    }
  }
}
