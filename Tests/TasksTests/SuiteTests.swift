import Documents
import Tasks
import TestSupport
import Testing

@Suite struct SuiteTests {
  private let suite = RuleSuite(kinds: [.digitSum, .jsonList], tiers: [1, 2], count: 5, seed: 2)

  private func completions(_ texts: [String], tokens: Int? = 10) -> [SuiteCompletion] {
    texts.map { SuiteCompletion(text: $0, tokens: tokens) }
  }

  @Test func theSuiteFollowsFromItsSeed() {
    #expect(suite.questions.count == 20)
    let same = RuleSuite(kinds: [.jsonList], tiers: [2], count: 5, seed: 2)
    #expect(same.questions == Array(suite.questions[15...]))
    let other = RuleSuite(kinds: [.jsonList], tiers: [2], count: 5, seed: 3)
    #expect(Set(other.questions).isDisjoint(with: same.questions))
    #expect(suite.questions.allSatisfy { TaskSplit.of($0) == .heldOut })
  }

  /// Wilson's interval solves |p - x| = z sqrt(x (1 - x) / n) for its ends x.
  @Test(arguments: [1, 10, 97], [0.0, 0.1, 0.5, 0.93, 1.0])
  func intervalsAreWilsons(trials: Int, share: Double) {
    let estimate = ShareEstimate(share, of: trials)
    for end in [estimate.low, estimate.high] where end > 0 && end < 1 {
      let distance = abs(share - end)
      let deviation = (end * (1 - end) / Double(trials)).squareRoot()
      #expect(abs(distance - 1.959963984540054 * deviation) < 1e-12)
    }
    #expect(estimate.low <= share && share <= estimate.high && estimate.low < estimate.high)
  }

  /// A published example: 8 of 10 gives 0.490 to 0.943 (Wilson score without continuity correction).
  @Test func anIntervalByHand() {
    let estimate = ShareEstimate(0.8, of: 10)
    #expect(abs(estimate.low - 0.490162) < 1e-5 && abs(estimate.high - 0.943318) < 1e-5)
  }

  /// The share to which the first rule gives 1 is a run's accuracy: what a task's files suggest must not call right
  /// what the suite calls wrong.
  @Test(arguments: TaskKind.allCases) func theFirstRewardIsTheGraders(kind: TaskKind) throws {
    let document = try Document(text: "rewards: \(kind.rewardsText)", name: "run.yaml")
    let table = try #require(try document.table().field("rewards")?.items().first).table()
    let rule = try RewardRules.rule(from: table)
    let own = RuleSuite(kinds: [kind], tiers: [1, 2], count: 8, seed: 5)
    let grader = TaskGrader(kind)
    for question in own.questions {
      let right = kind == .digitSum ? "[]\(question.answer)" : question.answer
      var wrong = [String(right.dropLast()), right + "1", "x"]
      if case .table(let entries)? = try? JSONValue(Array(right.utf8)) {
        wrong.append(JSONValue.table(entries.reversed()).compact)
      }
      for text in [right] + wrong {
        let isRight = grader.grade(text, of: question).isRight
        let reward = try rule.reward(of: text, to: question.prompt)
        #expect((reward == 1) == isRight, "\(text)")
      }
    }
  }

  /// A right answer has a form that was asked for: tables in Markdown, with other ends of lines, or with 1.0.
  @Test func rightAnswersHaveAForm() throws {
    let tables = RuleSuite(kinds: [.tableTranspose], tiers: [1], count: 3, seed: 2)
    let grader = TaskGrader(.tableTranspose)
    for question in tables.questions {
      let rows = question.answer.split(separator: "\n").map {
        $0.split(separator: ",", omittingEmptySubsequences: false)
      }
      let lines = rows.map { "| \($0.joined(separator: " | ")) |" }
      let rule = "|" + String(repeating: "---|", count: rows[0].count)
      let markdown = ([lines[0], rule] + lines.dropFirst()).joined(separator: "\n")
      for text in [question.answer.replacing("\n", with: "\r\n"), markdown] {
        let grade = grader.grade(text, of: question)
        #expect(grade.isRight && grade.isWellFormed, "\(text)")
      }
      let ragged = grader.grade(question.answer + ",1", of: question)
      #expect(!ragged.isRight && !ragged.isWellFormed)
    }
  }

  @Test func scoresCountQuestions() throws {
    let questions = Array(suite.questions[..<3])
    let right = questions.map(\.answer)
    func wrong(_ answer: String) -> String { answer == "0" ? "1" : "0" }
    let score = SuiteScore(
      questions,
      [
        // Three of four right, one of no form.
        completions(["[]\(right[0])", "[0]\(right[0])", "[]\(right[0])", "x"]),
        // One of two right: the first of two votes wins, and it is wrong.
        completions(["[]\(wrong(right[1]))", "[]\(right[1])"]),
        [],
      ])
    #expect(score.questions == 3 && score.samples == 6)
    #expect(abs(score.right.share - (0.75 + 0.5) / 3) < 1e-12)
    #expect(abs(score.voted.share - 1.0 / 3) < 1e-12)
    #expect(abs(score.wellFormed.share - (0.75 + 1) / 3) < 1e-12)
    #expect(score.meanTokens == 10 && score.tokensPerRight == 15)
    let unknown = SuiteScore([questions[0]], [completions(["x"], tokens: nil)])
    #expect(unknown.meanTokens == nil && unknown.tokensPerRight == nil)
    #expect(SuiteScore([questions[0]], [completions(["x"])]).tokensPerRight == nil)
  }

  /// What is thought in front of an answer and a fence around it do not count; JSON counts by value.
  @Test func wrappingIsTakenOff() throws {
    let question = try #require(suite.questions.first { $0.kind == .jsonList })
    let grader = TaskGrader(.jsonList)
    let spaced = question.answer.replacing(",", with: ",  ").replacing(":", with: ": ")
    for text in [
      spaced, "```json\n\(spaced)\n```", "<think>{</think>\n\(question.answer)",
      "<think>\nx\n</think>\n```\n\(question.answer)\n```\n",
    ] {
      let grade = grader.grade(text, of: question)
      #expect(grade.isRight && grade.isWellFormed, "\(text)")
      #expect(grade.answer == question.answer)
    }
    #expect(!grader.grade("It is \(question.answer)", of: question).isRight)
  }

  @Test func questionsGoOutAndAnswersComeBack() throws {
    let folder = try ScratchFolder()
    let lines = suite.lines(instructing: true)
    #expect(lines.count == 20)
    #expect(lines[7]["id"] == .string("digit-sum-2-seed2-003"))
    #expect(lines[7]["prompt"]?.text?.hasSuffix("\n\n\(suite.questions[7].text)") == true)
    #expect(lines.allSatisfy { $0["answer"] == nil })
    let path = try folder.write(
      """
      {"id":"digit-sum-2-seed2-003","completion":"[]1","tokens":4}
      {"id":"json-list-1-seed2-001","completion":"{}"}
      {"id":"digit-sum-2-seed2-003","completion":"[]2"}

      """, to: "answers.jsonl")
    let answers = try suite.answers(in: path)
    #expect(answers[7].map(\.text) == ["[]1", "[]2"] && answers[7].map(\.tokens) == [4, nil])
    #expect(answers[10].map(\.text) == ["{}"])
    #expect(answers.count { $0.isEmpty } == 18)
    for (text, message) in [
      (
        "{\"id\":\"copy-1-seed2-001\",\"completion\":\"\"}", "is none of the 20 questions of seed 2"
      ),
      // The same questions of another seed are other ones.
      (
        "{\"id\":\"digit-sum-2-seed1-003\",\"completion\":\"\"}",
        ":1: id: \"digit-sum-2-seed1-003\": is none of the 20 questions of seed 2"
      ),
      (
        "{\"id\":\"digit-sum-2-seed1-003\",\"completion\":\"\"}",
        "did you mean digit-sum-2-seed2-003?"
      ),
      ("{\"id\":\"digit-sum-2-seed2-003\"}", ":1: completion: required key is missing"),
      (
        "{\"id\":\"digit-sum-2-seed2-003\",\"completion\":\"\",\"tokens\":-1}",
        ":1: tokens: expected"
      ),
      ("\n", "has no answers"),
    ] {
      let broken = try folder.write(text, to: "broken.jsonl")
      let error = #expect(throws: ConfigurationError.self) { try suite.answers(in: broken) }
      #expect(error?.description.contains(message) == true, "\(String(describing: error))")
    }
  }
}
