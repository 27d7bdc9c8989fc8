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
    /// What a run is refused with whose prompts lack the field that the rule needs; its rule is still to be said.
    let fieldError: ConfigurationError?

    public init(
      name: String, weight: Double = 1, rule: any RewardRule, text: String = "",
      fieldError: ConfigurationError? = nil
    ) {
      (self.name, self.weight, self.rule, self.text) = (name, weight, rule, text)
      self.fieldError = fieldError
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
          text: table.flowText(without: [keys.name.name, keys.weight.name]),
          fieldError: table.error(
            "", at: rule is LanguageRule ? keys.script.name : keys.field.name)))
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
        return Part(
          name: part.name, weight: part.weight, rule: rule, text: part.text,
          fieldError: part.fieldError)
      })
  }

  /// Judges answers; one that a rule cannot judge has 0 of it.
  public func grade(_ answers: [TaskAnswer]) -> RewardGrades {
    var grades = RewardGrades(
      totals: [Double](repeating: 0, count: answers.count), parts: [],
      complaints: RewardComplaints())
    for part in parts {
      func fail(_ failure: RewardFailure) -> Double {
        grades.complaints.add(part.name, failure)
        return 0
      }
      let judgement = part.rule.judgement(of: answers)
      let values = judgement.rewards.map { result -> Double in
        switch result {
        case .success(let value) where !value.isFinite:
          return fail(RewardFailure("the reward is not a number"))
        case .success(let value) where max(abs(value), abs(part.weight * value)) > Self.largest:
          return fail(
            RewardFailure("the reward, or with its weight \(part.weight), is beyond ±1e9"))
        case .success(let value): return value
        case .failure(let failure): return fail(failure)
        }
      }
      precondition(values.count == answers.count)
      for (index, value) in values.enumerated() { grades.totals[index] += part.weight * value }
      grades.parts.append(values)
      if let remark = judgement.remark { grades.complaints.add(part.name, remark, count: 0) }
    }
    return grades
  }

  /// Refuses a rule whose field none of a file's prompts has: it could judge nothing.
  ///
  /// - Throws: `ConfigurationError` that names file, line and key of the first of them.
  public func check(
    _ prompts: [TaskPrompt], of file: String
  ) throws(ConfigurationError) {
    for part in parts {
      guard let field = part.rule.neededField, var error = part.fieldError,
        !prompts.contains(where: { $0[field] != nil })
      else { continue }
      error.rule =
        "none of the \(prompts.count) prompts of \(file) has the field \(printable(field))"
      throw error
    }
  }
}

/// What rules gave to some answers.
public struct RewardGrades: Hashable, Sendable {
  /// One weighted sum for each answer.
  public var totals: [Double]
  /// For each rule, in its order, one reward without weight for each answer.
  public var parts: [[Double]]
  /// What rules could not judge, and why.
  public var complaints: RewardComplaints

  /// One line for each rule that could not judge some answers: how many, and why.
  public var notices: [String] {
    var said = Set<String>()
    return complaints.notices(of: totals.count, besides: &said)
  }
}
