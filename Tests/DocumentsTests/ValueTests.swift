import Documents
import Quantities
import Testing

@Suite struct ValueTests {
  enum Level: String, CaseIterable { case low, high }

  private func message<Value>(_ text: String, _ expected: Expected<Value>) -> String {
    do throws(ConfigurationError) {
      let table = try Document(text: "# first\nouter:\n  k: \(text)\n", name: "f.yaml").table()
      _ = try table.table("outer").required("k", expected)
      return ""
    } catch { return error.description }
  }

  @Test func wrongValuesSayWhereAndWhy() {
    let place = "f.yaml:3: outer.k: "
    #expect(
      message("12", .integer(in: 1...8)) == place + "\"12\": must be from 1 to 8")
    #expect(
      message("1.5", .integer()) == place + "\"1.5\": expected a whole number at least 0")
    #expect(message("-1", .integer()) == place + "\"-1\": must be at least 0")
    #expect(message("99999999999999999999", .integer()).hasSuffix("must be less than 2^63"))
    #expect(message("-99999999999999999999", .integer()).hasSuffix("must be at least 0"))
    #expect(message("99999999999999999999", .integer(in: 1...8)).hasSuffix("from 1 to 8"))
    #expect(message("yes", .boolean) == place + "\"yes\": expected true or false")
    #expect(message("1.5", .fraction) == place + "\"1.5\": must be from 0.0 to 1.0")
    #expect(message("nan", .number()).hasSuffix("expected a number without a unit"))
    #expect(message(".inf", .number()).hasSuffix("expected a number without a unit"))
    #expect(message("1e999", .number()).hasSuffix("expected a number without a unit"))
    #expect(message("0x10", .number()).hasSuffix("expected a number without a unit"))
    #expect(message("\"\"", .string) == place + "\"\": must not be empty")
    #expect(message("", .string) == place + "expected a text, found nothing")
    #expect(message("[1]", .integer()) == place + "expected a whole number, found a list")
    #expect(message("{a: 1}", .string) == place + "expected a text, found a table")
    #expect(
      message("5", .list(of: .integer())) == place + "\"5\": expected a list, found a single value")
    #expect(message("[1, x]", .list(of: .integer())).hasPrefix("f.yaml:3: outer.k[1]: \"x\""))
    #expect(
      message("[]", .list(of: .integer(), count: 1...2))
        == place + "must have from 1 to 2 items, has 0")
    #expect(
      message("[1]", .list(of: .integer(), count: 2...2)) == place + "must have 2 items, has 1")
    #expect(message("2", .integer(in: 1...1)) == place + "\"2\": must be 1")
    #expect(
      message("hihg", .choice(Level.self))
        == place + "\"hihg\": expected one of low, high; did you mean high?")
    #expect(message("3 sec", .quantity(Seconds.self)).contains("units: ps, ns, us"))
    #expect(
      message("{value: 1, source: a, assumption: b}", .sourced(.integer()))
        .hasSuffix("a value has a source or is an assumption, not both"))
    #expect(
      message("{value: 1, sorce: a}", .sourced(.integer()))
        == "f.yaml:3: outer.k.sorce: unknown key; did you mean source?")
    #expect(
      message("{source: a}", .sourced(.integer()))
        == "f.yaml:3: outer.k.value: required key is missing")
  }

  /// Quotes make a number text, and null a word.
  @Test func quotes() throws {
    let table = try Document(text: "a: \"null\"\nb: '5'\nc: ~\n", name: "f").table()
    #expect(try table.optional("a", .string) == "null")
    #expect(try table.required("b", .integer()) == 5)
    #expect(try table.optional("c", .string) == nil)
  }

  @Test func messagesStayOnOneLine() throws {
    let value = String(repeating: "long ", count: 100)
    let text = message("\"two\\nlines\\e[31m\(value)\"", .integer())
    #expect(!text.contains("\n") && !text.contains("\u{1B}"))
    #expect(text.contains("two\\u{a}lines"))
    #expect(text.count < 300)
  }

  @Test func missingKeyNamesWhatWasFound() throws {
    let table = try Document(text: "node:\n  devises: 8\n", name: "f.yaml").table()
    let error = #expect(throws: ConfigurationError.self) {
      try table.table("node").required("devices", .integer())
    }
    #expect(
      error?.description == "f.yaml:1: node.devices: required key is missing; found devises")
  }

  @Test func toleratedKeys() throws {
    let document = try Document(text: "{\"a\": 1, \"more\": {\"x\": 2}}", name: "config.json")
    let strict = try document.table()
    _ = try strict.required("a", .integer())
    #expect(throws: ConfigurationError.self) { try strict.finish() }
    let tolerant = try document.table(toleratesUnknownKeys: true)
    _ = try tolerant.required("a", .integer())
    try tolerant.finish()
  }

  @Test func finishReachesInnerTables() throws {
    let text = "a:\n  b: {c: 1, d: 2}\nlist:\n  - {e: 1}\n  - {f: 1}\n"
    let table = try Document(text: text, name: "f").table()
    _ = try table.table("a").table("b").required("c", .integer())
    for item in try table.tables("list") { _ = try item.optional("e", .integer()) }
    let error = #expect(throws: ConfigurationError.self) { try table.finish() }
    #expect(error?.description == "f:2: a.b.d: unknown key; did you mean c?")
  }

  @Test func errorsOfOnesOwn() throws {
    let table = try Document(text: "ep: 3\n", name: "p.yaml").table()
    #expect(
      table.error("must divide dp", at: "ep").description == "p.yaml:1: ep: \"3\": must divide dp")
    #expect(table.error("is wrong").description == "p.yaml: is wrong")
    #expect(table.error("is missing", at: "dp").description == "p.yaml:1: dp: is missing")
  }
}
