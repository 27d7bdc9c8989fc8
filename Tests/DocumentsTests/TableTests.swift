import Documents
import Quantities
import Testing

@Suite struct TableTests {
  enum Level: String, CaseIterable { case low, high }

  static let text = """
    name: example
    nodes: 4
    ratio: 0.5
    fast: true
    level: high
    sizes: [1, 2, 3]
    node:
      link: {bandwidth: {value: 200 GB/s, source: "data sheet"}, latency: 3 us}
    items:
      - {a: 1}
      - {a: 2}
    nothing:
    """

  @Test func everyKindOfValue() throws {
    let table = try Document(text: Self.text, name: "x.yaml").table()
    #expect(try table.required("name", .string) == "example")
    #expect(try table.required("nodes", .integer(in: 1...8)) == 4)
    #expect(try table.required("ratio", .fraction) == 0.5)
    #expect(try table.required("fast", .boolean))
    #expect(try table.required("level", .choice(Level.self)) == .high)
    #expect(try table.required("sizes", .list(of: .integer())) == [1, 2, 3])
    let link = try table.table("node").table("link")
    let bandwidth = try link.required("bandwidth", .sourced(.quantity(BytesPerSecond.self)))
    #expect(bandwidth == Sourced(BytesPerSecond(200e9), .source("data sheet")))
    #expect(try link.required("latency", .sourced(.quantity(Seconds.self))).origin == .unstated)
    let items = try table.tables("items")
    #expect(try items.map { try $0.required("a", .integer()) } == [1, 2])
    #expect(try table.optional("nothing", .string) == nil)
    #expect(try table.value("missing", .integer(), default: 7) == 7)
    try table.finish()
  }

  @Test func unknownKeyNamesTheNearest() throws {
    let document = try Document(text: "a: 1\ntensor-paralel: 8\n", name: "plan.yaml")
    let table = try document.table()
    _ = try table.optional("a", .integer())
    _ = try table.optional("tensor-parallel", .integer())
    let error = #expect(throws: ConfigurationError.self) { try table.finish() }
    #expect(
      error?.description
        == "plan.yaml:2: tensor-paralel: unknown key; did you mean tensor-parallel?")
  }
}
