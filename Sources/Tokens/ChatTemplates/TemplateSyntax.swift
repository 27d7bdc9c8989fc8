/// An expression of a chat template.
indirect enum TemplateExpression: Sendable {
  typealias Named = (name: String, value: TemplateExpression)

  case literal(TemplateValue)
  case name(String)
  case list([TemplateExpression])
  case table([(key: TemplateExpression, value: TemplateExpression)])
  case attribute(TemplateExpression, String)
  case item(TemplateExpression, TemplateExpression)
  case slice(TemplateExpression, [TemplateExpression?])
  case call(TemplateExpression, Arguments)
  case filter(TemplateExpression, String, Arguments)
  case test(TemplateExpression, String, Arguments)
  case negated(TemplateExpression)
  case minus(TemplateExpression)
  case binary(String, TemplateExpression, TemplateExpression)
  case both(TemplateExpression, TemplateExpression)
  case either(TemplateExpression, TemplateExpression)
  case conditional(TemplateExpression, if: TemplateExpression, else: TemplateExpression?)

  /// What a call is given.
  struct Arguments: Sendable {
    var plain: [TemplateExpression] = []
    var named: [Named] = []
  }
}

/// A statement of a chat template with its line.
struct TemplateStatement: Sendable {
  indirect enum Kind: Sendable {
    case text(String)
    case output(TemplateExpression)
    case conditional([Branch], else: [TemplateStatement])
    case loop(Loop)
    case set(String, attribute: String?, TemplateExpression)
    case capture(String, [TemplateStatement])
    case leave, goOn
  }

  struct Branch: Sendable {
    var condition: TemplateExpression
    var body: [TemplateStatement]
  }

  struct Loop: Sendable {
    var names: [String]
    var items: TemplateExpression
    var condition: TemplateExpression?
    var body: [TemplateStatement]
    var otherwise: [TemplateStatement]
  }

  var kind: Kind
  var line: Int
}
