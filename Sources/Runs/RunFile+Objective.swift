import Documents
import Tasks

extension RunFile {
  /// What a run's steps lower.
  public enum Objective: String, Hashable, Sendable, CaseIterable {
    /// The cross-entropy of every token of a text.
    case language
    /// The cross-entropy of completions alone, given their prompts.
    case demonstrations
    /// GRPO: rewards of completions that the model makes itself.
    case grpo
  }

  /// Reinforcement learning by groups of completions (DeepSeekMath, arXiv 2402.03300, section 4.1).
  public struct PolicySettings: Hashable, Sendable {
    /// The file of prompts; nil where the completions are given.
    public var prompts: String?
    /// Prompts by which the policy is evaluated.
    public var heldOut: String?
    /// A file of completions with their rewards, in place of prompts.
    public var rollouts: String?
    /// `bytes`, or the path of a `tokenizer.json`; nil where the run does not say it.
    public var tokenizer: String?
    /// What completions are worth; nil where they are given with their rewards.
    public var rewards: RewardSettings?
    /// Completions of one prompt.
    public var group: Int
    public var loss: PolicyLoss
    /// The share of probability that the candidates for a token must reach together.
    public var topShare: Double
    /// Tokens of a completion at most, the one that ends it among them.
    public var maximumTokens: Int
    public var advantage: AdvantageScale
    public var normalisation: LossNormalisation
    /// How often all completions of a rollout are used.
    public var updatesPerRollout: Int
    /// Parts of a rollout, each of a global batch.
    public var minibatches: Int
    /// Updates after which the reference becomes the policy; nil for never.
    public var referenceRefresh: Int?
    /// How a cluster makes the completions, for forecasts; nil where the file says nothing of it.
    public var generation: GenerationSettings?

    /// Updates between two rollouts.
    public var updatesOfARollout: Int { updatesPerRollout * minibatches }

    /// The file that the run learns from.
    public var file: String { prompts ?? rollouts ?? "" }
  }
}

/// The rules of a run, told apart by the names and weights that logs have for them.
public struct RewardSettings: Hashable, Sendable {
  public let rewards: Rewards

  private var words: [String] { rewards.parts.map { "\($0.name) \($0.weight)" } }

  public static func == (a: RewardSettings, b: RewardSettings) -> Bool { a.words == b.words }

  public func hash(into hasher: inout Hasher) { hasher.combine(words) }
}

/// The keys of `grpo`.
struct PolicyKeys: KeySet {
  let prompts = Key(
    "prompts", .text("path"), otherwise: "rollouts",
    "Prompts, one JSON object a line: `prompt` (a text or a list of tokens) or `messages`, and what "
      + "rewards ask for, such as `answer`.")
  let heldOut = Key(
    "held-out", .text("path"), otherwise: "nothing is held out",
    "Prompts by which the policy is evaluated: a completion of each is sampled and judged.")
  let rollouts = TableKey(
    "rollouts", RolloutKeys(), otherwise: "prompts",
    "Completions that are there already, in place of prompts: one rollout.")
  let tokenizer = Key(
    "tokenizer", .text("bytes, or path of a tokenizer.json"),
    otherwise: "the model's, else bytes", "What makes tokens of text.")
  let group = Key(
    "group", .integer(in: 2...4096), default: 8,
    "Completions of one prompt, by whose mean their rewards are measured.",
    otherNames: ["num-generations"])
  let temperature = Key(
    "temperature", .number(in: 1e-3...1e3), default: 1,
    "What scores are divided by, in sampling and in training.")
  let topShare = Key(
    "top-p", .number(in: 1e-6...1), default: 1,
    "Choose among the fewest tokens whose probabilities reach this share.")
  let maximumTokens = Key(
    "max-tokens", .integer(in: 1...(1 << 20)), default: 64,
    "Tokens of a completion at most, the one that ends it among them.",
    otherNames: ["max-completion-length"])
  let rewards = TableKey(
    "rewards", RewardKeys(), list: true, otherwise: "those of rollouts",
    "What a completion is worth: the weighted sum of what rules give it.")
  let clip = Key(
    "clip",
    Expected.number(in: 0...1e3).map { [$0, $0] }
      .or(list: .list(of: .number(in: 0...1e3), count: 2...2)), default: [0.2, 0.2],
    "How far the ratio of probabilities may move, downwards and upwards: 1−a … 1+b.",
    otherNames: ["epsilon"])
  let beta = Key(
    "beta", .number(in: 0...1e3), default: 0.04,
    "The weight of the divergence from the reference; 0 for no reference.",
    otherNames: ["kl-coef"])
  let advantage = Key(
    "advantage", .choice(AdvantageScale.self), default: .standard,
    "What a reward's distance from its group's mean is divided by: the deviation with n−1 (std), with "
      + "n (population), nothing (none).")
  let normalise = Key(
    "normalise", .choice(LossNormalisation.self), default: .sequence,
    "Over what losses are meant: a completion's tokens and then completions, all tokens, or "
      + "max-tokens of every completion.", otherNames: ["loss-type"])
  let updates = Key(
    "updates-per-rollout", .integer(in: 1...1_000_000), default: 1,
    "How often all completions of a rollout are used.", otherNames: ["num-iterations"])
  let minibatches = Key(
    "minibatches", .integer(in: 1...100_000), default: 1,
    "Parts of a rollout, each of plan.global-batch completions; an update takes the next one.")
  let reference = TableKey(
    "reference", ReferenceKeys(), otherwise: "the model at the run's beginning",
    "The model that the policy is kept near.")
  let generation = TableKey(
    "generation", GenerationKeys(), otherwise: "an error in sluice forecast",
    "How a cluster makes the completions, for sluice forecast; training does not read it.")
}

/// The keys of `grpo.rollouts`.
struct RolloutKeys: KeySet {
  let file = Key(
    "file", .text("path"),
    "Completions, one JSON object a line: `prompt`, `completion` (texts or lists of tokens) and "
      + "`reward`; group lines that follow one another share a prompt.")
}

/// The keys of `grpo.reference`.
struct ReferenceKeys: KeySet {
  let refresh = Key(
    "refresh-every", .integer(in: 1...(1 << 40)),
    "Updates after which the reference becomes the policy.")
}
