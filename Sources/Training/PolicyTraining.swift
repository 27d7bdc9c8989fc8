import Documents
import Kernels
import MessagePassing
import Models
import Plans
import Quantities
import Runs
import Tasks

/// What GRPO does around the steps of a run: rollouts with their rewards, log-probabilities under old policy
/// and reference, and what each update takes of them.
///
/// All ranks hold the same completions and call the same methods in the same order.
final class PolicyTraining {
  let settings: RunFile.PolicySettings
  let material: PolicyMaterial
  let sequences: CompletionSequences
  private let run: RunFile
  private let communicator: any Communicator
  private let plan: PlacedPlan
  /// What the updates in progress learn from.
  private(set) var rollout: Rollout?
  private var generator: RolloutGenerator?
  private var reference: ForwardRank?
  private var judge: RewardJudge?
  /// The update before which the reference became the policy; nil for the model of the run's beginning.
  private(set) var referenceUpdate: Int?
  /// What rules could not judge since somebody asked.
  private var notices: [String] = []
  /// What was said of that before.
  private var said = Set<String>()
  /// Seconds of the last rollout, of its completions alone.
  private var rolloutSeconds: Double?
  private var targets: [[PolicyTarget]] = []
  /// What ledgers of its forwards record beside sums.
  var recording = Recording()
  /// The last forward of the last rollout and of the reference, where their order was recorded.
  private(set) var forwards: [RecordedForward] = []

  init(
    _ prepared: PreparedRun, _ settings: RunFile.PolicySettings, _ material: PolicyMaterial,
    _ communicator: any Communicator
  ) {
    run = prepared.run
    plan = prepared.placed
    self.settings = settings
    self.material = material
    self.communicator = communicator
    sequences = CompletionSequences(length: prepared.run.plan.sequenceLength)
    judge = settings.rewards.map {
      RewardJudge($0.rewards, isStopped: { StopSignals.hasArrived })
    }
  }

  private var length: Int { run.plan.sequenceLength }
  private var batch: Int { run.plan.globalBatch }
  private var completionsOfARollout: Int { batch * settings.minibatches }
  private var needsReference: Bool { settings.loss.beta > 0 }

  /// The setting of forwards that give log-probabilities.
  private var setting: TrainingSetting {
    var setting = TrainingSetting()
    setting.policy = settings.loss
    return setting
  }

  // MARK: Updates

  /// Goes on between the updates of a rollout that a checkpoint has kept.
  func resume(_ rollout: Rollout?) { self.rollout = rollout }

  /// Makes the reference, with the weights that `load` gives it.
  func makeReference(
    ofUpdate update: Int?, _ architecture: Architecture, load: (ForwardRank) throws -> Void
  ) throws {
    guard needsReference else { return }
    let made = try ForwardRank(
      architecture, plan.plan, communicator, sequences, .evaluation, setting,
      schedule: plan.schedule, layout: plan.layout)
    try load(made)
    reference = made
    referenceUpdate = update
  }

  /// Whether the reference becomes the policy before an update.
  func refreshesReference(before update: Int) -> Bool {
    guard needsReference, let every = settings.referenceRefresh, update > 0 else { return false }
    return update.isMultiple(of: every) && referenceUpdate != update
  }

  /// Makes what an update learns from, and hands its completions to the steps' sequences; a collective.
  func begin(update: Int, _ trainer: RankTrainer) throws {
    forwards = []
    if refreshesReference(before: update) {
      try reference?.takeWeights(of: trainer)
      referenceUpdate = update
      if update % settings.updatesOfARollout > 0, var kept = rollout {
        try fillReference(&kept)
        rollout = kept
      }
    }
    if needsReference, var kept = rollout, kept.completions.contains(where: { !$0.hasReference }) {
      // The checkpoint is of a run without a reference.
      try fillReference(&kept)
      rollout = kept
    }
    let place = update % settings.updatesOfARollout
    if place == 0 || rollout == nil {
      guard place == 0 else {
        throw TrainingError.plan("the checkpoint is within a rollout, and does not hold it")
      }
      var made = Rollout(update: update, completions: material.given)
      if made.completions.isEmpty { made.completions = try sampled(before: update, trainer) }
      try fillOld(&made, trainer)
      try fillReference(&made)
      rollout = made
    } else {
      rolloutSeconds = nil
    }
    take(part: place % settings.minibatches)
  }

  /// Gives the completions of a part of the rollout to the steps, each token with its target.
  private func take(part: Int) {
    guard let rollout else { return }
    let rewards = rollout.completions.map(\.reward)
    let advantages = settings.advantage.advantages(of: rewards, group: settings.group)
    let range = part * batch..<(part + 1) * batch
    let own = Array(rollout.completions[range])
    let weights = settings.normalisation.weights(
      lengths: own.map(\.tokens.count), maximum: settings.maximumTokens)
    targets = own.enumerated().map { index, completion in
      completion.tokens.indices.map { token in
        PolicyTarget(
          weight: weights[index], advantage: advantages[range.lowerBound + index],
          oldLogProbability: Double(completion.old[token]),
          referenceLogProbability: completion.reference.isEmpty
            ? 0 : Double(completion.reference[token]))
      }
    }
    sequences.take(own, targets: targets)
  }

  // MARK: Rollouts

  private func sampled(before update: Int, _ trainer: RankTrainer) throws -> [Completion] {
    let count = batch * settings.minibatches
    let number = update / settings.updatesOfARollout
    let prompts = (0..<count / settings.group).map { place in
      promptNumber(number * (count / settings.group) + place)
    }
    let start = nanoseconds()
    var requests: [RolloutGenerator.Request] = []
    for (place, prompt) in prompts.enumerated() {
      for sample in 0..<settings.group {
        // The same prompt may come twice in a rollout, with other completions.
        requests.append(
          .init(prompt: material.prompts[prompt].tokens, counters: [update, place, prompt, sample]))
      }
    }
    let numbers = requests.indices.map { prompts[$0 / settings.group] }
    let made = try complete(
      requests, prompts: numbers.map { material.prompts[$0] }, seed: run.seed, trainer)
    rolloutSeconds = Double(nanoseconds() - start) / 1e9
    return made.enumerated().map { index, made in
      var completion = made
      completion.promptNumber = numbers[index]
      return completion
    }
  }

  /// The prompt of a place in the endless order of prompts, each of which comes once in every pass.
  private func promptNumber(_ place: Int) -> Int {
    let (pass, index) = place.quotientAndRemainder(dividingBy: material.prompts.count)
    return SeededPermutation(
      count: material.prompts.count, seed: run.seed, stream: UInt64(pass))[index]
  }

  /// Completions of requests with their rewards; a collective.
  private func complete(
    _ requests: [RolloutGenerator.Request], prompts: [PolicyMaterial.Prompt], seed: UInt64,
    _ trainer: RankTrainer
  ) throws -> [Completion] {
    guard let judge, let rules = settings.rewards?.rewards.parts else {
      preconditionFailure("Prompts come with rules.")
    }
    let generator = try generator ?? makeGenerator(trainer)
    self.generator = generator
    try generator.rank.takeWeights(of: trainer)
    generator.rank.recording = recording
    var waiting: [(number: Int, answer: TaskAnswer)] = []
    let made = try generator.complete(
      requests, maximum: settings.maximumTokens,
      Sampling(temperature: settings.loss.temperature, topShare: settings.topShare), seed: seed
    ) { request, made in
      guard request % communicator.size == communicator.rank else { return }
      let text = made.tokens.dropLast(made.isEnded ? 1 : 0).map { Int($0) }
      let bytes = material.tokenizer.decode(text)
      waiting.append(
        (
          request,
          TaskAnswer(
            prompt: prompts[request].task, completion: String(decoding: bytes, as: UTF8.self))
        ))
      guard waiting.count == Self.answersOfACall else { return }
      judge.judge(waiting)
      waiting = []
    }
    judge.judge(waiting)
    if recording.order {
      forwards.append(generator.rank.recorded("one forward of a rollout (prefill and decode)"))
    }
    var (rewards, own, isStopped) = judge.finish(count: requests.count)
    // Where one rank stops, all do.
    rewards.append(isStopped ? 1 : 0)
    try communicator.allReduce(&rewards, .sum)
    guard rewards.removeLast() == 0 else { throw RolloutStopped() }
    notices += try gathered(own).notices(of: requests.count, besides: &said)
    return made.enumerated().map { index, made in
      var completion = Completion(
        promptNumber: index, prompt: requests[index].prompt, tokens: made.tokens,
        isEnded: made.isEnded, sampled: made.logProbabilities)
      completion.rewards = Array(rewards[index * rules.count..<(index + 1) * rules.count])
      completion.reward = zip(rules, completion.rewards).reduce(0) { $0 + $1.0.weight * $1.1 }
      return completion
    }
  }

  /// Completions that rules judge in one call, so that a command is started now and then alone.
  private static let answersOfACall = 64

  private func makeGenerator(_ trainer: RankTrainer) throws -> RolloutGenerator {
    try RolloutGenerator(
      trainer.architecture, plan.plan, communicator, layout: plan.layout, positions: length + 1,
      wanted: completionsOfARollout, ends: material.ends)
  }

  /// What rules of all ranks could not judge; the same on all of them.
  private func gathered(_ own: RewardComplaints) throws -> RewardComplaints {
    var all = RewardComplaints()
    all.add(lines: try communicator.allGather(Array(own.lines.utf8)))
    return all
  }

  /// What rules could not judge since the last time; the same on all ranks.
  func takeNotices() -> [String] {
    defer { notices = [] }
    return notices
  }

  // MARK: Log-probabilities

  private func fillOld(_ rollout: inout Rollout, _ trainer: RankTrainer) throws {
    try forEachPart(&rollout) {
      try trainer.likelihoods()
    } fill: {
      $0.old = $1
    }
  }

  private func fillReference(_ rollout: inout Rollout) throws {
    guard let reference else { return }
    reference.recording = recording
    defer {
      if recording.order { forwards.append(reference.recorded("a forward of the reference")) }
    }
    try forEachPart(&rollout) {
      try reference.likelihoods()
    } fill: {
      $0.reference = $1
    }
  }

  private func forEachPart(
    _ rollout: inout Rollout, _ likelihoods: () throws -> [TokenLikelihood],
    fill: (inout Completion, [Float]) -> Void
  ) throws {
    for part in 0..<rollout.completions.count / batch {
      sequences.take(Array(rollout.completions[part * batch..<(part + 1) * batch]))
      let all = try likelihoods()
      for index in 0..<batch {
        let place = part * batch + index
        fill(
          &rollout.completions[place],
          sequences.positions(of: rollout.completions[place]).map {
            Float(all[index * length + $0].logProbability)
          })
      }
    }
  }
}

// MARK: - Figures

extension PolicyTraining {
  /// What is known of an update behind it.
  ///
  /// - Parameter likelihoods: what the head said of every label in the update's own forward.
  func metrics(_ likelihoods: [TokenLikelihood], update: Int) -> PolicyMetrics {
    var metrics = PolicyMetrics(
      sequences.completions, group: settings.group, rules: settings.ruleNames)
    var (tokens, low, high, entropy) = (0.0, 0.0, 0.0, 0.0)
    var (divergence, difference) = (0.0, 0.0)
    var (lowest, highest) = (1.0, 0.0)
    for (index, completion) in sequences.completions.enumerated() {
      var own = (low: 0.0, high: 0.0)
      for (token, position) in sequences.positions(of: completion).enumerated() {
        let said = likelihoods[index * sequences.length + position]
        let target = targets[index][token]
        let loss = settings.loss.loss(ofLogProbability: said.logProbability, target)
        own.low += loss.isClippedLow ? 1 : 0
        own.high += loss.isClippedHigh ? 1 : 0
        entropy += said.entropy
        divergence += target.weight * loss.divergence
        if !completion.sampled.isEmpty {
          let distance = abs(target.oldLogProbability - Double(completion.sampled[token]))
          difference = max(difference, distance)
        }
      }
      let count = Double(max(1, completion.tokens.count))
      tokens += Double(completion.tokens.count)
      (low, high) = (low + own.low, high + own.high)
      (lowest, highest) = (min(lowest, own.low / count), max(highest, own.high / count))
    }
    let whole = max(1, tokens)
    metrics.clipLow = low / whole
    metrics.clipHigh = high / whole
    metrics.clipLowMinimum = lowest
    metrics.clipHighMaximum = highest
    metrics.entropy = entropy / whole
    if settings.loss.beta > 0 { metrics.divergence = divergence }
    let isFirst = update % settings.updatesOfARollout == 0
    if isFirst, settings.prompts != nil { metrics.samplingDifference = difference }
    metrics.rolloutSeconds = rolloutSeconds
    return metrics
  }

  /// Samples a completion of each held-out prompt and judges it; a collective.
  ///
  /// - Parameter limit: prompts that are used, from the first on; nil for all.
  func evaluate(
    _ trainer: RankTrainer, limit: Int?, update: Int
  ) throws -> PolicyMetrics.HeldOut {
    let prompts = Array(material.heldOut.prefix(limit ?? .max))
    // Other chance than that of rollouts, the same for every evaluation of an update.
    let requests = prompts.enumerated().map { index, prompt in
      RolloutGenerator.Request(prompt: prompt.tokens, counters: [-1, update, index])
    }
    let made = try complete(requests, prompts: prompts, seed: run.seed, trainer)
    let count = Double(made.count)
    return PolicyMetrics.HeldOut(
      accuracy: Double(made.count { $0.rewards[0] >= 1 - 1e-9 }) / count,
      reward: made.reduce(0) { $0 + $1.reward } / count,
      meanLength: Double(made.reduce(0) { $0 + $1.tokens.count }) / count)
  }

  /// The first group of a rollout that was just made, an object of JSON for each completion.
  func samples(update: Int) -> [JSONValue] {
    guard let rollout, rollout.update == update else { return [] }
    let own = rollout.completions.prefix(settings.group)
    let rewards = rollout.completions.map(\.reward)
    let advantages = settings.advantage.advantages(of: rewards, group: settings.group)
    func text(_ tokens: some Sequence<Int32>) -> JSONValue {
      .string(
        String(decoding: material.tokenizer.decode(tokens.map { Int($0) }), as: UTF8.self))
    }
    return own.enumerated().map { index, completion in
      let fields: [(String, JSONValue)] =
        [
          ("step", .integer(update + 1)), ("prompt", text(completion.prompt)),
          ("completion", text(completion.tokens.dropLast(completion.isEnded ? 1 : 0))),
          ("ended", .boolean(completion.isEnded)), ("reward", .decimal(completion.reward)),
          ("advantage", .decimal(advantages[index])),
        ] + zip(settings.ruleNames, completion.rewards).map { ("rewards/\($0)", .decimal($1)) }
      return JSONValue.table(fields.map { .init(key: $0.0, value: $0.1) })
    }
  }
}
