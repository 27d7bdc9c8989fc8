import Documents
import Quantities
import Testing

@Suite struct OverrideTests {
  static let text = """
    nodes: 4
    node:
      link: {bandwidth: {value: 200 GB/s, source: sheet}}
    items: [{a: 1}, {a: 2}]
    """

  private func document(_ assignments: String...) throws -> Document {
    var document = try Document(text: Self.text, name: "c.yaml")
    try document.set(assignments)
    return document
  }

  @Test func replaceAndCreate() throws {
    let table = try document(
      "nodes=8", "node.link.bandwidth=450 GB/s", "items[1].a=7", "new.inner=x=y", "list=[1, 2]",
      "quoted=\"~\""
    ).table()
    #expect(try table.required("nodes", .integer()) == 8)
    let link = try table.table("node").table("link")
    #expect(
      try link.required("bandwidth", .sourced(.quantity())) == Sourced(BytesPerSecond(450e9)))
    #expect(try table.tables("items").map { try $0.required("a", .integer()) } == [1, 7])
    #expect(try table.table("new").required("inner", .string) == "x=y")
    #expect(try table.required("list", .list(of: .integer())) == [1, 2])
    #expect(try table.required("quoted", .string) == "~")
    try table.finish()
  }

  @Test func errorsNameTheOverride() throws {
    let table = try document("nodes=many", "node.lnik.bandwidth=1 GB/s").table()
    let wrong = #expect(throws: ConfigurationError.self) {
      try table.required("nodes", .integer())
    }
    #expect(wrong?.description == "--set: nodes: \"many\": expected a whole number at least 0")
    let node = try table.table("node")
    _ = try node.table("link").field("bandwidth")
    _ = table.field("items")
    let unknown = #expect(throws: ConfigurationError.self) { try table.finish() }
    #expect(unknown?.description == "--set: node.lnik: unknown key; did you mean link?")
  }

  @Test(arguments: [
    ("nodes", "expected key=value"), ("=1", "is not a key"), ("a..b=1", "is not a key"),
    ("items[x].a=1", "is not a key"), ("items[-1].a=1", "is not a key"),
    ("items[2].a=1", "the list has 2 items"), ("lost[0].a=1", "there is no list lost yet"),
    ("nodes.x=1", "it is a single value"),
    ("items.a=1", "it is a list"), ("node[0]=1", "it is a table"), ("x=[1", "is not valid YAML"),
    ("x={a: 1, a: 2}", "written twice"), ("x=", ""),
    (String(repeating: "a.", count: 400) + "a=1", "is not a key"),
  ])
  func badOverrides(_ assignment: String, rule: String) throws {
    do {
      _ = try document(assignment)
      #expect(rule.isEmpty)
    } catch let error as ConfigurationError {
      #expect(error.file == "--set")
      #expect(!rule.isEmpty && error.rule.contains(rule), "\(error)")
    }
  }

  /// A name in place of a section takes the section of another document, with its own lines.
  @Test func composition() throws {
    let other = try Document(text: "\n\nnode:\n  link: 1\n  wrong: 2\n", name: "other.yaml")
    var document = try Document(text: "node: other\n", name: "mine.yaml")
    try document.compose("node") { _, name throws(ConfigurationError) in
      #expect(name == "other")
      return other
    }
    let table = try document.table()
    _ = try table.table("node").required("link", .integer())
    let error = #expect(throws: ConfigurationError.self) { try table.finish() }
    #expect(error?.description.hasPrefix("other.yaml:5: node.wrong: unknown key") == true)
  }
}
