import Documents
import Tasks
import Testing

/// A prompt with a right answer.
func prompt(_ answer: String, script: String? = nil) -> TaskPrompt {
  var fields = [JSONValue.Entry(key: "answer", value: .string(answer))]
  if let script { fields.append(.init(key: "script", value: .string(script))) }
  return TaskPrompt(text: "question", fields: .table(fields))
}

@Suite struct RewardRuleTests {
  /// What a rule gives to completions of a prompt.
  private func rewards(
    _ rule: some RewardRule, _ completions: [String], answer: String = ""
  ) throws -> [Double] {
    try completions.map { try rule.reward(of: $0, to: prompt(answer)) }
  }

  @Test func exactnessIsByteByByte() throws {
    #expect(try rewards(ExactRule(), [" 5\n", "6", "55", ""], answer: "5") == [1, 0, 0, 0])
    // One text to Unicode, two to a program that reads it.
    #expect(try rewards(ExactRule(), ["e\u{301}", "\u{E9}"], answer: "\u{E9}") == [0, 1])
  }

  @Test func answersStandAtTheirPlace() throws {
    let behind = ExactRule(place: .after("]"))
    #expect(try rewards(behind, ["[5]1", "[1]5]1", "1", "]]1 "], answer: "1") == [1, 1, 0, 1])
    #expect(try rewards(behind, ["[1]5"], answer: "1") == [0])
  }

  @Test func numbersAreReadWithinTolerance() throws {
    let rule = NumberRule(tolerance: 0.01)
    let completions = ["it is 7-3", "3.02", "3.04", "-3", "three", "3 or 4", "0.3e1."]
    #expect(try rewards(rule, completions, answer: "3") == [1, 1, 0, 0, 0, 0, 1])
    #expect(try rewards(rule, ["-1,010", "-1010", "-1011"], answer: "-1000") == [1, 1, 0])
    let thousands = ["1,000", "1,000.5", "it is 21,000,000", "10,20", "1,00", "1000,000", "1,0000"]
    for (text, number) in zip(thousands, ["1000", "1000.5", "21000000", "20", "0", "0", "0"]) {
      #expect(try rewards(NumberRule(), [text], answer: number) == [1], "\(text)")
    }
    #expect(try rewards(NumberRule(), ["0.1", "0.10000001"], answer: "0.1") == [1, 0])
    let halves = ["-.5", "\u{2212}0.5", "x=\u{2212}.5", "-0.5", ".5", "1.-.5", "1.5"]
    #expect(try rewards(NumberRule(), halves, answer: "-.5") == [1, 1, 1, 1, 0, 1, 0])
    #expect(try rewards(NumberRule(), ["1.2.3", "1..5"], answer: "3") == [1, 0])
    #expect(throws: RewardFailure.self) { try rewards(NumberRule(), ["1"], answer: "one") }
  }

  /// Doubles have sixteen digits, and answers more.
  @Test func everyDigitCounts() throws {
    let long = "12345678901234567891"
    let near = [
      "12345678901234567890", "12345678901234567891", "12,345,678,901,234,567,891",
      "1.2345678901234567891e19",
    ]
    #expect(try rewards(NumberRule(), near, answer: long) == [0, 1, 1, 1])
    #expect(try rewards(TableRule(), near, answer: long) == [0, 1, 0, 1])
    #expect(try rewards(JSONRule(.values), [near[0], near[1]], answer: long) == [0, 1])
    let odd = [
      "9007199254740993", "9007199254740992", "9007199254740992.0", "9.007199254740992E+15",
    ]
    for rule: any RewardRule in [NumberRule(), TableRule()] {
      #expect(try odd.map { try rule.reward(of: $0, to: prompt(odd[1])) } == [0, 1, 1, 1])
    }
    #expect(
      try rewards(NumberRule(), ["-0", "0.0", "0e7", "00", "1e-400"], answer: "0")
        == [1, 1, 1, 1, 0])
    #expect(
      try rewards(NumberRule(), ["0.50", "5e-1", "0.05e+1", "-.5"], answer: ".5") == [1, 1, 1, 0])
    // A tolerance is of doubles.
    #expect(try rewards(NumberRule(tolerance: 1e-12), [near[0]], answer: long) == [1])
  }

  /// `enum` holds values of every type, as JSON Schema has it.
  @Test func choicesHaveTypes() throws {
    func admits(_ choices: String, _ answers: [String]) throws -> [Double] {
      let document = try Document(text: "schema: {enum: \(choices)}", name: "run.yaml")
      let key = Key("schema", JSONSchema.expected, otherwise: "none", "")
      let schema = try #require(try document.table().optional(key))
      return try rewards(JSONRule(.fits(schema)), answers)
    }
    #expect(try admits("[1, 2]", ["1", "1.0", "\"1\"", "3"]) == [1, 1, 0, 0])
    #expect(
      try admits("[true, null]", ["true", "null", "\"true\"", "\"null\"", "1"]) == [1, 1, 0, 0, 0])
    #expect(try admits("[a, \"1\"]", ["\"a\"", "\"1\"", "1"]) == [1, 1, 0])
    #expect(try admits("[{a: 1, b: [x]}]", ["{\"b\":[\"x\"],\"a\":1}", "{\"a\":1}"]) == [1, 0])
    #expect(throws: ConfigurationError.self) { try admits("[]", ["1"]) }
  }

  /// Exported data write a value that is missing as null.
  @Test func nothingIsNoAnswer() throws {
    let prompt = TaskPrompt(text: "q", fields: .table([.init(key: "answer", value: .null)]))
    for rule: any RewardRule in [ExactRule(), JSONRule(.values), NumberRule(), TableRule()] {
      #expect(throws: RewardFailure.self) { try rule.reward(of: "null", to: prompt) }
    }
  }

  @Test func patternsMatchWholeOrAnywhere() throws {
    let whole = try #require(PatternRule(pattern: "a|ab"))
    #expect(try rewards(whole, ["a", "ab", "abc", "xa"]) == [1, 1, 0, 0])
    let anywhere = try #require(PatternRule(pattern: "^\\d+,", extent: .anywhere))
    #expect(try rewards(anywhere, ["12,x", "x12,"]) == [1, 0])
    #expect(PatternRule(pattern: "(a") == nil)
    #expect(PatternRule(pattern: "a)(b") == nil)
    #expect(PatternRule(pattern: String(repeating: "a", count: 5000)) == nil)
  }

  /// Patterns that would run for ever are given up after steps, not time: on any machine alike.
  @Test(arguments: ["(a+)+", "(a|a)*", "(a|aa)+", "(.*a){12}"])
  func patternsThatGoBackForEverAreGivenUp(pattern: String) throws {
    let rule = try #require(PatternRule(pattern: pattern))
    #expect(throws: RewardFailure.self) {
      try rewards(rule, [String(repeating: "a", count: 200) + "b"])
    }
  }

  @Test func jsonIsJudgedByDegrees() throws {
    let answer = #"{"a":2,"b":[1,{"c":null}]}"#
    let completions = [
      answer, #" {"b": [1, {"c": null}], "a": 2.0} "#, #"{"a":3,"b":[5,{"c":1}]}"#,
      #"{"a":2,"b":[1,{"c":null}],"d":1}"#, #"{"a":2,"b":[1,{"c":null}]"#, #"{"a":2}"#,
    ]
    #expect(try rewards(JSONRule(.parses), completions) == [1, 1, 1, 1, 0, 1])
    #expect(try rewards(JSONRule(.values), completions, answer: answer) == [1, 1, 0, 0, 0, 0])
    #expect(try rewards(JSONRule(.order), completions, answer: answer) == [1, 0, 1, 0, 0, 0])
    #expect(throws: RewardFailure.self) { try rewards(JSONRule(.values), ["1"], answer: "{") }
    // Beyond 2^53 whole numbers are more than Double tells apart.
    let large = ["9007199254740993", "9007199254740992"]
    #expect(try rewards(JSONRule(.values), large, answer: large[0]) == [1, 0])
  }

  /// RFC 8259, section 6.
  @Test func jsonNumbersAreThoseOfTheStandard() throws {
    let good = ["0", "-0", "10", "1.50", "1e5", "1E+5", "-0.5e-3", "[0,1]"]
    let bad = ["01", "+1", "1.", ".5", "-", "1e", "1e+", "--1", "0x1", "NaN", "Infinity", "1 2"]
    #expect(try rewards(JSONRule(.parses), good) == good.map { _ in 1 })
    #expect(try rewards(JSONRule(.parses), bad) == bad.map { _ in 0 })
  }

  @Test func tablesAreEqualCellByCell() throws {
    let completions = [
      "a,b\n1,2", "| a | b |\n|---|:-:|\n| 1 | 2.0 |", "a\tb\n1\t2\n", "a,b\n2,1", "a,b",
      "b,a\n2,1",
      "a,b,\n1,2", "a,b\n1,2\n1,2",
    ]
    #expect(
      try rewards(TableRule(), completions, answer: "a,b\n1,2") == [1, 1, 1, 0, 0, 0, 0, 0])
    // Quotes of CSV are no part of a cell, and a separator within them is.
    let quoted = ["\"a\",b\n\"1\",2", "a,\"b\"\n1, \"2\"", "\"a,b\"\n1,2", "\"a,b\n1,2"]
    #expect(try rewards(TableRule(), quoted, answer: "a,b\n1,2") == [1, 1, 0, 0])
    let texts = ["\"say \"\"a, b\"\"\",1", "say \"a, b\",1"]
    #expect(try rewards(TableRule(), texts, answer: texts[0]) == [1, 0])
    // A row of dashes is a row, but for the line below a Markdown table's head.
    let dashes = ["| a | b |\n|---|---|\n| - | - |", "| a | b |\n|---|---|"]
    #expect(try rewards(TableRule(), dashes, answer: "a,b\n-,-") == [1, 0])
  }

  @Test func tagsStandOnceAndInOrder() throws {
    let rule = TagsRule(tags: ["<t>", "</t>", "<a>", "</a>"])
    let completions = [
      "<t>x</t><a>1</a>", " <t></t> <a></a> ", "y<t>x</t><a>1</a>", "<t>x</t><a>1",
      "<a>1</a><t>x</t>", "<t><t>x</t><a>1</a>",
    ]
    #expect(try rewards(rule, completions) == [1, 1, 0, 0, 0, 0])
  }

  @Test func languageIsTheShareOfLetters() throws {
    let rule = LanguageRule(script: .cyrillic)
    #expect(try rewards(rule, ["три, 3!", "три ab", "abc", "12"]) == [1, 0.6, 0, 0])
    let own = LanguageRule()
    #expect(try own.reward(of: "επτά", to: prompt("", script: "greek")) == 1)
    #expect(throws: RewardFailure.self) {
      try own.reward(of: "a", to: prompt("", script: "klingon"))
    }
    #expect(throws: RewardFailure.self) { try own.reward(of: "a", to: prompt("")) }
    #expect(try rewards(LanguageRule(script: .japanese), ["これは本"]) == [1])
    #expect(try rewards(LanguageRule(script: .chinese), ["これは本"]) == [0.25])
  }

  @Test func lengthIsCountedInCharacters() throws {
    // With as many beyond the maximum as the slack nothing is left.
    let rule = LengthRule(minimum: 2, maximum: 4, slack: 4)
    #expect(
      try rewards(rule, ["ä", "äöüß", "12345", "1234567", "12345678", "123456789"])
        == [0, 1, 0.75, 0.25, 0, 0])
    #expect(try rewards(LengthRule(maximum: 1), ["", "1", "12"]) == [1, 1, 0])
  }
}
