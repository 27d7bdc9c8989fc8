/// Functions, filters, tests and methods that chat templates use.
extension TemplateRun {
  /// Functions that need no owner.
  ///
  /// The day's date is none of them: `strftime_now` is not defined.
  static let functions: Set<String> = ["raise_exception", "namespace", "range"]

  static func result(of name: String, _ given: Given) throws(TemplateFailure) -> TemplateValue {
    if name == "raise_exception" {
      let text = try given.plain.first?.printed() ?? ""
      throw TemplateFailure("refuses the messages: \(text)")
    }
    var numbers: [Int] = []
    for value in given.plain {
      guard case .integer(let number) = value else {
        throw TemplateFailure("calls range with \(value.kind)")
      }
      numbers.append(number)
    }
    guard (1...3).contains(numbers.count), numbers.allSatisfy({ $0.magnitude <= 10_000 }),
      numbers.count < 3 || numbers[2] != 0
    else { throw TemplateFailure("calls range in a way that is not known") }
    let (first, end) = numbers.count == 1 ? (0, numbers[0]) : (numbers[0], numbers[1])
    let step = numbers.count == 3 ? numbers[2] : 1
    return .list(stride(from: first, to: end, by: step).map { .integer($0) })
  }

  func filtered(
    _ value: TemplateValue, by name: String, _ given: Given
  ) throws(TemplateFailure) -> TemplateValue {
    if value.isUndefined, Self.filtersOfTexts.contains(name) {
      return try filtered(.string(""), by: name, given)
    }
    switch (name, value) {
    case ("trim", .string(let text)):
      return .string(text.stripped(of: try given.plain.first?.printed()))
    case ("tojson", _): return .string(try value.json(indent: try indent(given)))
    case ("length", _), ("count", _): return .integer(try length(of: value))
    case ("first", _): return try value.elements().first ?? .undefined("the first of nothing")
    case ("last", _): return try value.elements().last ?? .undefined("the last of nothing")
    case ("list", _): return .list(try value.elements())
    case ("reverse", .list(let items)): return .list(items.reversed())
    case ("join", _):
      var parts: [String] = []
      for element in try value.elements() { parts.append(try element.printed()) }
      let separator = try given.plain.first?.printed() ?? ""
      return .string(try TemplateBounds.joined(parts, by: separator))
    case ("default", _), ("d", _):
      let other = given.plain.first ?? .string("")
      let alsoFalse = (given.plain.dropFirst().first ?? given.named["boolean"])?.isTrue ?? false
      return value.isUndefined || (alsoFalse && !value.isTrue) ? other : value
    case ("string", _): return .string(try value.printed())
    case ("safe", _): return value
    case ("int", _): return .integer(try value.wholeNumber())
    case ("upper", .string), ("lower", .string), ("capitalize", .string), ("replace", .string):
      return try method(name, of: value, given)
    case ("items", .table), ("dictsort", .table):
      let all = try method("items", of: value, given)
      guard name == "dictsort", case .list(let items) = all else { return all }
      return .list(items.sortedByKey)
    default: throw TemplateFailure("has the filter \(name) of \(value.kind), which is not known")
    }
  }

  /// What is not defined counts as an empty text to them.
  private static let filtersOfTexts: Set<String> = [
    "trim", "upper", "lower", "capitalize", "replace", "string",
  ]

  private func indent(_ given: Given) throws(TemplateFailure) -> Int? {
    for name in given.named.keys where !["indent", "ensure_ascii"].contains(name) {
      throw TemplateFailure("has tojson with \(name), which is not known")
    }
    if given.named["ensure_ascii"]?.isTrue ?? false {
      throw TemplateFailure("has tojson with ensure_ascii, which is not known")
    }
    switch given.named["indent"] ?? given.plain.first {
    case nil, TemplateValue.none?: return nil
    case .integer(let number)? where 0...64 ~= number: return number
    default: throw TemplateFailure("has tojson with an indent that is not known")
    }
  }

  private func length(of value: TemplateValue) throws(TemplateFailure) -> Int {
    switch value {
    case .undefined: return 0
    case .string(let text): return text.unicodeScalars.count
    case .list(let items): return items.count
    case .table(let entries): return entries.count
    default: throw TemplateFailure("asks for the length of \(value.kind)")
    }
  }

  func passes(
    _ value: TemplateValue, _ name: String, _ given: [TemplateValue]
  ) throws(TemplateFailure) -> Bool {
    switch (name, value) {
    case ("defined", _): return !value.isUndefined
    case ("undefined", _): return value.isUndefined
    case ("none", .none), ("string", .string), ("mapping", .table), ("boolean", .boolean),
      ("integer", .integer), ("float", .decimal), ("number", .integer), ("number", .decimal),
      ("number", .boolean), ("sequence", .list), ("sequence", .string), ("sequence", .table),
      ("iterable", .list), ("iterable", .string), ("iterable", .table), ("iterable", .undefined),
      ("sequence", .undefined):
      return true
    case ("none", _), ("string", _), ("mapping", _), ("boolean", _), ("integer", _), ("float", _),
      ("number", _), ("sequence", _), ("iterable", _):
      return false
    case ("true", _), ("false", _):
      guard case .boolean(let flag) = value else { return false }
      return flag == (name == "true")
    case ("even", .integer(let number)): return number % 2 == 0
    case ("odd", .integer(let number)): return number % 2 != 0
    case ("equalto", _), ("eq", _):
      guard given.count == 1 else { break }
      return TemplateValue.areEqual(value, given[0])
    case ("in", _):
      guard given.count == 1 else { break }
      return try Self.holds(given[0], value)
    default: break
    }
    throw TemplateFailure("has the test \(name) of \(value.kind), which is not known")
  }

  func method(
    _ name: String, of owner: TemplateValue, _ given: Given
  ) throws(TemplateFailure) -> TemplateValue {
    switch owner {
    case .string(let text): return try method(name, ofText: text, given.plain)
    case .table(let entries):
      switch name {
      case "items":
        return .list(entries.map { .list([.string($0.key), $0.value]) })
      case "keys": return .list(entries.map { .string($0.key) })
      case "values": return .list(entries.map(\.value))
      case "get":
        guard case .string(let key)? = given.plain.first else { break }
        return owner.entry(key) ?? given.plain.dropFirst().first ?? TemplateValue.none
      default: break
      }
    default: break
    }
    throw TemplateFailure("calls .\(name)() of \(owner.kind), which is not known")
  }

  private func method(
    _ name: String, ofText text: String, _ given: [TemplateValue]
  ) throws(TemplateFailure) -> TemplateValue {
    var words: [String] = []
    for value in given {
      guard case .string(let word) = value else {
        throw TemplateFailure("calls .\(name)() of a text with \(value.kind)")
      }
      words.append(word)
    }
    if ["split", "replace"].contains(name), text.utf8.count > TemplateBounds.mostItems {
      throw TemplateFailure("takes a text of more than \(TemplateBounds.mostItems) bytes apart")
    }
    switch (name, words.count) {
    case ("strip", 0...1): return .string(text.stripped(of: words.first))
    case ("lstrip", 0...1): return .string(text.stripped(of: words.first, right: false))
    case ("rstrip", 0...1): return .string(text.stripped(of: words.first, left: false))
    case ("startswith", 1):
      return .boolean(text.unicodeScalars.starts(with: words[0].unicodeScalars))
    case ("endswith", 1):
      let end = words[0].unicodeScalars.reversed()
      return .boolean(text.unicodeScalars.reversed().starts(with: end))
    case ("upper", 0): return .string(text.uppercased())
    case ("lower", 0): return .string(text.lowercased())
    case ("capitalize", 0):
      let scalars = text.unicodeScalars
      let rest = String(String.UnicodeScalarView(scalars.dropFirst())).lowercased()
      return .string((scalars.first.map { String($0).uppercased() } ?? "") + rest)
    case ("split", 1) where !words[0].isEmpty:
      return .list(text.split(atScalars: words[0]).map { .string($0) })
    case ("split", 0):
      let words = text.unicodeScalars.split { $0.properties.isWhitespace }
      return .list(words.map { .string(String(String.UnicodeScalarView($0))) })
    case ("replace", 2) where !words[0].isEmpty:
      return .string(try text.replacingScalars(words[0], by: words[1]))
    default:
      throw TemplateFailure(
        "calls .\(name)() of a text with \(given.count) values, which is not known")
    }
  }
}

extension TemplateValue {
  /// The number of `int`: a text without one counts as 0.
  fileprivate func wholeNumber() throws(TemplateFailure) -> Int {
    switch self {
    case .string(let text): return Int(text.stripped(of: nil)) ?? 0
    case .integer(let number): return number
    case .boolean(let flag): return flag ? 1 : 0
    case .decimal(let number) where abs(number) < 1e15: return Int(number)
    default: throw TemplateFailure("has the filter int of \(kind), which is not known")
    }
  }
}

extension [TemplateValue] {
  /// Pairs of key and value in the order of their keys, without regard to case, as `dictsort` has them.
  fileprivate var sortedByKey: [TemplateValue] {
    func key(_ value: TemplateValue) -> String {
      if case .list(let pair) = value, case .string(let key) = pair[0] { return key.lowercased() }
      return ""
    }
    return enumerated().sorted {
      let (a, b) = (key($0.element), key($1.element))
      return a == b ? $0.offset < $1.offset : a.utf8.lexicographicallyPrecedes(b.utf8)
    }.map(\.element)
  }
}
