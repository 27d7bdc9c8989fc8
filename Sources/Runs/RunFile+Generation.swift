import Documents
import Models
import Plans

extension RunFile {
  /// How a cluster makes the completions of a run: what a forecast of reinforcement learning reads.
  public struct GenerationSettings: Hashable, Sendable {
    /// The plan of one generator; the devices that generate are filled with them.
    public var generator: Plan
    /// Mean tokens of a completion, by step; at least one, in the order of their steps.
    public var lengths: [MeanLength]
    /// Standard deviation of the logarithm of a completion's length.
    public var spread: Double
    /// Tokens of a prompt.
    public var prompt: Int
    /// Completions that a data rank of a generator decodes at a time; nil for all that its caches hold.
    public var places: Int?
    /// The share of a device's memory that a generator takes.
    public var memoryShare: Double
    /// The probability that a drafted token is kept; nil where none are drafted.
    public var acceptance: Double?
    /// Seconds that judging the completions of a rollout takes beside.
    public var rewardSeconds: Double
    /// What of these the file does not say.
    public var defaults: [RolloutDefaults.Entry]

    /// Mean tokens of a completion at a step.
    public struct MeanLength: Hashable, Sendable {
      public var step: Int
      public var tokens: Double
    }

    /// Mean tokens of a completion in front of a step: on straight lines between those that are given,
    /// as at the ends beyond them.
    public func meanLength(atStep step: Double) -> Double {
      guard let above = lengths.firstIndex(where: { Double($0.step) > step }) else {
        return lengths[lengths.count - 1].tokens
      }
      guard above > 0 else { return lengths[0].tokens }
      let (from, to) = (lengths[above - 1], lengths[above])
      let share = (step - Double(from.step)) / Double(to.step - from.step)
      return from.tokens + share * (to.tokens - from.tokens)
    }
  }
}

/// The keys of `grpo.generation`.
struct GenerationKeys: KeySet {
  let generator = EitherKey(
    Key(
      "generator", .text("name or path of a plan"),
      "The plan of one generator; all devices of the run are filled with them."), NoKeys())
  let lengths = EitherKey(
    Key(
      "lengths", .number(in: 1...1e7),
      "Tokens of a completion in the mean, those that are cut at max-tokens among them; in a list by step, "
        + "with straight lines between."),
    MeanLengthKeys(), list: true)
  let spread = Key(
    "spread", .number(in: 0...4), default: RolloutDefaults.spread,
    "Standard deviation of the logarithm of a completion's length; nobody publishes one.")
  let prompt = Key(
    "prompt-tokens", .integer(in: 1...(1 << 20)), default: RolloutDefaults.promptTokens,
    "Tokens of a prompt in the mean.")
  let places = Key(
    "places", .integer(in: 1...(1 << 16)), otherwise: "all that fit",
    "Completions that a data rank of a generator decodes at a time.")
  let memoryShare = Key(
    "memory-share", .number(in: 0.01...1), default: RolloutDefaults.memoryShare,
    "The share of a device's memory that a generator takes.")
  let acceptance = Key(
    "acceptance", .number(in: 0...1), otherwise: "none are drafted",
    "The probability that a token which prediction modules draft is kept.")
  let rewardSeconds = Key(
    "reward-seconds", .number(in: 0...1e6), default: RolloutDefaults.rewardSeconds,
    "Seconds that judging the completions of a rollout takes beside.")
}

/// The keys of `grpo.generation.lengths` as a list.
struct MeanLengthKeys: KeySet {
  let step = Key("step", .integer(in: 0...(1 << 40)), "Updates done before, of this phase.")
  let mean = Key("mean", .number(in: 1...1e7), "Tokens of a completion in the mean there.")
}

extension RunReader {
  /// What a forecast reads; nil where the file says nothing of it.
  ///
  /// - Parameters:
  ///   - policy: the table `grpo`.
  ///   - maximumTokens: where a completion ends at the latest.
  func readGeneration(
    _ policy: Table, maximumTokens: Int
  ) throws(ConfigurationError) -> RunFile.GenerationSettings? {
    let keys = keys.policy.generation
    guard let part = try policy.optionalTable(keys) else { return nil }
    let lengths = try readLengths(part)
    for length in lengths where length.tokens >= 0.999 * Double(maximumTokens) {
      throw part.error(
        "\(length.tokens) must lie below grpo.max-tokens, \(maximumTokens), where completions end",
        at: keys.lengths.plain)
    }
    return RunFile.GenerationSettings(
      generator: try readGenerator(part), lengths: lengths, spread: try part.value(keys.spread),
      prompt: try part.value(keys.prompt), places: try part.optional(keys.places),
      memoryShare: try part.value(keys.memoryShare),
      acceptance: try part.optional(keys.acceptance),
      rewardSeconds: try part.value(keys.rewardSeconds),
      defaults: RolloutDefaults.Entry.allCases.filter { !part.contains($0, keys) })
  }

  private func readGenerator(_ part: Table) throws(ConfigurationError) -> Plan {
    switch try part.either(keys.policy.generation.generator) {
    case .table(let table):
      return try Plan.read(table, name: "generator", folder: folder, serves: true)
    case .plain(let name):
      let isFile = name.hasSuffix(".yaml") || name.contains("/")
      return try Plan.named(isFile ? resolved(name) : name, serves: true)
    default: preconditionFailure("a generator must be there")
    }
  }

  private func readLengths(
    _ part: Table
  ) throws(ConfigurationError) -> [RunFile.GenerationSettings.MeanLength] {
    let key = keys.policy.generation.lengths
    let tables: [Table]
    switch try part.either(key) {
    case .plain(let mean): return [.init(step: 0, tokens: mean)]
    case .table(let table): tables = [table]
    case .tables(let list): tables = list
    case nil: preconditionFailure("lengths must be there")
    }
    var lengths: [RunFile.GenerationSettings.MeanLength] = []
    for table in tables {
      let step = try table.required(key.step)
      guard step > lengths.last?.step ?? -1 else {
        throw table.error("must lie behind the step before", at: key.step)
      }
      lengths.append(.init(step: step, tokens: try table.required(key.mean)))
    }
    guard !lengths.isEmpty else { throw part.error("must have an item", at: key.plain) }
    return lengths
  }
}

extension Table {
  /// Whether the file says what otherwise has a default.
  fileprivate func contains(_ value: RolloutDefaults.Entry, _ keys: TableKey<GenerationKeys>)
    -> Bool
  {
    switch value {
    case .promptTokens: has(keys.prompt)
    case .spread: has(keys.spread)
    case .memoryShare: has(keys.memoryShare)
    case .rewardSeconds: has(keys.rewardSeconds)
    }
  }

  private func has<Value>(_ key: Key<Value>) -> Bool {
    field(key.name).map { !$0.isNull } ?? false
  }
}
