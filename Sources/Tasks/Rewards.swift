import Documents

/// The rules of a run with their weights: what a completion is worth.
public struct Rewards: Sendable {
  /// A rule under the name that logs have for it.
  public struct Part: Sendable {
    public let name: String
    public let weight: Double
    public let rule: any RewardRule
    /// How the run file describes the rule, to tell it from another one: `{rule: exact, answer-after: ]}`.
    public let text: String

    public init(name: String, weight: Double = 1, rule: any RewardRule, text: String = "") {
      (self.name, self.weight, self.rule, self.text) = (name, weight, rule, text)
    }
  }

  /// The rules in the order of the file.
  public let parts: [Part]

  /// What a reward may come to in size, by itself and times its weight.
  ///
  /// Sums over rules and groups, and the squares of their distances, are then numbers in 64 bits, and advantages
  /// without a divisor numbers in 32.
  public static let largest = 1e9

  /// - Precondition: there is a rule, and no name is twice.
  public init(_ parts: [Part]) {
    precondition(!parts.isEmpty && Set(parts.map(\.name)).count == parts.count)
    self.parts = parts
  }

  /// Reads the list of rules under a key; who calls finishes the table around it.
  ///
  /// - Throws: `ConfigurationError` for a list without rules, a rule that is none, two that would be
  ///   logged alike, or no rule with a weight.
  public init(
    reading list: TableKey<RewardKeys>, of table: Table
  ) throws(ConfigurationError) {
    let tables = try table.tables(list)
    guard !tables.isEmpty else { throw table.error("names no rule", at: list) }
    let keys = RewardKeys()
    var parts: [Part] = []
    for table in tables {
      let rule = try RewardRules.rule(from: table)
      let ruleName = try table.optional(keys.rule)?.rawValue
      let program = try table.optional(keys.command)?[0]
      let fallback = ruleName ?? program ?? ""
      let name = try table.value(keys.name, default: fallback)
      guard !parts.contains(where: { $0.name == name }) else {
        throw table.error(
          "another rule is logged as \(printable(name)): give one a name", at: keys.name)
      }
      parts.append(
        Part(
          name: name, weight: try table.value(keys.weight), rule: rule,
          text: table.flowText(without: [keys.name.name, keys.weight.name])))
    }
    guard parts.contains(where: { $0.weight != 0 }) else {
      throw table.error("no rule has a weight other than 0: nothing is rewarded", at: list)
    }
    self.parts = parts
  }

  /// Refuses rules that could judge nothing on this machine: programs that are not there.
  ///
  /// - Throws: `ConfigurationError` that names file, line and key of the first of them.
  public func check() throws(ConfigurationError) {
    for part in parts {
      if let missing = (part.rule as? CommandRule)?.missing { throw missing }
    }
  }

  /// The rules with their weights, on one line.
  public var text: String {
    parts.map { "\($0.weight) × \($0.name) \($0.text)" }.joined(separator: ", ")
  }

  /// Whether a program judges, which takes as long as it wants to.
  public var haveCommands: Bool { parts.contains { $0.rule is CommandRule } }

  /// The same rules, whose programs are ended as soon as nobody waits for them any more.
  public func stopping(when isStopped: @escaping @Sendable () -> Bool) -> Rewards {
    Rewards(
      parts.map { part in
        guard var rule = part.rule as? CommandRule else { return part }
        rule.isStopped = isStopped
        return Part(name: part.name, weight: part.weight, rule: rule, text: part.text)
      })
  }

  /// Judges answers; one that a rule cannot judge has 0 of it.
  public func grade(_ answers: [TaskAnswer]) -> RewardGrades {
    var grades = RewardGrades(
      totals: [Double](repeating: 0, count: answers.count), parts: [], notices: [])
    for part in parts {
      var failures: [RewardFailure] = []
      let values = part.rule.rewards(of: answers).map { result -> Double in
        switch result {
        case .success(let value) where !value.isFinite:
          failures.append(RewardFailure("the reward is not a number"))
        case .success(let value) where max(abs(value), abs(part.weight * value)) > Self.largest:
          failures.append(
            RewardFailure("the reward, or with its weight \(part.weight), is beyond ±1e9"))
        case .success(let value): return value
        case .failure(let failure): failures.append(failure)
        }
        return 0
      }
      precondition(values.count == answers.count)
      for (index, value) in values.enumerated() { grades.totals[index] += part.weight * value }
      grades.parts.append(values)
      if !failures.isEmpty {
        grades.notices.append(
          "rewards: \(printable(part.name)) counts 0 for \(failures.count) of \(answers.count) "
            + "completions: \(Self.reasons(failures))")
      }
    }
    return grades
  }

  /// The reasons that a notice names at most.
  private static let mostReasons = 4

  /// The reasons of failures, the most frequent first, with their numbers where there are several.
  private static func reasons(_ failures: [RewardFailure]) -> String {
    var counts: [(reason: RewardFailure, count: Int)] = []
    var places: [RewardFailure: Int] = [:]
    for failure in failures {
      if let place = places[failure] {
        counts[place].count += 1
      } else {
        places[failure] = counts.count
        counts.append((failure, 1))
      }
    }
    if counts.count == 1 { return printable(counts[0].reason.description, atMost: 400) }
    let order = counts.indices.sorted { (-counts[$0].count, $0) < (-counts[$1].count, $1) }
    var words = order.prefix(mostReasons).map { place in
      "\(printable(counts[place].reason.description, atMost: 400)) (\(counts[place].count))"
    }
    if order.count > mostReasons { words.append("\(order.count - mostReasons) other reasons") }
    return words.joined(separator: "; ")
  }
}

/// What rules gave to some answers.
public struct RewardGrades: Hashable, Sendable {
  /// One weighted sum for each answer.
  public var totals: [Double]
  /// For each rule, in its order, one reward without weight for each answer.
  public var parts: [[Double]]
  /// One line for each rule that could not judge some answers: how many, and why.
  public var notices: [String]
}
