import Documents

/// How a task's answers are judged by a program.
public struct TaskGrader: Sendable {
  private let kind: TaskKind
  // Made once: patterns take their time.
  private let rules: [any RewardRule]
  private let formRules: [any RewardRule]

  public init(_ kind: TaskKind) {
    self.kind = kind
    (rules, formRules) = (kind.rules, kind.formRules)
  }

  /// What a rule says of a completion.
  public struct Grade: Hashable, Sendable {
    public var isRight: Bool
    /// The answer has the form that was asked for, right or wrong.
    public var isWellFormed: Bool
    /// The answer in a form in which equal ones are the same text; for votes.
    public var answer: String
  }

  /// Judges a completion; none is beyond judgement.
  ///
  /// What a model thought in front of `</think>` is no part of the answer, nor is a fence of Markdown
  /// around all of it.
  public func grade(_ completion: String, of question: TaskQuestion) -> Grade {
    precondition(question.kind == kind)
    let prompt = question.prompt
    let text = Self.bare(completion)
    // Tables in Markdown, or with 1.0 in place of 1, are right: they have a form that was asked for.
    let isRight = rules.hold(for: text, prompt)
    return Grade(
      isRight: isRight, isWellFormed: isRight || formRules.hold(for: text, prompt),
      answer: Self.canonical(kind.place.answer(in: text) ?? text))
  }

  private static func bare(_ completion: String) -> String {
    let thought = AnswerPlace.after("</think>").answer(in: completion)
    var lines = trimmed(thought ?? completion).replacing("\r\n", with: "\n").split(
      separator: "\n", omittingEmptySubsequences: false)
    if lines.count > 2, lines[0].hasPrefix("```"), lines[lines.count - 1] == "```" {
      lines = Array(lines[1..<(lines.count - 1)])
    }
    return lines.joined(separator: "\n")
  }

  private static func canonical(_ answer: String) -> String {
    (try? JSONValue(Array(answer.utf8)))?.compact ?? trimmed(answer)
  }
}

extension [any RewardRule] {
  /// Whether each rule gives a completion all that it can give.
  func hold(for completion: String, _ prompt: TaskPrompt) -> Bool {
    allSatisfy { (try? $0.reward(of: completion, to: prompt)) == 1 }
  }
}

extension TaskKind {
  var place: AnswerPlace { self == .digitSum ? .after("]") : .whole }

  /// What a right answer fulfils.
  public var rules: [any RewardRule] {
    switch self {
    case .digitSum: [ExactRule(place: place)]
    case .tableTranspose, .tableSort, .jsonTable: [TableRule()]
    case .jsonList, .jsonAdd, .jsonSort, .jsonMend: [JSONRule(.values), JSONRule(.order)]
    default: [ExactRule()]
    }
  }

  /// What an answer of the form that was asked for fulfils.
  var formRules: [any RewardRule] {
    switch self {
    case .jsonList, .jsonAdd, .jsonSort, .jsonMend: [JSONRule(.parses)]
    case .language: [LanguageRule()]
    default: [PatternRule(pattern: formPattern)].compactMap { $0 }
    }
  }

  private var formPattern: String {
    switch self {
    case .digitSum: #"\s*\[[0-4]*\][0-4]\s*"#
    case .addition, .sortDigits, .tableCell, .tableSum: #"\d+"#
    case .tableExtreme: "[w-z]"
    // Rows of as many cells as the head has, with two columns at least.
    case .tableTranspose, .tableSort:
      (2...5).map { #"(,[a-z]){\#($0 - 1)}(\n[a-z](,\d+){\#($0 - 1)})+"# }.joined(separator: "|")
    case .jsonTable:
      (2...3).map { #"[a-z](,[a-z]){\#($0 - 1)}(\n\d+(,\d+){\#($0 - 1)})+"# }.joined(separator: "|")
    default: "[a-z]+"
    }
  }

  /// The rules as a run file's list of rewards.
  public var rewardsText: String {
    switch self {
    case .digitSum: "[{rule: exact, answer-after: \"]\"}]"
    case .tableTranspose, .tableSort, .jsonTable: "[{rule: table}]"
    case .jsonList, .jsonAdd, .jsonSort, .jsonMend:
      // Held-out accuracy is that of the first rule.
      "[{rule: exact}, {rule: json-values, weight: 0.5}, {rule: json-order, weight: 0.5}]"
    default: "[{rule: exact}]"
    }
  }
}
