/// Renders the statements of a chat template.
///
/// A name that is set within a loop is forgotten behind it, as in Jinja; fields of a namespace stay.
struct TemplateRun {
  private(set) var output = ""
  /// From the outermost to the innermost loop.
  private var scopes: [[String: TemplateValue]]
  var namespaces: [[String: TemplateValue]] = []
  private var line = 0
  private var steps = 0

  private var bounds = TemplateBounds()

  private enum Flow { case goOn, leave, next }

  /// The text of a template, with what it is given by name.
  static func text(
    of statements: [TemplateStatement], _ given: [String: TemplateValue]
  ) throws(TemplateFailure) -> String {
    var run = TemplateRun(scopes: [given])
    do throws(TemplateFailure) {
      _ = try run.run(statements)
    } catch {
      throw TemplateFailure(error.rule, line: error.line > 0 ? error.line : run.line)
    }
    return run.output
  }

  private init(scopes: [[String: TemplateValue]]) { self.scopes = scopes }

  private mutating func run(_ statements: [TemplateStatement]) throws(TemplateFailure) -> Flow {
    for statement in statements {
      try countStep()
      if statement.line > 0 { line = statement.line }
      switch statement.kind {
      case .text(let text): output += text
      case .output(let value): output += try self.value(of: value).printed()
      case .conditional(let branches, let otherwise):
        let flow = try run(try chosen(branches, otherwise))
        if flow != .goOn { return flow }
      case .loop(let loop): try run(loop)
      case .set(let name, let attribute, let expression):
        try set(name, attribute, try value(of: expression))
      case .capture(let name, let body):
        let before = output
        output = ""
        let flow = try run(body)
        try set(name, nil, .string(output))
        output = before
        if flow != .goOn { return flow }
      case .leave: return .leave
      case .goOn: return .next
      }
    }
    return .goOn
  }

  private mutating func countStep() throws(TemplateFailure) {
    steps += 1
    guard steps < TemplateBounds.mostSteps, output.utf8.count < TemplateBounds.mostBytes else {
      throw TemplateFailure("does not come to an end")
    }
  }

  private mutating func chosen(
    _ branches: [TemplateStatement.Branch], _ otherwise: [TemplateStatement]
  ) throws(TemplateFailure) -> [TemplateStatement] {
    for branch in branches where try value(of: branch.condition).isTrue { return branch.body }
    return otherwise
  }

  private mutating func set(
    _ name: String, _ attribute: String?, _ value: TemplateValue
  ) throws(TemplateFailure) {
    guard let attribute else {
      scopes[scopes.count - 1][name] = value
      return
    }
    guard case .namespace(let number)? = known(name) else {
      throw TemplateFailure("sets \(name).\(attribute), and \(name) is no namespace")
    }
    namespaces[number][attribute] = value
  }

  private func known(_ name: String) -> TemplateValue? {
    for scope in scopes.reversed() { if let value = scope[name] { return value } }
    return nil
  }

  // MARK: Loops

  private mutating func run(_ loop: TemplateStatement.Loop) throws(TemplateFailure) {
    var items = try value(of: loop.items).elements()
    if let condition = loop.condition {
      var kept: [TemplateValue] = []
      for item in items {
        try countStep()
        scopes.append(try bound(loop.names, to: item))
        defer { scopes.removeLast() }
        if try value(of: condition).isTrue { kept.append(item) }
      }
      items = kept
    }
    if items.isEmpty {
      _ = try run(loop.otherwise)
      return
    }
    for (index, item) in items.enumerated() {
      try countStep()
      var scope = try bound(loop.names, to: item)
      scope["loop"] = Self.place(index, in: items)
      scopes.append(scope)
      defer { scopes.removeLast() }
      if try run(loop.body) == .leave { return }
    }
  }

  private func bound(
    _ names: [String], to item: TemplateValue
  ) throws(TemplateFailure) -> [String: TemplateValue] {
    if names.count == 1 { return [names[0]: item] }
    guard case .list(let parts) = item, parts.count == names.count else {
      throw TemplateFailure("takes \(item.kind) apart into \(names.count) names")
    }
    return Dictionary(zip(names, parts)) { $1 }
  }

  /// What a loop says of where it is.
  private static func place(_ index: Int, in items: [TemplateValue]) -> TemplateValue {
    let count = items.count
    var entries: [TemplateValue.Entry] = [
      .init(key: "index", value: .integer(index + 1)),
      .init(key: "index0", value: .integer(index)),
      .init(key: "revindex", value: .integer(count - index)),
      .init(key: "revindex0", value: .integer(count - index - 1)),
      .init(key: "first", value: .boolean(index == 0)),
      .init(key: "last", value: .boolean(index == count - 1)),
      .init(key: "length", value: .integer(count)),
    ]
    if index > 0 { entries.append(.init(key: "previtem", value: items[index - 1])) }
    if index + 1 < count { entries.append(.init(key: "nextitem", value: items[index + 1])) }
    return .table(entries)
  }

  // MARK: Expressions

  mutating func value(of expression: TemplateExpression) throws(TemplateFailure) -> TemplateValue {
    switch expression {
    case .literal(let value): return value
    case .name(let name):
      if let value = known(name) { return value }
      return Self.functions.contains(name) ? .function(name) : .undefined(name)
    case .list(let items): return try bounds.admitted(.list(try values(of: items)))
    case .table(let entries): return try bounds.admitted(try table(entries))
    case .attribute(let owner, let name): return try attribute(name, of: try value(of: owner))
    case .item(let owner, let place):
      return try item(of: try value(of: owner), at: try value(of: place))
    case .slice(let owner, let bounds):
      let owner = try value(of: owner)
      return try slice(owner, try numbers(bounds))
    case .call(let callee, let given): return try call(callee, given)
    case .filter(let operand, let name, let given):
      let own = try value(of: operand)
      return try filtered(own, by: name, try arguments(given))
    case .test(let operand, let name, let given):
      let own = try value(of: operand)
      return .boolean(try passes(own, name, try values(of: given.plain)))
    case .negated(let operand): return .boolean(!(try value(of: operand).isTrue))
    case .minus(let operand): return try difference(.integer(0), try value(of: operand), "-")
    case .binary(let sign, let left, let right):
      let (left, right) = (try value(of: left), try value(of: right))
      let value = try combined(left, sign, right)
      if case .list = value { return try bounds.admitted(value) }
      return value
    case .both(let left, let right):
      let first = try value(of: left)
      return first.isTrue ? try value(of: right) : first
    case .either(let left, let right):
      let first = try value(of: left)
      return first.isTrue ? first : try value(of: right)
    case .conditional(let own, let condition, let other):
      if try value(of: condition).isTrue { return try value(of: own) }
      guard let other else { return .undefined("a condition's other value") }
      return try value(of: other)
    }
  }

  private mutating func values(
    of expressions: [TemplateExpression]
  ) throws(TemplateFailure) -> [TemplateValue] {
    var values: [TemplateValue] = []
    for expression in expressions { values.append(try value(of: expression)) }
    return values
  }

  private mutating func table(
    _ entries: [(key: TemplateExpression, value: TemplateExpression)]
  ) throws(TemplateFailure) -> TemplateValue {
    var made: [TemplateValue.Entry] = []
    for entry in entries {
      guard case .string(let key) = try value(of: entry.key) else {
        throw TemplateFailure("has a mapping with a key that is no text")
      }
      made.append(.init(key: key, value: try value(of: entry.value)))
    }
    return .table(made)
  }

  private mutating func numbers(
    _ bounds: [TemplateExpression?]
  ) throws(TemplateFailure) -> [Int?] {
    var numbers: [Int?] = []
    for bound in bounds {
      switch try bound.map({ bound throws(TemplateFailure) in try value(of: bound) }) {
      case nil, TemplateValue.none?: numbers.append(nil)
      case .integer(let number)?: numbers.append(number)
      case let other?: throw TemplateFailure("cuts at \(other.kind)")
      }
    }
    return numbers
  }

  /// What a call is given, by place and by name.
  struct Given {
    var plain: [TemplateValue]
    var named: [String: TemplateValue]
  }

  private mutating func arguments(
    _ given: TemplateExpression.Arguments
  ) throws(TemplateFailure) -> Given {
    var named: [String: TemplateValue] = [:]
    for argument in given.named { named[argument.name] = try value(of: argument.value) }
    return Given(plain: try values(of: given.plain), named: named)
  }

  private mutating func call(
    _ callee: TemplateExpression, _ given: TemplateExpression.Arguments
  ) throws(TemplateFailure) -> TemplateValue {
    if case .attribute(let owner, let name) = callee {
      let own = try value(of: owner)
      return try method(name, of: own, try arguments(given))
    }
    guard case .function(let name) = try value(of: callee) else {
      throw TemplateFailure("calls \(try value(of: callee).kind)")
    }
    let given = try arguments(given)
    if name == "namespace" {
      guard given.plain.isEmpty else { throw TemplateFailure("calls namespace without names") }
      namespaces.append(given.named)
      return .namespace(namespaces.count - 1)
    }
    return try Self.result(of: name, given)
  }
}
