import Documents
import Foundation
import TestSupport
import Testing
import Tokens

/// Conversations by chat templates, as transformers' `apply_chat_template` renders them.
@Suite struct ChatTemplateTests {
  private struct Case {
    var name: String
    var template: String
    var messages: [JSONValue]
    var isPrompt: Bool
    var tools: JSONValue
    /// nil where transformers gives an error.
    var text: String?
  }

  private static func cases(_ path: String) throws -> (all: [Case], tokens: [String: String]) {
    let value = try JSONValue(contents(of: path))
    let entries = try #require(value["tokens"]?.entries)
    let tokens = Dictionary(uniqueKeysWithValues: entries.map { ($0.key, $0.value.text ?? "") })
    let all = try #require(value["cases"]?.items).map { item in
      let template = try #require(item["template"]?.text)
      let conversation = try #require(item["conversation"]?.text)
      return Case(
        name: "\(template), \(conversation)",
        template: try #require(value["templates"]?[template]?.text),
        messages: try #require(value["conversations"]?[conversation]?.items),
        isPrompt: item["prompt"]?.flag == true, tools: item["tools"] ?? .null,
        text: item["text"]?.text)
    }
    return (all, tokens)
  }

  /// Every text is transformers'; what is an error there is one here, and so are printed lists.
  ///
  /// `CHAT_TEMPLATES=cases.json`, written by `cases.py FOLDER`, holds templates of one's own against it.
  @Test func textsAreThoseOfTransformers() throws {
    let own = ProcessInfo.processInfo.environment["CHAT_TEMPLATES"]
    let (all, tokens) = try Self.cases(own ?? fixture("chat-templates/cases.json"))
    var (equal, refused) = (0, 0)
    for item in all {
      let found = Result {
        try ChatTemplate(item.template, file: item.name, tokens: tokens)
          .text(of: item.messages, isPrompt: item.isPrompt, tools: item.tools)
      }
      switch (found, item.text) {
      case (.success(let text), let expected?):
        #expect(text.utf8.elementsEqual(expected.utf8), "\(item.name): \(text) ≠ \(expected)")
        equal += 1
      case (.success(let text), nil): Issue.record("\(item.name) is no error: \(text)")
      case (.failure(let error), let expected):
        // Python's way of writing lists as texts is not known here.
        let isKnown =
          own != nil || expected == nil || "\(error)".contains("of a list, which is not known")
        #expect(isKnown, "\(item.name): \(error)")
        if own != nil, expected != nil { print("not known: \(error)") }
        refused += 1
      }
    }
    if own == nil { #expect(equal > 70 && refused < 20) }
    print("\(equal) texts equal, \(refused) refused")
  }

  private static func link(_ part: String, _ count: Int) -> String {
    String(repeating: part, count: count)
  }

  /// What would end the program, fill its memory or never end is refused in one line with its place.
  @Test(arguments: [
    ("{{ 9223372036854775807 + 1 }}", 1, "too large"),
    ("\n{{ -9223372036854775807 - 2 }}", 2, "too large"),
    ("{{ 9223372036854775807 * 2 }}", 1, "too large"),
    ("{{ (-9223372036854775807 - 1) // -1 }}", 1, "too large"),
    ("{{ 9223372036854775808 }}", 1, "has the number"),
    ("{{ 1 // 0 }}", 1, "divides by 0"), ("{{ 1 % 0 }}", 1, "divides by 0"),
    ("{{ 1 / 0 }}", 1, "divides by 0"), ("{{ 1.5 / 0 }}", 1, "divides by 0"),
    ("{{ 1.5 // 0 }}", 1, "divides by 0"),
    ("{{ range(-9223372036854775807 - 1) }}", 1, "calls range"),
    ("{{ range(0, 5, 0) }}", 1, "calls range"),
    ("{{ 'abc'[::0] }}", 1, "steps of 0"), ("{{ [1][5].a }}", 1, "an item behind the last one"),
    ("{{ [][-9223372036854775807 - 1].a }}", 1, "an item behind the last one"),
    ("{{ 'a' * 1000000000 }}", 1, "a text * a number"),
    ("{{ \(link("1 + ", 5000))1 }}", 1, "operators"),
    ("{{ 1\(link("|int", 5000)) }}", 1, "operators"),
    ("{{ a\(link(".a", 5000)) }}", 1, "operators"), ("{{ a\(link("[0]", 5000)) }}", 1, "operators"),
    ("{{ 1\(link(" or 1", 5000)) }}", 1, "operators"),
    ("{{ 1\(link(" < 1", 5000)) }}", 1, "operators"),
    (
      "{{ \(link("[", 100))\(link("]", 100)) }}", 1, "nested too deeply"
    ),
    (
      "{% set n = namespace(x=[]) %}{% for a in range(9999) %}{% set n.x = [n.x] %}{% endfor %}", 1,
      "too deeply"
    ),
    (
      "{% set n = namespace(x=[1]) %}{% for a in range(99) %}{% set n.x = [n.x, n.x] %}{% endfor %}",
      1, "to an end"
    ),
    (
      "{% set n = namespace(x=[1]) %}{% for a in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}",
      1, "to an end"
    ),
    (
      "{% set n = namespace(x='ab') %}\n{% for a in range(99) %}{% set n.x = n.x ~ n.x %}"
        + "{% endfor %}", 2, "bytes"
    ),
    (
      "{% set n = namespace(x='aa') %}{% for a in range(99) %}"
        + "{% set n.x = n.x.replace('a', n.x) %}{% endfor %}", 1, "bytes"
    ),
    (
      "{% set n = namespace(x='ab') %}{% for a in range(20) %}{% set n.x = n.x + n.x %}{% endfor %}"
        + "{{ range(9999) | join(n.x) }}", 1, "bytes"
    ),
    (
      "{% for a in range(9999) %}{% for b in range(9999) if b < 0 %}x{% endfor %}{% endfor %}", 1,
      "to an end"
    ),
    ("{{ '\"'" + String(repeating: "|tojson", count: 40) + " }}", 1, "bytes"),
  ])
  func refusals(template: String, line: Int, words: String) throws {
    do throws(ConfigurationError) {
      let text = try ChatTemplate(template, file: "t.jinja").text(of: [], isPrompt: true)
      Issue.record("is known: \(text.prefix(40))")
    } catch {
      #expect(error.line == line, "\(error)")
      #expect("\(error)".contains(words), "\(error)")
    }
  }

  /// Whole numbers are Python's as long as 64 bits hold them: none goes by way of a `Double`, which has 53.
  @Test(arguments: [
    ("{{ 9007199254740993 + 0 }}", "9007199254740993"),
    ("{{ 9223372036854775806 + 1 }}", "9223372036854775807"),
    ("{{ 9223372036854775807 // 1 }}", "9223372036854775807"),
    ("{{ 9223372036854775807 % 10 }}", "7"),
    ("{{ 3037000499 * 3037000499 }}", "9223372030926249001"),
    ("{{ 9007199254740993 == 9007199254740992 }}", "False"),
    ("{{ 9007199254740993 > 9007199254740992 }}", "True"),
    ("{{ 9007199254740993 in [9007199254740992] }}", "False"),
    ("{{ -7 // 2 }} {{ -7 % 2 }} {{ 7 // -2 }} {{ 7 % -2 }}", "-4 1 -4 -1"),
    ("{{ (-9223372036854775807 - 1) % -1 }}", "0"),
    ("{{ -(-9223372036854775807) }}", "9223372036854775807"),
    ("{{ true + 1 }} {{ 1 == 1.0 }} {{ 2 == true }}", "2 True False"),
    ("{{ '9007199254740993' | int }}", "9007199254740993"),
    ("{{ 'abcdef'[::9223372036854775807] }}{{ 'abcdef'[::-9223372036854775807] }}", "af"),
  ])
  func wholeNumbersAreExact(template: String, text: String) throws {
    let found = try ChatTemplate(template, file: "t.jinja").text(of: [], isPrompt: true)
    #expect(found == text)
  }

  /// What is not known is refused in one line with its place.
  @Test(arguments: [
    ("a\n{% macro x() %}", 2, "tag macro"), ("{{ x | unheard }}", 1, "filter unheard"),
    ("{% if a %}", 1, "if without an end"), ("{% endfor %}", 1, "endfor"), ("{{ a ", 1, "tag"),
    ("{{ 'a }}", 1, "without an end"), ("\n\n{{ a.b.c }}", 3, "a, which is not defined"),
    ("{{ messages }}", 1, "only tojson"), ("{{ 'a' + 1 }}", 1, "a text + a number"),
    ("{{ raise_exception('no ' ~ 'way') }}", 1, "refuses the messages: no way"),
    ("{% set x.y = 1 %}", 1, "no namespace"), ("{{ strftime_now('%d') }}", 1, "strftime_now"),
    ("{% for a, b in [1] %}{% endfor %}", 1, "2 names"), ("{{ 1 // 0 }}", 1, "divides by 0"),
    ("{{ 'a'.format(1) }}", 1, "format"), ("{{ 1, 2 }}", 1, "brackets"), ("{{ a $ b }}", 1, "$"),
    (
      "{{ \(String(repeating: "(", count: 100))1\(String(repeating: ")", count: 100)) }}", 1,
      "nested too deeply"
    ),
    (
      "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}x{% endfor %}", 1,
      "to an end"
    ),
  ])
  func whatIsNotKnownIsRefused(template: String, line: Int, words: String) throws {
    let messages = [JSONValue.table([.init(key: "role", value: .string("user"))])]
    do throws(ConfigurationError) {
      let text = try ChatTemplate(template, file: "t.jinja").text(of: messages, isPrompt: true)
      Issue.record("is known: \(text.count)")
    } catch {
      #expect(error.line == line, "\(error)")
      #expect("\(error)".contains(words), "\(error)")
    }
  }
}

/// Demonstrations by the chat template beside a tokenizer.
@Suite struct ChatDemonstrationTests {
  let folder: ScratchFolder

  init() throws { folder = try ScratchFolder() }

  private static let template =
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }}[/INST]"
    + "{% else %} {{ m.content }}{{ eos_token }}{% endif %}{% endfor %}"

  /// A tokenizer of GPT-2's kind with a template's marks, in a folder with the template.
  private func tokenizer(_ template: String, asConfiguration: Bool) throws -> NamedTokenizer {
    let text = String(
      decoding: try contents(of: fixture("tokenizers/gpt2.json")), as: UTF8.self)
    let tokens = "\"bos_token\": {\"content\": \"<|endoftext|>\"}, \"eos_token\": \"<|endoftext|>\""
    let path = try folder.write(text, to: "tokenizer.json")
    let quoted = JSONValue.quoted(template)
    _ = try folder.write(
      asConfiguration ? "{\"chat_template\": \(quoted), \(tokens)}" : "{\(tokens)}",
      to: "tokenizer_config.json")
    if !asConfiguration { _ = try folder.write(template, to: "chat_template.jinja") }
    return try NamedTokenizer(named: path)
  }

  private func demonstrations(_ line: String, _ tokenizer: NamedTokenizer) throws -> Demonstrations
  {
    let path = try folder.write(line + "\n", to: "messages.jsonl")
    return try Demonstrations([path], length: 60, tokenizer: tokenizer.tokenizer, seed: nil)
  }

  private static let messages =
    #"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, "#
    + #"{"role": "user", "content": "c"}, {"role": "assistant", "content": "d"}]}"#

  /// The assistant's words and the end behind them are learnt, as the template writes them; one end is
  /// enough.
  @Test(arguments: [true, false]) func theTemplateIsUsed(asConfiguration: Bool) throws {
    let tokenizer = try tokenizer(Self.template, asConfiguration: asConfiguration)
    let made = try demonstrations(Self.messages, tokenizer)
    func tokens(_ text: String) throws -> [Int32] {
      try tokenizer.tokenizer.encode(Array(text.utf8)).map { Int32($0) }
    }
    let parts = [
      "<|endoftext|>[INST] a[/INST]", " b<|endoftext|>", "[INST] c[/INST]", " d<|endoftext|>",
    ]
    let all = try parts.map(tokens)
    let sequences = PackedSequences(made, length: 60)
    let marks = try #require(sequences.marks(0))
    try sequences.withSequence(0) { window in
      #expect(Array(window[..<all.joined().count]) == Array(all.joined()))
      let learnt = marks.isPredicted.indices.filter { marks.isPredicted[$0] }.map { window[$0 + 1] }
      #expect(learnt == all[1] + all[3])
      #expect(window[all.joined().count] == -1, "no second end")
    }
  }

  /// A template that thinks in front of the last answer alone gives a text for each answer, as the assistant
  /// is shown the conversation that leads to it.
  @Test func eachAnswerIsShownAsItIsAskedFor() throws {
    let template =
      "{% for m in messages %}{% if m.role == 'assistant' and loop.last %}(){% endif %}"
      + "{{ m.content }}{% endfor %}"
    let tokenizer = try tokenizer(template, asConfiguration: false)
    let made = try demonstrations(Self.messages, tokenizer)
    #expect(made.count == 2)
    let sequences = PackedSequences(made, length: 60)
    let end = Int32(try #require(tokenizer.tokenizer.endOfText))
    var expected: [Int32] = []
    var learnt: [Bool] = []
    for (question, answer) in [("a", "()b"), ("abc", "()d")] {
      let shown = try tokenizer.tokenizer.encode(Array(question.utf8)).map { Int32($0) }
      let said = try tokenizer.tokenizer.encode(Array(answer.utf8)).map { Int32($0) } + [end]
      expected += shown + said
      learnt += shown.map { _ in false } + said.map { _ in true }
    }
    let marks = try #require(sequences.marks(0))
    try sequences.withSequence(0) { window in
      #expect(Array(window[..<expected.count]) == expected)
      for position in 1..<expected.count {
        #expect(marks.isPredicted[position - 1] == learnt[position], "\(position)")
      }
    }
  }

  @Test func whatATemplateCannotDoIsSaid() throws {
    func refusal(_ template: String) throws -> String {
      let own = try tokenizer(template, asConfiguration: false)
      let error = #expect(throws: ConfigurationError.self) {
        try demonstrations(Self.messages, own)
      }
      return "\(try #require(error))"
    }
    let unknown = try refusal("a\n{% macro f() %}{% endmacro %}")
    #expect(unknown.contains("messages.jsonl:1") && unknown.contains("chat_template.jinja:2"))
    let asking =
      "{% for m in messages %}{{ m.content }}{% endfor %}"
      + "{% if add_generation_prompt %}?{% endif %}"
    #expect(try refusal(asking).contains("another way once the answer is there"))
    #expect(try refusal("{{ raise_exception('not today') }}").contains("not today"))
    // Prompts and completions need no template.
    let other = try tokenizer("{% macro f() %}", asConfiguration: false)
    #expect(try demonstrations(#"{"prompt": "a", "completion": "b"}"#, other).count == 1)
  }
}
