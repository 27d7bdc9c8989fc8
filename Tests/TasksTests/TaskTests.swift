import Documents
import Tasks
import TestSupport
import Testing

@Suite struct TaskTests {
  /// Every task in every tier.
  static let cases = TaskKind.allCases.flatMap { kind in TaskKind.tiers.map { (kind, $0) } }

  private func data(
    _ kinds: [TaskKind], tier: Int = 1, seed: UInt64 = 3, count: Int = 60,
    _ change: (inout TaskData.Request) -> Void = { _ in }
  ) throws -> TaskData {
    var request = TaskData.Request(kinds: kinds)
    (request.tier, request.seed) = (tier, seed)
    for split in TaskSplit.allCases { request.counts[split] = count }
    change(&request)
    return try TaskData(request)
  }

  private func text(_ line: JSONValue, _ key: String) throws -> String {
    try #require(line[key]?.text)
  }

  /// Answers are computed here a second time, from the question's text alone.
  @Test(arguments: cases)
  func answersFollowFromTheQuestion(kind: TaskKind, tier: Int) throws {
    for question in kind.questions(40, for: .prompts, tier: tier, seed: 8) {
      let answer = try SolvedTask.answer(of: question.text, kind)
      #expect(answer == question.answer, "\(question.text)")
      #expect(question.text.hasSuffix("="))
    }
  }

  /// A right answer is graded as right and of the right form, one that is wrong on purpose as wrong.
  @Test(arguments: cases)
  func demonstrationsAreRightOrWrongAsAsked(kind: TaskKind, tier: Int) throws {
    let grader = TaskGrader(kind)
    for share in [0.0, 1.0] {
      let data = try data([kind], tier: tier) { $0.spoiled = share }
      let questions = try #require(data.questions[.demonstrations])
      for (question, line) in zip(questions, data.lines(of: .demonstrations)) {
        #expect(try text(line, "prompt") == question.text)
        let grade = grader.grade(try text(line, "completion"), of: question)
        #expect(grade.isRight == (share == 0), "\(line.compact)")
        if share == 0 { #expect(grade.isWellFormed, "\(line.compact)") }
      }
    }
  }

  @Test func sharesAreThoseAskedFor() throws {
    let data = try data([.digitSum], count: 1000) { $0.worked = 0.25 }
    let completions = try data.lines(of: .demonstrations).map { try text($0, "completion") }
    let worked = completions.count { !$0.hasPrefix("[]") }
    // Four standard deviations of 1,000 draws.
    #expect(abs(Double(worked) / 1000 - 0.25) < 4 * (0.25 * 0.75 / 1000).squareRoot())
    let half = try self.data([.jsonList], count: 1000)
    let questions = try #require(half.questions[.demonstrations])
    let grades = try zip(questions, half.lines(of: .demonstrations)).map { question, line in
      TaskGrader(.jsonList).grade(try text(line, "completion"), of: question)
    }
    #expect(abs(grades.count { $0.isRight } - 500) < 4 * 16)
    // Of what is wrong, some is no JSON at all.
    #expect((620...820).contains(grades.count { $0.isWellFormed }))
  }

  /// The same seed gives the same bytes, another one others; more lines begin with the same ones.
  @Test(arguments: TaskKind.allCases)
  func dataFollowFromTheSeed(kind: TaskKind) throws {
    let first = try data([kind])
    #expect(try data([kind]).lines(of: .demonstrations) == first.lines(of: .demonstrations))
    #expect(try data([kind], seed: 4).lines(of: .prompts) != first.lines(of: .prompts))
    let longer = try data([kind], count: 90).lines(of: .demonstrations)
    #expect(Array(longer[..<60]) == first.lines(of: .demonstrations))
  }

  /// No question is in two files, nor twice in one, whatever the seeds.
  @Test(arguments: TaskKind.allCases)
  func filesAreDisjoint(kind: TaskKind) throws {
    var texts: [TaskSplit: Set<String>] = [:]
    for seed in [UInt64(1), 2, 3] {
      let data = try data([kind], seed: seed)
      for split in TaskSplit.allCases {
        let own = try data.lines(of: split).map { try text($0, "prompt") }
        #expect(Set(own).count == 60)
        texts[split, default: []].formUnion(own)
      }
    }
    let suite = RuleSuite(kinds: [kind], tiers: [1], count: 100, seed: 9)
    texts[.heldOut, default: []].formUnion(suite.questions.map(\.text))
    for (one, other) in [
      (TaskSplit.demonstrations, TaskSplit.prompts), (.demonstrations, .heldOut),
      (.prompts, .heldOut),
    ] {
      #expect(texts[one, default: []].isDisjoint(with: texts[other, default: []]))
    }
  }

  @Test func tasksAreMixedEvenly() throws {
    let data = try data([.copy, .addition, .jsonMend], count: 100)
    let kinds = try data.lines(of: .prompts).map { try text($0, "task") }
    #expect(kinds.count { $0 == "copy" } == 34 && kinds.count { $0 == "json-mend" } == 33)
    #expect(Array(kinds[..<4]) == ["copy", "addition", "json-mend", "copy"])
  }

  @Test func moreThanThereIsIsRefused() throws {
    // Of 8,100 sums of two numbers of two digits.
    let error = #expect(throws: ConfigurationError.self) { try data([.addition], count: 8000) }
    #expect(error?.description.contains("addition has ") == true)
    var request = TaskData.Request(kinds: [.addition])
    request.counts = [.heldOut: 10, .prompts: 10]
    let most = try TaskData(request).questions[.demonstrations]?.count ?? 0
    #expect((2800...3200).contains(most))
  }

  /// Every character that a task may show has a token, in both tiers.
  @Test(arguments: TaskKind.allCases)
  func everyCharacterHasAToken(kind: TaskKind) throws {
    let data = try data([kind], tier: 2) { $0.spoiled = 0.5 }
    let json = try JSONValue(Array(data.tokenizer.json.utf8))
    let vocabulary = try #require(json["model"]?["vocab"]?.entries)
    let known = Set(vocabulary.map(\.key))
    #expect(vocabulary.map(\.value.number) == vocabulary.indices.map { $0 })
    #expect(vocabulary.count == data.tokenizer.vocabularySize)
    for tier in TaskKind.tiers {
      let data = try self.data([kind], tier: tier)
      for line in data.lines(of: .demonstrations) {
        for key in ["prompt", "completion"] {
          for scalar in try text(line, key).unicodeScalars {
            #expect(known.contains(String(scalar)), "\(line.compact)")
          }
        }
      }
    }
  }

  @Test func foldersAreWrittenOnce() throws {
    let folder = try ScratchFolder()
    let data = try data([.sortDigits])
    let path = folder.file("new/sort")
    try TaskFolder.write(data, to: path)
    for name in TaskFolder.names { #expect(try !contents(of: "\(path)/\(name)").isEmpty) }
    let prompts = try TaskPrompt.read("\(path)/held-out.jsonl")
    #expect(prompts.count == 60)
    let rule = ExactRule()
    let question = try #require(data.questions[.heldOut]?.first)
    #expect(try rule.reward(of: question.answer, to: prompts[0]) == 1)
    let before = try contents(of: "\(path)/prompts.jsonl")
    #expect(throws: (any Error).self) {
      try TaskFolder.write(try self.data([.sortDigits], seed: 9), to: path)
    }
    #expect(try contents(of: "\(path)/prompts.jsonl") == before)
  }
}
