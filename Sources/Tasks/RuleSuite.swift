import Documents
import Quantities

/// Questions of many tasks to compare models by: generated from a seed, graded by program.
///
/// All are held out: no folder of `TaskData` has one of them among what is trained on.
public struct RuleSuite: Sendable {
  /// The questions, task by task, of each the easier tier first.
  public let questions: [TaskQuestion]
  public let seed: UInt64

  /// - Parameter count: questions of each task and tier; fewer where a task has no more.
  public init(
    kinds: [TaskKind] = TaskKind.allCases, tiers: [Int] = Array(TaskKind.tiers), count: Int,
    seed: UInt64
  ) {
    precondition(!kinds.isEmpty && !tiers.isEmpty && count > 0)
    self.seed = seed
    questions = kinds.flatMap { kind in
      tiers.flatMap { kind.questions(count, for: .heldOut, tier: $0, seed: seed) }
    }
  }

  /// The name of a question in files, which no question of another seed has: `json-list-1-seed0-003`.
  func name(of index: Int) -> String {
    let question = questions[index]
    let first = questions.firstIndex { $0.kind == question.kind && $0.tier == question.tier } ?? 0
    let number = String(index - first + 1)
    let padding = String(repeating: "0", count: max(0, 3 - number.count))
    return "\(question.kind.rawValue)-\(question.tier)-seed\(seed)-\(padding)\(number)"
  }

  /// The questions as lines for a model that lives elsewhere; without the answers.
  public func lines(instructing: Bool) -> [JSONValue] {
    questions.indices.map { index in
      .table([
        .init(key: "id", value: .string(name(of: index))),
        .init(
          key: "prompt",
          value: .string(questions[index].prompt(instructing: instructing).text)),
      ])
    }
  }

  /// What came back for the questions: lines with `id`, `completion` and, if known, its number of
  /// `tokens`; several lines of one question are samples of it.
  ///
  /// - Returns: for each question its completions, none where no line has its name.
  /// - Throws: `ConfigurationError` for a line without them, or of another suite.
  public func answers(in path: String) throws(ConfigurationError) -> [[SuiteCompletion]] {
    var answers = [[SuiteCompletion]](repeating: [], count: questions.count)
    let names = questions.indices.map(name(of:))
    let places = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, $0) })
    for line in try JSONLines.read(path) {
      let name = try line.text("id")
      guard let place = places[name] else {
        throw ConfigurationError(
          file: path, line: line.number, keyPath: "id", value: name,
          rule:
            "is none of the \(names.count) questions of seed \(seed): give the options that they "
            + "were written with", suggestion: nearestName(to: name, among: names))
      }
      var tokens: Int?
      if let value = line.value["tokens"] {
        guard let number = value.number, number >= 0 else {
          throw line.error("expected a whole number", at: "tokens")
        }
        tokens = number
      }
      answers[place].append(.init(text: try line.text("completion"), tokens: tokens))
    }
    guard answers.contains(where: { !$0.isEmpty }) else {
      throw ConfigurationError(file: path, rule: "has no answers")
    }
    return answers
  }
}

/// One completion of a question.
public struct SuiteCompletion: Hashable, Sendable {
  public var text: String
  /// How many tokens it took, the one that ends it included; nil where that is not known.
  public var tokens: Int?

  public init(text: String, tokens: Int?) { (self.text, self.tokens) = (text, tokens) }
}
