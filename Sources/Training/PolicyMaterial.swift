import Documents
import Runs
import Tasks
import Tokens

/// What a policy learns from: prompts that are answered, or completions that are there already.
public struct PolicyMaterial: Sendable {
  /// A prompt with its tokens.
  struct Prompt: Sendable {
    var task: TaskPrompt
    var tokens: [Int32]
    /// Whether its line has numbers, not a text.
    var isNumbers = false
  }

  /// Prompts of rollouts; empty where completions are given.
  let prompts: [Prompt]
  /// Prompts by which the policy is evaluated.
  let heldOut: [Prompt]
  /// Completions that are given, with their rewards.
  let given: [Completion]
  let tokenizer: Tokenizer
  /// The tokens that end a completion.
  let ends: Set<Int32>
  /// What tells it from other material.
  let identity: String
  /// What people should know of the files.
  let notices: [String]

  /// Reads the files of a run.
  ///
  /// - Throws: `ConfigurationError` with file, line and key.
  init(
    _ run: RunFile, _ settings: RunFile.PolicySettings, _ tokenizer: Tokenizer
  ) throws(ConfigurationError) {
    self.tokenizer = tokenizer
    let ends = try run.completionEnds(by: tokenizer)
    var notices: [String] = []
    func read(_ path: String?) throws(ConfigurationError) -> [Prompt] {
      guard let path else { return [] }
      let (prompts, notice) = try Self.prompts(path, run, settings, tokenizer, ends)
      notices += [notice].compactMap(\.self)
      return prompts
    }
    (prompts, heldOut) = (try read(settings.prompts), try read(settings.heldOut))
    self.notices = notices
    let kinds = Set((prompts + heldOut).map(\.isNumbers))
    self.ends = [(false, ends.ofTexts), (true, ends.ofNumbers)].filter { kinds.contains($0.0) }
      .reduce(into: Set<Int32>()) { $0.formUnion($1.1.all) }
    if settings.prompts != nil, self.ends.isEmpty {
      _ = try ends.ofTexts.required(in: settings.file)
    }
    if let path = settings.rollouts {
      given = try Self.completions(path, run, settings, tokenizer, ends)
    } else {
      given = []
    }
    var sum = Checksum()
    for prompt in prompts { prompt.tokens.withUnsafeBytes { sum.add($0) } }
    for completion in given {
      (completion.prompt + completion.tokens).withUnsafeBytes { sum.add($0) }
      withUnsafeBytes(of: completion.reward) { sum.add($0) }
    }
    identity =
      given.isEmpty
      ? "prompts \(prompts.count) \(sum.text)" : "completions \(given.count) \(sum.text)"
  }

  private static func prompts(
    _ path: String, _ run: RunFile, _ settings: RunFile.PolicySettings, _ tokenizer: Tokenizer,
    _ ends: CompletionEnds
  ) throws(ConfigurationError) -> ([Prompt], notice: String?) {
    var prompts: [Prompt] = []
    var unknown = UnknownCharacters(of: "prompts", in: path)
    for line in try JSONLines.read(path) {
      let prompt = try prompt(line, tokenizer, ends)
      let tokens = prompt.tokens
      try check(tokens, run, line)
      let whole = tokens.count + settings.maximumTokens
      guard whole <= run.plan.sequenceLength + 1 else {
        throw line.error(
          "has \(tokens.count) tokens; with grpo.max-tokens \(settings.maximumTokens) they exceed "
            + "plan.sequence-length \(run.plan.sequenceLength) by "
            + "\(whole - run.plan.sequenceLength - 1)", at: "prompt")
      }
      if !prompt.isNumbers { unknown.look(at: tokens, of: line, tokenizer) }
      prompts.append(prompt)
    }
    guard !prompts.isEmpty else { throw ConfigurationError(file: path, rule: "has no prompts") }
    try settings.rewards?.rewards.check(prompts.map(\.task), of: path)
    return (prompts, unknown.notice)
  }

  /// The prompt of a line: a text, a list of tokens, or messages as the tokenizer's models are shown them.
  private static func prompt(
    _ line: JSONLines.Line, _ tokenizer: Tokenizer, _ ends: CompletionEnds
  ) throws(ConfigurationError) -> Prompt {
    func task(_ tokens: [Int32]) -> TaskPrompt {
      let bytes = tokenizer.decode(tokens.map { Int($0) })
      return TaskPrompt(text: String(decoding: bytes, as: UTF8.self), line)
    }
    guard line.value["messages"] == nil else {
      guard line.value["prompt"] == nil else {
        throw line.error(
          "stands beside messages, and one of the two would be passed over: give one of them",
          at: "prompt")
      }
      let tokens = try Conversation(line, tokenizer, ends).prompt()
      return Prompt(task: task(tokens), tokens: tokens)
    }
    let tokens = try line.tokens("prompt", tokenizer)
    guard line.value["prompt"]?.items == nil else {
      return Prompt(task: task(tokens), tokens: tokens, isNumbers: true)
    }
    return Prompt(task: try TaskPrompt(line), tokens: tokens)
  }

  private static func completions(
    _ path: String, _ run: RunFile, _ settings: RunFile.PolicySettings, _ tokenizer: Tokenizer,
    _ ends: CompletionEnds
  ) throws(ConfigurationError) -> [Completion] {
    var completions: [Completion] = []
    for line in try JSONLines.read(path) {
      let number = completions.count
      let prompt = try line.tokens("prompt", tokenizer)
      let tokens = try line.tokens("completion", tokenizer)
      guard let reward = line.value["reward"]?.double, reward.isFinite else {
        throw line.error("expected a number", at: "reward")
      }
      guard abs(reward) <= Rewards.largest else {
        throw line.error("\(reward) must lie from -1e9 to 1e9", at: "reward")
      }
      try check(prompt, run, line)
      try check(tokens, run, line, at: "completion", mayBeEmpty: true)
      guard prompt.count + tokens.count <= run.plan.sequenceLength + 1 else {
        throw line.error(
          "has \(prompt.count + tokens.count) tokens, and plan.sequence-length "
            + "\(run.plan.sequenceLength) has room for \(run.plan.sequenceLength + 1)")
      }
      guard tokens.count <= settings.maximumTokens else {
        throw line.error(
          "has \(tokens.count) tokens, and grpo.max-tokens is \(settings.maximumTokens)",
          at: "completion")
      }
      if number % settings.group > 0, prompt != completions[number - 1].prompt {
        throw line.error(
          "differs from that of the line before, and grpo.group \(settings.group) lines share one",
          at: "prompt")
      }
      let isNumbers = line.value["completion"]?.items != nil
      let own = (isNumbers ? ends.ofNumbers : ends.ofTexts).all
      completions.append(
        Completion(
          promptNumber: number / settings.group, prompt: prompt, tokens: tokens,
          isEnded: tokens.last.map(own.contains) ?? false, reward: reward))
    }
    guard completions.count == run.plan.globalBatch else {
      throw ConfigurationError(
        file: path,
        rule: "has \(completions.count) completions, and plan.global-batch is "
          + "\(run.plan.globalBatch): an update takes all of them")
    }
    return completions
  }

  /// Refuses tokens that the model does not have.
  private static func check(
    _ tokens: [Int32], _ run: RunFile, _ line: JSONLines.Line, at key: String = "prompt",
    mayBeEmpty: Bool = false
  ) throws(ConfigurationError) {
    guard mayBeEmpty || !tokens.isEmpty else { throw line.error("must not be empty", at: key) }
    let vocabulary = run.model.architecture.vocabularySize
    if let token = tokens.first(where: { $0 >= vocabulary }) {
      throw line.error("its token \(token) is not one of the model's \(vocabulary)", at: key)
    }
  }
}
