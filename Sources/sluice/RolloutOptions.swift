import ArgumentParser
import Documents
import Plans
import Reports
import Simulation

/// A step of reinforcement learning in place of one of training.
struct RolloutOptions: ParsableArguments {
  @Flag(
    help: """
      Simulate a step of reinforcement learning (GRPO): answers generated, scored, trained on by --plan, whose \
      sequences they are packed into.
      """)
  var rollout = false

  @Option(
    help: "The plan of one generator; its devices are filled with as many as fit.",
    completion: .file(extensions: ["yaml", "yml"]))
  var generator: String?

  @Option(help: "Questions of a step; 32 by default.")
  var questions: Int?

  @Option(help: "Answers to each question; 16 by default.")
  var answers: Int?

  @Option(
    help: """
      Tokens of a question; \(RolloutDefaults.promptTokens) by default, the mean of R1's mathematical ones.
      """)
  var prompt: Int?

  @Option(help: "Tokens of an answer in the mean, those that are cut among them.")
  var meanLength: Double?

  @Option(help: "Tokens at which an answer is cut.")
  var longest: Int?

  @Option(
    help: """
      Standard deviation of the logarithm of an answer's length; \(RolloutDefaults.spread) by default.
      """)
  var spread: Double?

  @Option(
    help: "Devices that generate and do nothing else; without it those that train generate first.")
  var generatorGpus: Int?

  @Option(
    help:
      "Steps that generating weights are behind those that train, with --generator-gpus; 0 by default."
  )
  var stepsBehind: Int?

  @Option(help: "Updates that a step's answers are divided among; 1 by default.")
  var updates: Int?

  @Option(
    help: "Answers that a data rank of a generator decodes at a time; by default all that fit.")
  var places: Int?

  @Option(
    help: """
      Share of a device's memory that a generator takes; \(RolloutDefaults.memoryShare) by default.
      """)
  var memoryShare: Double?

  @Option(help: "Seconds that judging a step's answers takes beside; 0 by default.")
  var rewardSeconds: Double?

  @Flag(help: "No reference scores the answers.")
  var noReference = false

  /// What was written that says nothing without a step of reinforcement learning.
  private var others: [(String, Bool)] {
    [
      ("--generator", generator != nil), ("--questions", questions != nil),
      ("--answers", answers != nil), ("--prompt", prompt != nil),
      ("--mean-length", meanLength != nil), ("--longest", longest != nil),
      ("--spread", spread != nil), ("--generator-gpus", generatorGpus != nil),
      ("--steps-behind", stepsBehind != nil), ("--updates", updates != nil),
      ("--places", places != nil), ("--memory-share", memoryShare != nil),
      ("--reward-seconds", rewardSeconds != nil), ("--no-reference", noReference),
    ]
  }

  /// The files that are read.
  var inputFiles: [String] { [generator].compactMap(\.self) }

  /// Refuses these options where the step is another one.
  func checkAbsence() throws(CommandError) {
    for (option, isWritten) in others where isWritten {
      throw CommandError("\(option) has no effect without --rollout")
    }
  }

  /// The step that was asked for.
  func description(acceptance: Double?) throws -> RolloutDescription {
    guard let meanLength else {
      throw CommandError("--rollout needs --mean-length, tokens of an answer")
    }
    guard let longest else {
      throw CommandError("--rollout needs --longest, tokens at which an answer is cut")
    }
    try checkNumbers()
    let width = spread ?? RolloutDefaults.spread
    guard
      let lengths = LengthDistribution(mean: meanLength, longest: longest, spread: width)
    else {
      throw CommandError(
        "--mean-length \(meanLength): no lengths up to \(longest) with spread \(width) have this mean"
      )
    }
    if stepsBehind != nil, generatorGpus == nil {
      throw CommandError("--steps-behind has no effect without --generator-gpus")
    }
    var description = RolloutDescription(
      questions: questions ?? Self.usualQuestions, answers: answers ?? Self.usualAnswers,
      prompt: prompt ?? RolloutDefaults.promptTokens, lengths: lengths,
      placement: generatorGpus.map { .separate(devices: $0) } ?? .colocated)
    description.stepsBehind = stepsBehind ?? 0
    description.updates = updates ?? 1
    description.places = places
    description.memoryShare = memoryShare ?? description.memoryShare
    description.rewardSeconds = rewardSeconds ?? description.rewardSeconds
    description.hasReference = !noReference
    description.acceptance = acceptance
    return description
  }

  /// What is taken where nothing is written; the rest is a run file's too (`RolloutDefaults`).
  private static let (usualQuestions, usualAnswers) = (32, 16)

  /// What was taken so, a short phrase each.
  var assumed: [String] {
    [
      (questions == nil, "\(Self.usualQuestions) questions"),
      (answers == nil, "\(Self.usualAnswers) answers to each"),
      (prompt == nil, "questions of \(RolloutDefaults.promptTokens) tokens"),
      (spread == nil, "lengths spread by \(RolloutDefaults.spread)"),
      (updates == nil, "one update"),
      (memoryShare == nil, "generators in \(RolloutDefaults.memoryShare) of the memory"),
      (rewardSeconds == nil, "judging takes no time"),
      (!noReference, "a reference scores the answers"),
    ].filter(\.0).map(\.1)
  }

  private func checkNumbers() throws {
    for (name, value, most) in [
      ("questions", questions, 1 << 20), ("answers", answers, 1 << 16), ("prompt", prompt, 1 << 20),
      ("longest", longest, 1 << 22), ("generator-gpus", generatorGpus, 1 << 20),
      ("updates", updates, 1 << 12), ("places", places, 1 << 16),
    ] {
      if let value { try checked(name, value, in: 1...most) }
    }
    if let stepsBehind { try checked("steps-behind", stepsBehind, in: 0...64) }
    guard (questions ?? Self.usualQuestions) * (answers ?? Self.usualAnswers) <= 1 << 20 else {
      throw CommandError("--questions times --answers: must be at most 1,048,576")
    }
    if let spread, !(spread.isFinite && (0...4).contains(spread)) {
      throw CommandError("--spread \(spread): must be from 0 to 4")
    }
    if let memoryShare, !(memoryShare > 0 && memoryShare <= 1) {
      throw CommandError("--memory-share \(memoryShare): must be above 0 and at most 1")
    }
    if let rewardSeconds, !(rewardSeconds >= 0 && rewardSeconds <= 1e6) {
      throw CommandError("--reward-seconds \(rewardSeconds): must be from 0 to 1,000,000")
    }
  }
}

extension Scene {
  /// A step of reinforcement learning whose generators follow another plan.
  func rollout(_ generator: String, _ place: PlaceOptions) throws -> PlannedRollout {
    let plan = try place.read(generator, world: .unknown, serves: true)
    return try PlannedRollout(
      architecture: architecture, cluster: cluster, training: try resolved().plan, generator: plan)
  }
}
