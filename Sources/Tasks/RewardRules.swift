import Documents

/// The rules by their names, as run files write them.
public enum RewardRules {
  /// The names, in the order of the reference.
  public enum Name: String, CaseIterable, Sendable {
    case exact, number, pattern
    case parses = "json-parses"
    case fits = "json-fits"
    case values = "json-values"
    case order = "json-order"
    case table, tags, language, length
  }

  private static var keys: RewardKeys { RewardKeys() }

  /// The rule that a table describes, `{rule: number, tolerance: 1e-3}`; who calls finishes the table.
  ///
  /// - Throws: `ConfigurationError` that names the key.
  public static func rule(from table: Table) throws(ConfigurationError) -> any RewardRule {
    let command = try table.optional(keys.command)
    try refuseOthers(table, command == nil ? try table.optional(keys.rule) : nil)
    guard let name = try table.optional(keys.rule) else {
      guard let command else { throw table.error("names neither a rule nor a command") }
      return CommandRule(
        command: command, timeLimit: try table.value(keys.timeLimit),
        memoryLimit: try table.value(keys.memoryLimit),
        fileLimit: try table.value(keys.fileLimit),
        missing: CommandRule.missing(command[0]).map { table.error($0, at: keys.command) })
    }
    guard command == nil else {
      throw table.error("stands beside a rule; one of both judges", at: keys.command)
    }
    return try rule(named: name, arguments: table)
  }

  /// The keys that some rules have, each with these rules; those of a program have none.
  private static var owners: [(key: String, rules: [Name])] {
    let compared: [Name] = [.exact, .number, .values, .order, .table]
    let placed = compared + [.pattern, .parses, .fits]
    return [
      (keys.field.name, compared), (keys.after.name, placed), (keys.tag.name, placed),
      (keys.tolerance.name, [.number]), (keys.pattern.name, [.pattern]),
      (keys.match.name, [.pattern]), (keys.schema.name, [.fits]), (keys.tags.name, [.tags]),
      (keys.script.name, [.language]), (keys.minimum.name, [.length]),
      (keys.maximum.name, [.length]), (keys.slack.name, [.length]), (keys.timeLimit.name, []),
      (keys.memoryLimit.name, []), (keys.fileLimit.name, []),
    ]
  }

  /// Refuses keys that other rules have, or that a program has.
  ///
  /// - Parameter name: nil for a program.
  private static func refuseOthers(
    _ table: Table, _ name: Name?
  ) throws(ConfigurationError) {
    let written = table.keys
    for (key, rules) in owners where written.contains(key) {
      if let name, rules.contains(name) { continue }
      if name == nil, rules.isEmpty { continue }
      let whose =
        rules.isEmpty ? "a command" : "the rule \(rules.map(\.rawValue).joined(separator: ", "))"
      throw table.error(
        "has no effect on \(name.map { "the rule \($0.rawValue)" } ?? "a command"): it is of \(whose)",
        at: key)
    }
  }

  /// A rule by its name, with what else its table says.
  public static func rule(
    named name: Name, arguments table: Table
  ) throws(ConfigurationError) -> any RewardRule {
    switch name {
    case .exact: return ExactRule(field: try table.value(keys.field), place: try place(table))
    case .number:
      return NumberRule(
        field: try table.value(keys.field), place: try place(table),
        tolerance: try table.value(keys.tolerance))
    case .pattern: return try pattern(table)
    case .parses: return JSONRule(.parses, place: try place(table))
    case .fits:
      guard let schema = try table.optional(keys.schema) else {
        throw missing(keys.schema, name, table)
      }
      return JSONRule(.fits(schema), place: try place(table))
    case .values:
      return JSONRule(.values, field: try table.value(keys.field), place: try place(table))
    case .order:
      return JSONRule(.order, field: try table.value(keys.field), place: try place(table))
    case .table: return TableRule(field: try table.value(keys.field), place: try place(table))
    case .tags:
      guard let tags = try table.optional(keys.tags) else { throw missing(keys.tags, name, table) }
      guard Set(tags).count == tags.count, !tags.contains("") else {
        throw table.error("must be texts that differ: each is to stand there once", at: keys.tags)
      }
      return TagsRule(tags: tags)
    case .language: return LanguageRule(script: try table.optional(keys.script))
    case .length: return try length(table)
    }
  }

  private static func missing<Value>(
    _ key: Key<Value>, _ name: Name, _ table: Table
  ) -> ConfigurationError {
    table.error("the rule \(name.rawValue) needs it", at: key)
  }

  private static func place(_ table: Table) throws(ConfigurationError) -> AnswerPlace {
    let tag = try table.optional(keys.tag)
    if let tag, tag.isEmpty || tag.contains(where: { "<>/".contains($0) }) {
      throw table.error("is the tag's name alone, as answer for <answer>…</answer>", at: keys.tag)
    }
    return AnswerPlace(marker: try table.optional(keys.after), tag: tag)
  }

  private static func pattern(_ table: Table) throws(ConfigurationError) -> PatternRule {
    guard let pattern = try table.optional(keys.pattern) else {
      throw missing(keys.pattern, .pattern, table)
    }
    guard
      let rule = PatternRule(
        pattern: pattern, extent: try table.value(keys.match), place: try place(table))
    else {
      throw table.error(PatternRule.fault(of: pattern), at: keys.pattern)
    }
    return rule
  }

  private static func length(_ table: Table) throws(ConfigurationError) -> LengthRule {
    guard let maximum = try table.optional(keys.maximum) else {
      throw missing(keys.maximum, .length, table)
    }
    let minimum = try table.value(keys.minimum)
    guard minimum <= maximum else {
      throw table.error("is more than maximum, \(maximum)", at: keys.minimum)
    }
    return LengthRule(minimum: minimum, maximum: maximum, slack: try table.value(keys.slack))
  }
}
