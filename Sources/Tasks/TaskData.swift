import Documents

/// The files of a task, or of several mixed evenly: what a small model learns it from.
public struct TaskData: Sendable {
  /// What is made, and how much of it.
  public struct Request: Hashable, Sendable {
    public var kinds: [TaskKind]
    public var tier = 1
    public var seed: UInt64 = 0
    /// Questions in each file, of all kinds together; nil for the default, or fewer where a kind has no
    /// more.
    public var counts: [TaskSplit: Int] = [:]
    /// The share of demonstrations that are wrong on purpose; nil for each kind's own.
    public var spoiled: Double?
    /// The share of demonstrations with a scratchpad, of kinds that have one.
    public var worked = 0.5

    public init(kinds: [TaskKind]) { self.kinds = kinds }
  }

  /// What each file has where nobody asks for another number.
  public static let defaultCounts: [TaskSplit: Int] = [
    .demonstrations: 16_384, .prompts: 4096, .heldOut: 512,
  ]

  public let request: Request
  /// The questions of each file, the kinds by turns.
  public let questions: [TaskSplit: [TaskQuestion]]

  /// Draws the questions.
  ///
  /// - Throws: `ConfigurationError` where a kind has fewer questions than were asked for.
  public init(_ request: Request) throws(ConfigurationError) {
    precondition(!request.kinds.isEmpty && Set(request.kinds).count == request.kinds.count)
    self.request = request
    var all: [TaskSplit: [TaskQuestion]] = [:]
    for split in TaskSplit.allCases {
      let wanted = request.counts[split]
      let count = wanted ?? Self.defaultCounts[split] ?? 0
      var drawn: [[TaskQuestion]] = []
      for (index, kind) in request.kinds.enumerated() {
        // What does not divide evenly goes to the first.
        let part = (count + request.kinds.count - 1 - index) / request.kinds.count
        let questions = kind.questions(part, for: split, tier: request.tier, seed: request.seed)
        if wanted != nil, questions.count < part {
          throw ConfigurationError(
            file: "--\(split.rawValue) \(count)",
            rule: "\(kind.rawValue) has \(questions.count) different questions of tier "
              + "\(request.tier) for this file, and \(part) are asked of it")
        }
        drawn.append(questions)
      }
      all[split] = Self.byTurns(drawn)
    }
    questions = all
  }

  private static func byTurns(_ lists: [[TaskQuestion]]) -> [TaskQuestion] {
    (0..<(lists.map(\.count).max() ?? 0)).flatMap { index in
      lists.compactMap { index < $0.count ? $0[index] : nil }
    }
  }

  /// The lines of a file.
  public func lines(of split: TaskSplit) -> [JSONValue] {
    let questions = questions[split] ?? []
    guard split == .demonstrations else { return questions.map(\.prompt.line) }
    return questions.enumerated().map { index, question in
      .table([
        .init(key: "prompt", value: .string(question.text)),
        .init(key: "completion", value: .string(demonstration(of: question, index))),
      ])
    }
  }

  /// What a demonstration shows: mostly right, some wrong on purpose, some with a scratchpad.
  private func demonstration(of question: TaskQuestion, _ index: Int) -> String {
    var chance = TaskChance(seed: request.seed, purpose: "demonstrations", index: index)
    let isSpoiled = chance.unit() < request.spoiled ?? question.kind.defaultSpoiled
    let isWorked = chance.unit() < request.worked
    return isSpoiled
      ? question.spoiled(&chance) : question.completion(withWorking: isWorked)
  }

  /// A tokenizer with a token for every character of the kinds.
  public var tokenizer: CharacterTokenizer {
    CharacterTokenizer(characters: request.kinds.map(\.alphabet).joined())
  }
}

extension TaskKind {
  /// Of a task with a scratchpad nothing is wrong: half of the demonstrations do without it, and guess.
  public var defaultSpoiled: Double { self == .digitSum ? 0 : 0.5 }

  /// Every character that questions, answers and what is wrong on purpose may have, of both tiers.
  var alphabet: String {
    let digits = "0123456789"
    let letters = Self.letters.joined()
    switch self {
    case .digitSum: return digits + "+=[]"
    case .addition: return digits + "+="
    case .sortDigits: return digits + "<="
    case .tableCell, .tableExtreme, .tableSum, .tableTranspose, .tableSort:
      return digits + "abcdwxyz,\n?T<>+^="
    case .jsonList, .jsonTable, .jsonAdd, .jsonSort, .jsonMend:
      return digits + letters + "{}[]\":,\n+^~="
    case .copy: return letters + "\"="
    case .language:
      return digits + "= " + SpokenLanguage.all.map { $0.code + $0.digits.joined() }.joined()
    }
  }
}
