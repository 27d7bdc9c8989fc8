import Plans

/// A step of reinforcement learning with a group of answers to each question (GRPO).
public struct RolloutDescription: Hashable, Sendable {
  /// Where answers are generated.
  public enum Placement: Hashable, Sendable {
    /// On the devices that train, in front of training; optimizer state leaves them for that time.
    case colocated
    /// On so many devices of their own.
    case separate(devices: Int)
  }

  /// Questions of a step, and answers to each.
  public var questions: Int
  public var answers: Int
  /// Tokens of a question.
  public var prompt: Int
  /// How long answers are.
  public var lengths: LengthDistribution
  public var placement: Placement
  /// How many steps the weights that generate are behind those that are trained: 0 waits for them.
  public var stepsBehind = 0
  /// Updates of the weights that a step's answers are divided among.
  public var updates = 1
  /// Sequences that a data rank of a generator decodes at a time; nil for as many as its caches hold.
  public var places: Int?
  /// The share of a device's memory that weights and caches of a generator take.
  public var memoryShare = RolloutDefaults.memoryShare
  /// Whether a reference scores the answers, as a term of divergence from it needs.
  public var hasReference = true
  /// Seconds that judging all answers takes beside.
  public var rewardSeconds = RolloutDefaults.rewardSeconds
  /// The probability that a drafted token is kept; nil where none are drafted.
  public var acceptance: Double?
  public var seed: UInt64 = 1

  public init(
    questions: Int, answers: Int, prompt: Int, lengths: LengthDistribution,
    placement: Placement = .colocated
  ) {
    precondition(questions > 0 && answers > 0 && prompt > 0)
    self.questions = questions
    self.answers = answers
    self.prompt = prompt
    self.lengths = lengths
    self.placement = placement
  }

  /// Answers of a step.
  public var count: Int { questions * answers }
}

/// What a step of reinforcement learning takes.
public struct RolloutReport: Hashable, Sendable {
  /// Seconds of each part.
  public struct Parts: Hashable, Sendable {
    /// From the first token to the last answer's end.
    public var generation: Double
    /// Forwards of the policy that is trained over all answers, and of the reference.
    public var policyScores: Double
    public var referenceScores: Double
    public var rewards: Double
    public var training: Double
    /// New weights to the generators.
    public var weights: Double
    /// What leaves the devices for generation and comes back.
    public var offload: Double

    /// What trains: everything but generation and the way of the weights to it.
    public var learning: Double { policyScores + referenceScores + rewards + training }
  }

  public var parts: Parts
  /// Seconds of a step, in the mean over steps where generation and training run side by side.
  public var seconds: Double
  public var devices: Int
  public var answers: Int
  /// Tokens of all questions and answers of a step.
  public var tokens: Int
  /// Sequences into which they are packed for training.
  public var packed: Int
  /// Generators, and places of each.
  public var generators: Int
  public var places: Int
  /// Answers that a generator decodes at a time, in the mean over its steps.
  public var meanActive: Double
  /// The share of generation in which fewer than half as many are decoded as at first.
  public var drainedShare: Double
  /// How many answers the generator that takes longest decodes at a time, whenever that changes.
  public var moments: [RolloutWalk.Moment]
  /// The share of answers that are cut at the longest.
  public var shareCut: Double
  /// What a training step needs of its fullest device, and whether all of them have it.
  public var training: StepReport.Memory
  public var trainingFits: Bool
  public var assumptions: [String]

  public var tokensPerSecondPerDevice: Double { Double(tokens) / seconds / Double(devices) }
  /// The share of the step that generation takes, or would take by itself where it runs beside training.
  public var generationShare: Double { parts.generation / seconds }
}

extension RolloutReport.Parts {
  /// A step of these parts.
  ///
  /// On the same devices parts follow one another. On devices of their own generators wait for weights that are not
  /// behind; else both sides work at once, and the slower one counts, with the way of the weights, for which both
  /// stop.
  public func seconds(
    _ placement: RolloutDescription.Placement, stepsBehind: Int
  ) -> Double {
    switch placement {
    case .colocated: generation + learning + weights + offload
    case .separate:
      stepsBehind == 0
        ? generation + learning + weights : max(generation, learning) + weights
    }
  }
}
