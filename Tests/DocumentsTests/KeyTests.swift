import Documents
import Quantities
import Testing

/// What a key declares is what is read, what the reference says, and what messages suggest.
@Suite struct KeyTests {
  enum Level: String, CaseIterable { case low, high }

  struct LinkKeys: KeySet {
    let bandwidth = Key(
      "bandwidth", .sourced(.quantity(in: BytesPerSecond(1e6)...BytesPerSecond(1e18))),
      "Bytes a second.")
    let name = Key("name", .string, otherwise: "unnamed", "The product.")
  }

  struct RootKeys: KeySet {
    let degree = Key(
      "tensor-parallel", .integer(in: 1...4096), default: 1, "How many share.", otherNames: ["tp"])
    let level = Key("level", .choice(Level.self), "How much.")
    let link = TableKey("link", LinkKeys(), "What joins two.")
    let sizes = EitherKey(
      Key("sizes", .integer(), otherwise: "none", "One size, or links."), LinkKeys(), list: true)
    let ratio = Key("ratio", .number(in: 0...2), default: 0.5, "A share.")
  }

  private func table(_ text: String) throws -> Table {
    try Document(text: text, name: "f.yaml").table()
  }

  @Test func readingFollowsTheDeclaration() throws {
    let keys = RootKeys()
    let table = try table(
      "level: high\nlink: {bandwidth: 200 GB/s, name: x}\nsizes: [{bandwidth: 1 GB/s}]\n")
    #expect(try table.value(keys.degree) == 1)
    #expect(try table.required(keys.level) == .high)
    let link = try table.table(keys.link)
    #expect(try link.required(keys.link.bandwidth).value == BytesPerSecond(200e9))
    #expect(try link.optional(keys.link.name) == "x")
    guard case .tables(let tables)? = try table.either(keys.sizes) else {
      Issue.record("a list of tables was written")
      return
    }
    #expect(try tables.map { try $0.required(keys.sizes.bandwidth).value.value } == [1e9])
    #expect(try table.value(keys.ratio) == 0.5)
    try table.finish()
  }

  @Test func plainValueBesideTables() throws {
    let keys = RootKeys()
    guard case .plain(7)? = try table("sizes: 7").either(keys.sizes) else {
      Issue.record("a plain value was written")
      return
    }
    #expect(try table("level: low").either(keys.sizes) == nil)
    let wrong = #expect(throws: ConfigurationError.self) {
      try table("sizes: many").either(keys.sizes)
    }
    #expect(
      wrong?.description == "f.yaml:1: sizes: \"many\": expected a whole number at least 0")
  }

  /// Words of pages and papers lead to the key that they mean.
  @Test(arguments: [
    ("tp", "tensor-parallel"), ("TP", "tensor-parallel"), ("tensor_paralel", "tensor-parallel"),
  ])
  func otherNames(_ written: String, suggestion: String) throws {
    let table = try table("\(written): 8\n")
    _ = try table.value(RootKeys().degree)
    let error = #expect(throws: ConfigurationError.self) { try table.finish() }
    #expect(
      error?.description == "f.yaml:1: \(written): unknown key; did you mean \(suggestion)?")
  }

  @Test func referenceSaysWhatIsDeclared() {
    let reference = KeyReference("a thing", "Things.", RootKeys().entries)
    #expect(reference.sections.map(\.path) == ["", "link", "sizes[…]"])
    #expect(
      reference.leaves.map(\.path) == [
        "tensor-parallel", "level", "link.bandwidth", "link.name", "sizes", "sizes[0].bandwidth",
        "sizes[0].name", "ratio",
      ])
    for line in [
      "tensor-parallel  integer 1 to 4,096        1         How many share.",
      "level            low | high                required  How much.",
      "ratio            number 0 to 2             0.5       A share.",
    ] {
      #expect(reference.text.contains(line), "\(reference.text)")
    }
    #expect(reference.text.contains("bandwidth such as"))
    #expect(reference.text.contains("A value marked * may carry"))
    #expect(reference.text.split(separator: "\n").allSatisfy { $0.count <= 100 })
    #expect(
      reference.markdown.contains("| `level` | low \\| high | required | How much. |"))
  }
}

/// Files of other programs may hold keys that nobody reads; what the command line sets may not.
@Suite struct ToleratedKeyTests {
  private func finish(_ text: String, _ assignments: [String]) throws {
    var document = try Document(text: text, name: "config.json")
    try document.set(assignments)
    let table = try document.table(toleratesUnknownKeys: true)
    _ = try table.optional("hidden_size", .integer())
    let inner = try table.optionalTable("rope", toleratesUnknownKeys: true)
    _ = try inner?.optional("factor", .number())
    try table.finish()
  }

  @Test func overridesAreChecked() throws {
    let text = "{\"hidden_size\": 8, \"dtype\": \"x\", \"rope\": {\"factor\": 1, \"beta\": 2}}"
    try finish(text, [])
    try finish(text, ["hidden_size=16", "rope.factor=2"])
    for (assignment, message) in [
      ("hiden_size=16", "--set: hiden_size: nothing reads this key; did you mean hidden_size?"),
      ("dtype=y", "--set: dtype: nothing reads this key"),
      ("rope.beta=3", "--set: rope.beta: nothing reads this key"),
      ("new.inner=3", "--set: new: nothing reads this key"),
    ] {
      let error = #expect(throws: ConfigurationError.self) { try finish(text, [assignment]) }
      #expect(error?.description == message)
    }
  }
}
