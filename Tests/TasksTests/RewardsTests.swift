import Documents
import Foundation
import Tasks
import TestSupport
import Testing

@Suite struct RewardsTests {
  private func rewards(_ list: String) throws -> Rewards {
    let document = try Document(text: "rewards:\n\(list)", name: "run.yaml")
    let table = try document.table()
    let rewards = try Rewards(
      reading: TableKey("rewards", RewardKeys(), list: true, "What judges."), of: table)
    try table.finish()
    return rewards
  }

  private func answers(_ completions: [String], to answer: String) -> [TaskAnswer] {
    completions.map { TaskAnswer(prompt: prompt(answer), completion: $0) }
  }

  @Test func weightsAreAppliedAndPartsKept() throws {
    let rewards = try rewards(
      """
        - {rule: json-parses, weight: 0.25}
        - {rule: json-values, weight: 2}
        - {rule: length, maximum: 9, weight: -1, name: short}
      """)
    #expect(rewards.parts.map(\.name) == ["json-parses", "json-values", "short"])
    let grades = rewards.grade(answers([#"{"a":1}"#, "[1]", "{", "0123456789"], to: #"{"a":1}"#))
    #expect(grades.totals == [1.25, -0.75, -1, 0])
    #expect(grades.parts == [[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 0]])
    #expect(grades.notices.isEmpty)
  }

  @Test func whatCannotBeJudgedCountsNothingWithANotice() throws {
    let rewards = try rewards("  - {rule: number}\n  - {rule: exact, weight: 3}\n")
    let grades = rewards.grade(answers(["one", "1"], to: "one"))
    #expect(grades.totals == [3, 0])
    #expect(grades.notices.count == 1)
    #expect(grades.notices[0].hasPrefix("rewards: number counts 0 for 2 of 2 completions: "))
  }

  /// A reward that sums and squares could not hold counts nothing, and the notice names its weight.
  @Test func rewardsAreOfBoundedSize() throws {
    struct Fixed: RewardRule {
      var reward: Double
      func reward(of completion: String, to prompt: TaskPrompt) -> Double { reward }
    }
    for (reward, weight, total) in [
      (1e308, 1000, 0), (-1e7, 1000, 0), (-1e6, 1000, -1e9), (1e10, 1e-3, 0),
    ] {
      let rewards = Rewards([.init(name: "mine", weight: weight, rule: Fixed(reward: reward))])
      let grades = rewards.grade(answers(["a"], to: "b"))
      #expect(grades.totals == [total] && grades.parts == [[total / weight]])
      #expect(grades.notices.count == (total == 0 ? 1 : 0))
      #expect(
        grades.notices.allSatisfy { $0.contains("with its weight \(weight), is beyond ±1e9") })
    }
  }

  /// Several reasons are told apart, with how often each came.
  @Test func everyReasonIsNamed() throws {
    let rewards = try rewards("  - {rule: number}\n")
    func answer(_ fields: String) throws -> TaskAnswer {
      TaskAnswer(
        prompt: TaskPrompt(text: "q", fields: try JSONValue(Array(fields.utf8))), completion: "1")
    }
    let notices = rewards.grade([
      try answer("{}"), try answer(#"{"answer":"one"}"#), try answer(#"{"answer":"one"}"#),
      try answer(#"{"answer":"1"}"#),
    ]).notices
    #expect(notices.count == 1)
    let reasons = try #require(notices.first).split(separator: ": ", maxSplits: 2)
    #expect(reasons[1] == "number counts 0 for 3 of 4 completions")
    let parts = reasons[2].split(separator: "; ")
    #expect(parts.count == 2 && parts[0].hasSuffix(" (2)") && parts[1].hasSuffix(" (1)"))
  }

  /// What was said is said again only for another reason, whoever has judged; numbers are those of all.
  @Test func whatFailsIsSaidOnce() throws {
    let rewards = try rewards("  - {rule: number}\n  - {rule: json-values}\n")
    func complaints(_ answer: String) throws -> RewardComplaints {
      var all = RewardComplaints()
      let own = rewards.grade(answers(["1", "2"], to: answer)).complaints
      // As from two ranks.
      for _ in 0..<2 { all.add(lines: Array(own.lines.utf8)) }
      return all
    }
    var said = Set<String>()
    let first = try complaints("one").notices(of: 4, besides: &said)
    #expect(first.count == 2, "\(first)")
    #expect(first[0].hasPrefix("rewards: number counts 0 for 4 of 4 completions: "), "\(first)")
    // Another text that is no number is no other reason.
    #expect(try complaints("two").notices(of: 4, besides: &said) == [])
    var others = RewardComplaints()
    others.add(
      rewards.grade([TaskAnswer(prompt: TaskPrompt(text: "q", fields: .table([])), completion: "1")]
      ).complaints)
    #expect(others.notices(of: 1, besides: &said).count == 2)
  }

  /// A rule whose field no prompt of a file has could judge nothing.
  @Test func aFieldThatNoPromptHasIsRefused() throws {
    let prompts = [
      prompt("1"), TaskPrompt(text: "q", fields: try JSONValue(Array(#"{"script":"latin"}"#.utf8))),
    ]
    try rewards("  - {rule: exact}\n  - {rule: language}\n").check(prompts, of: "p.jsonl")
    try rewards("  - {rule: json-parses}\n").check([prompts[1]], of: "p.jsonl")
    for (list, of, words) in [
      (
        "  - {rule: exact, field: label}", prompts,
        "run.yaml:2: rewards[0].field: \"label\": none of"
      ),
      ("  - {rule: table}", [prompts[1]], "none of the 1 prompts of p.jsonl has the field answer"),
      ("  - {rule: language}", [prompts[0]], "has the field script"),
    ] {
      let error = try #require(throws: ConfigurationError.self) {
        try rewards(list).check(of, of: "p.jsonl")
      }
      #expect("\(error)".contains(words), "\(error)")
    }
  }

  /// A program that is not there is found before a run starts, by file, line and key.
  @Test func aMissingProgramIsFoundBefore() throws {
    let folder = try ScratchFolder()
    let file = folder.file("text")
    try Data("no program".utf8).write(to: URL(filePath: file))
    for (name, rule) in [
      ("/nowhere/grade", "/nowhere/grade is not there"), (file, "is no program that may be run"),
      ("no-such-program-here", "is no program on the PATH"),
      (folder.path, "is no program that may be run"),
    ] {
      let rewards = try rewards("  - {rule: exact}\n  - {command: [\(name), x], name: own}\n")
      let error = try #require(throws: ConfigurationError.self) { try rewards.check() }
      #expect("\(error)".contains(rule) && "\(error)".contains("command"), "\(error)")
    }
    try rewards("  - {command: sh}\n  - {command: /bin/sh}\n").check()
  }

  @Test(arguments: [
    ("  - {rule: exakt}", "did you mean exact?"),
    ("  - {weight: 1}", "names neither a rule nor a command"),
    ("  - {rule: exact, command: ./p}", "stands beside a rule"),
    (
      "  - {rule: exact, tolerance: 1}",
      "run.yaml:2: rewards[0].tolerance: \"1\": has no effect on the rule exact: it is of the rule number"
    ),
    ("  - {rule: number, time-limit: 1}", "has no effect on the rule number: it is of a command"),
    ("  - {rule: exact, tolerence: 1}", "tolerence: unknown key"),
    ("  - {rule: pattern}", "the rule pattern needs it"),
    ("  - {rule: exact, answer-tag: <answer>}", "is the tag's name alone"),
    ("  - {rule: tags, tags: [a, a]}", "must be texts that differ"),
    ("  - {rule: pattern, pattern: '(a'}", "is not a regular expression: ( is not closed"),
    ("  - {rule: pattern, pattern: 'a)'}", "is not a regular expression: ) closes nothing"),
    ("  - {rule: pattern, pattern: '[(a'}", "is not a regular expression: [ is not closed"),
    ("  - {rule: pattern, pattern: '*a'}", "* has nothing in front of it to repeat"),
    ("  - {rule: pattern, pattern: 'a{2,1}'}", "is not a regular expression in ICU's syntax"),
    ("  - {rule: length, maximum: 1, minimum: 2}", "is more than maximum"),
    ("  - {rule: json-fits}", "the rule json-fits needs it"),
    ("  - {rule: json-fits, schema: {type: objekt}}", "did you mean object?"),
    ("  - {rule: json-fits, schema: {typ: object}}", "did you mean type?"),
    ("  - {rule: tags, tags: []}", "must have"),
    ("  - {rule: exact}\n  - {rule: exact}", "another rule is logged as exact"),
    ("  - {command: ./p, time-limit: 0}", "time-limit"),
    ("  - {command: ./p, field: x}", "has no effect on a command: it is of the rule exact, "),
    ("  []", "names no rule"),
    ("  - {rule: exact, weight: 0}\n  - {rule: number, weight: 0}", "nothing is rewarded"),
  ])
  func mistakesAreNamed(list: String, message: String) throws {
    let error = try #require(throws: ConfigurationError.self) { try rewards(list) }
    #expect("\(error)".contains(message), "\(error)")
    #expect("\(error)".hasPrefix("run.yaml:"), "\(error)")
  }

  @Test func schemasAdmitWhatTheySay() throws {
    let rewards = try rewards(
      """
        - rule: json-fits
          schema:
            type: object
            required: [name, tags]
            additionalProperties: false
            properties:
              name: {type: string, enum: [a, b]}
              age: {type: integer}
              tags: {type: array, maxItems: 2, items: {type: number}}
      """)
    let good = [
      #"{"name":"a","tags":[]}"#, #"{"tags":[1,2.5],"name":"b","age":1.0}"#,
    ]
    let bad = [
      #"{"name":"c","tags":[]}"#, #"{"name":"a"}"#, #"{"name":"a","tags":[1,2,3]}"#,
      #"{"name":"a","tags":["x"]}"#, #"{"name":"a","tags":[],"more":1}"#,
      #"{"name":"a","tags":[],"age":1.5}"#, "[]", "{",
    ]
    #expect(
      rewards.grade(answers(good + bad, to: "")).totals == good.map { _ in 1 } + bad.map { _ in 0 })
  }

  @Test func promptsAreReadByLine() throws {
    let folder = try ScratchFolder()
    let path = try folder.write(
      "{\"prompt\":\"2+2=\",\"answer\":4}\n\n{\"answer\":\"x\",\"prompt\":\"y\"}\n", to: "p.jsonl")
    let prompts = try TaskPrompt.read(path)
    #expect(prompts.map(\.text) == ["2+2=", "y"])
    #expect(prompts[0].fields["answer"] == .integer(4))
    #expect(try ExactRule().reward(of: "4", to: prompts[0]) == 1)
    for (text, message) in [
      ("{\"prompt\":\"a\"}\n{\"answer\":1}\n", ":2: prompt: required key is missing"),
      ("{\"prompt\":1}\n", ":1: prompt: expected a text"), ("[1]\n", ":1: expected a table"),
      ("{\"prompt\":\"a\"\n", ":1: lacks a comma or a closing brace, at byte 14"),
      ("\n", "no prompts"),
    ] {
      let broken = try folder.write(text, to: "broken.jsonl")
      let error = #expect(throws: ConfigurationError.self) { try TaskPrompt.read(broken) }
      #expect(error?.description.contains(message) == true, "\(String(describing: error))")
    }
  }
}
