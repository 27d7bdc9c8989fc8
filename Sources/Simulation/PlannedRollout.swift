import Clusters
import Models
import Plans

/// Reinforcement learning of a model on a cluster: a plan to train by, and one to generate by.
public struct PlannedRollout: Sendable {
  public let architecture: Architecture
  public let cluster: Cluster
  /// The plan of a training step; its sequences are what answers are packed into.
  public let training: Plan
  /// The plan of one generator, of which there are as many as its devices allow.
  public let generator: PlannedInference

  /// - Parameter drafting: the model with prediction modules that are not trained; nil for `architecture`.
  /// - Throws: `PlanError` where the generator's plan is no deployment, `ConfigurationError` where the cluster's
  ///   file lacks a constant.
  public init(
    architecture: Architecture, cluster: Cluster, training: Plan, generator: Plan,
    drafting: Architecture? = nil
  ) throws {
    self.architecture = architecture
    self.cluster = cluster
    self.training = training
    self.generator = try PlannedInference(
      architecture: drafting ?? architecture, cluster: cluster, plan: generator)
  }

  /// Seconds of one step: what a forecast of a whole run asks for.
  ///
  /// - Throws: as `report`.
  public func seconds(of description: RolloutDescription) throws -> Double {
    try report(description).seconds
  }

  /// What a step takes.
  ///
  /// - Throws: `PlanError` where description, plans and cluster do not go together.
  public func report(_ description: RolloutDescription) throws -> RolloutReport {
    let generators = try generatorCount(description)
    let lengths = description.lengths.lengths(description.count, seed: description.seed)
    let learning = try learning(description, lengths)
    let reference = reference(description, learning)
    let generation = try generation(
      description, lengths, generators,
      beside: resident(description, learning.step, reference.resident))
    let (weights, offload, phrases) = transfer(description, learning.step, generation.weights)
    let parts = RolloutReport.Parts(
      generation: generation.outcome.seconds, policyScores: learning.scores,
      referenceScores: reference.seconds,
      rewards: description.rewardSeconds, training: learning.training, weights: weights,
      offload: offload)
    var memory = learning.step.memory
    memory.parameters += reference.resident
    memory.peak += reference.resident
    var devices = training.worldSize
    if case .separate(let own) = description.placement { devices += own }
    return RolloutReport(
      parts: parts,
      seconds: parts.seconds(description.placement, stepsBehind: description.stepsBehind),
      devices: devices, answers: description.count,
      tokens: lengths.reduce(0, +) + description.count * description.prompt,
      packed: learning.packed, generators: generators, places: generation.places,
      meanActive: generation.outcome.meanActive,
      drainedShare: generation.outcome.drained / generation.outcome.seconds,
      moments: generation.outcome.moments, shareCut: description.lengths.shareCut,
      training: memory,
      trainingFits: learning.step.fits
        && (reference.resident == 0 || memory.peak + memory.reserve <= memory.limit),
      assumptions: phrases + reference.phrases + generation.phrases + learning.phrases)
  }

  /// Bytes of training's state that lie on a device while it generates.
  private func resident(
    _ description: RolloutDescription, _ step: StepReport, _ reference: Int
  ) -> Int {
    guard description.placement == .colocated, cluster.device.hostLink == nil else { return 0 }
    return step.memory.optimizer + step.memory.parameters + reference
  }

  // MARK: Generation

  private func generatorCount(_ description: RolloutDescription) throws(PlanError) -> Int {
    let each = generator.plan.worldSize
    let (devices, whose) = trainersOrOwn(description)
    guard devices >= each else {
      throw .cannotSimulate(
        key: "generator", value: generator.plan.name,
        rule: "needs \(each) devices, and \(whose) are \(devices)")
    }
    if case .separate(let own) = description.placement {
      guard own + training.worldSize <= cluster.rankCount else {
        throw .exceedsCluster(
          ranks: own + training.worldSize, devices: cluster.rankCount,
          product: "\(training.worldSize) to train and \(own) to generate")
      }
    }
    return devices / each
  }

  private func trainersOrOwn(
    _ description: RolloutDescription
  ) -> (devices: Int, whose: String) {
    switch description.placement {
    case .colocated: (training.worldSize, "the devices that train")
    case .separate(let own): (own, "the generators' devices")
    }
  }

  private struct Generation {
    var outcome: RolloutWalk.Outcome
    var places: Int
    var weights: Int
    var phrases: [String]
  }

  /// - Parameter resident: bytes of a device that training holds meanwhile.
  private func generation(
    _ description: RolloutDescription, _ lengths: [Int], _ generators: Int, beside resident: Int
  ) throws -> Generation {
    let ranks = generator.plan.dataParallel
    let longest = description.prompt + (lengths.max() ?? 1)
    let (room, weights) = try cacheTokens(description, longest: longest, beside: resident)
    let mean = Double(description.prompt) + description.lengths.mean
    let held = Int(room / mean)
    guard room >= Double(longest), held > 0 else {
      throw PlanError.cannotSimulate(
        key: "generator", value: generator.plan.name,
        rule:
          "has room for \(Int(max(0, room))) positions of caches on a data rank, and the longest "
          + "answer needs \(longest)")
    }
    // Answers are dealt out before they begin.
    let dealt = Array(lengths.indices).reduce(into: [[Int]](repeating: [], count: generators)) {
      $0[$1 % generators].append(lengths[$1])
    }
    let share = (dealt[0].count + ranks - 1) / ranks
    let places = min(description.places ?? held, held, share)
    let times = try DecodeTimes(
      generator, most: places, shortest: description.prompt, longest: longest,
      acceptance: description.acceptance)
    let (admission, prompts) = try admission(description)
    let drafts = description.acceptance == nil ? 0 : generator.architecture.multiTokenPrediction
    let accepted = (0...drafts).reduce(0.0) { sum, depth in
      sum + (0..<depth).reduce(1.0) { product, _ in product * (description.acceptance ?? 0) }
    }
    let walk = RolloutWalk(
      places: places * ranks, prompt: description.prompt, tokensPerStep: accepted,
      admission: admission / Double(ranks))
    var slowest = RolloutWalk.Outcome()
    for answers in dealt {
      let outcome = walk.run(answers) { active, positions in
        times(batch: (active + ranks - 1) / ranks, positions: positions)
      }
      if outcome.seconds > slowest.seconds { slowest = outcome }
    }
    var phrases = ["\(prompts) prompts read at once on a data rank"]
    if held <= places, held < share {
      phrases.append(
        "\(places) answers at a time on a data rank, whose caches hold no more in the mean")
    }
    if let asked = description.places, asked > share {
      phrases.append("places \(asked) never act: a data rank has \(share) answers in all")
    }
    if description.stepsBehind > 1 {
      phrases.append("\(description.stepsBehind) steps behind take what one takes in the mean")
    }
    let devices = trainersOrOwn(description).devices
    let idle = devices - generators * generator.plan.worldSize
    if idle > 0 { phrases.append("\(idle) of \(devices) devices make no generator") }
    return Generation(outcome: slowest, places: places, weights: weights, phrases: phrases)
  }

  /// Positions that the caches of a data rank's devices hold, and bytes of a device's weights.
  private func cacheTokens(
    _ description: RolloutDescription, longest: Int, beside resident: Int
  ) throws -> (Double, Int) {
    let one = try generator.report(
      InferenceRequest(
        .decode(context: longest), batch: 1, acceptance: description.acceptance,
        returnsProbabilities: true))
    let memory = one.memory
    let limit = Double(memory.limit) * description.memoryShare
    let room = limit - Double(memory.weights + memory.activations + resident)
    return (room / one.cacheBytesPerToken, memory.weights)
  }

  /// Seconds of one answer's part of its question's prefill, which a group shares, and the prompts that are read at
  /// once.
  private func admission(
    _ description: RolloutDescription
  ) throws -> (seconds: Double, prompts: Int) {
    // As many as make a chunk. Where experts are spread they are read in two parts, whose rows tensor ranks divide.
    let plan = generator.plan
    let (tensor, prompt) = (plan.tensorParallel, description.prompt)
    let isSplit = plan.expertParallel > 1 && (tensor % 2 == 1 || prompt % 2 == 1)
    let multiple = tensor > 1 && isSplit ? 2 * tensor : tensor
    let batch = max(multiple, Self.chunk / prompt / multiple * multiple)
    let report = try generator.report(
      InferenceRequest(.prefill(length: prompt), batch: batch, returnsProbabilities: true))
    return (report.seconds / Double(batch * description.answers), batch)
  }

  /// Tokens of prompts that are read at once (vLLM's `max_num_batched_tokens` in recent versions).
  private static let chunk = 8_192

  // MARK: Learning

  private struct Learning {
    var step: StepReport
    var scores: Double
    var training: Double
    var packed: Int
    var phrases: [String]
  }

  private func learning(_ description: RolloutDescription, _ lengths: [Int]) throws -> Learning {
    let texts = lengths.map { $0 + description.prompt }
    guard let longest = texts.max(), longest <= training.sequenceLength else {
      throw PlanError.cannotSimulate(
        key: "sequence-length", value: "\(training.sequenceLength)",
        rule: "takes no answer of \(texts.max() ?? 0) tokens with its question")
    }
    let packed = packedSequences(texts, into: training.sequenceLength)
    guard description.updates <= packed else {
      throw PlanError.cannotSimulate(
        key: "updates", value: "\(description.updates)",
        rule: "are more than the \(packed) sequences that a step's answers are packed into")
    }
    var plan = training
    let share = plan.dataParallel * plan.microbatchSize
    // Every update has as many sequences, filled up to what the plan's degrees divide.
    let each = (packed + description.updates - 1) / description.updates
    plan.globalBatch = (each + share - 1) / share * share
    var phrases = [
      "\(plan.globalBatch) sequences in an update, whatever global-batch says (\(training.globalBatch))"
    ]
    if plan.globalBatch * description.updates > packed {
      phrases.append(
        "\(plan.globalBatch * description.updates - packed) of them empty, to fill data ranks and updates"
      )
    }
    let step = try PlannedStep(architecture: architecture, cluster: cluster, plan: plan).report()
    let split = step.split
    let forwards = split.forward + split.overlapped / 3
    let all =
      split.forward + split.backward + split.backwardInput + split.backwardWeight
      + split.overlapped
    let scores = (step.stepSeconds - split.optimizer) * forwards / max(all, .leastNonzeroMagnitude)
    return Learning(
      step: step, scores: Double(description.updates) * scores,
      training: Double(description.updates) * step.stepSeconds, packed: packed, phrases: phrases)
  }

  /// Seconds in which a reference scores all answers, and bytes of a device that it keeps.
  ///
  /// Its weights lie in the host's memory: for its scores the policy's go there, they come, and the policy's come back, as NeMo
  /// RL has it (`use_reference_model`, nemo_rl/models/policy); without a host's link they stay on the devices.
  private func reference(
    _ description: RolloutDescription, _ learning: Learning
  ) -> (seconds: Double, resident: Int, phrases: [String]) {
    guard description.hasReference else { return (0, 0, []) }
    let weights = learning.step.memory.parameters
    guard let host = cluster.device.hostLink?.reached.value.value else {
      return (learning.scores, weights, ["the reference's weights stay on the devices"])
    }
    return (
      learning.scores + 3 * Double(weights) / host, 0,
      [
        "the reference's weights come from the host's memory, and the policy's go there and come back"
      ]
    )
  }

  // MARK: Weights

  /// Seconds that new weights take to the generators, and that training's state takes to the host and back.
  ///
  /// Every device of a generator receives its weights once, over its adapter where they come from other nodes.
  private func transfer(
    _ description: RolloutDescription, _ step: StepReport, _ weights: Int
  ) -> (weights: Double, offload: Double, phrases: [String]) {
    let perNode = cluster.node.devices.value
    let isInside =
      description.placement == .colocated && training.worldSize <= perNode
    let rate =
      isInside
      ? cluster.node.link.rate.reached.value.value
      : cluster.node.adapters?.rate.reached.value.value
        ?? cluster.node.link.rate.reached.value.value
    let moving = Double(weights) / rate
    guard description.placement == .colocated else { return (moving, 0, []) }
    guard let host = cluster.device.hostLink?.reached.value.value else {
      return (
        moving, 0, ["training's state stays on the devices, whose host link is not described"]
      )
    }
    let state = Double(step.memory.optimizer + step.memory.parameters)
    return (moving, 2 * state / host, [])
  }
}
