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

  /// - Throws: `PlanError` where the generator's plan is no deployment, `ConfigurationError` where the cluster's
  ///   file lacks a constant.
  public init(
    architecture: Architecture, cluster: Cluster, training: Plan, generator: Plan
  ) throws {
    self.architecture = architecture
    self.cluster = cluster
    self.training = training
    self.generator = try PlannedInference(
      architecture: architecture, cluster: cluster, plan: generator)
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
    let generation = try generation(description, lengths, generators)
    let learning = try learning(description, lengths)
    let (weights, offload, phrases) = transfer(description, learning.step, generation.weights)
    let parts = RolloutReport.Parts(
      generation: generation.outcome.seconds, policyScores: learning.scores,
      referenceScores: description.hasReference ? learning.scores : 0,
      rewards: description.rewardSeconds, training: learning.training, weights: weights,
      offload: offload)
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
      shareCut: description.lengths.shareCut, assumptions: phrases + generation.phrases)
  }

  // MARK: Generation

  private func generatorCount(_ description: RolloutDescription) throws(PlanError) -> Int {
    let each = generator.plan.worldSize
    let (devices, whose) =
      switch description.placement {
      case .colocated: (training.worldSize, "the devices that train")
      case .separate(let own): (own, "the generators' devices")
      }
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

  private struct Generation {
    var outcome: RolloutWalk.Outcome
    var places: Int
    var weights: Int
    var phrases: [String]
  }

  private func generation(
    _ description: RolloutDescription, _ lengths: [Int], _ generators: Int
  ) throws -> Generation {
    let ranks = generator.plan.dataParallel
    let longest = description.prompt + (lengths.max() ?? 1)
    let (room, weights) = try cacheTokens(description, longest: longest)
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
    let admission = try admission(description) / Double(ranks)
    let drafts = description.acceptance == nil ? 0 : architecture.multiTokenPrediction
    let accepted = (0...drafts).reduce(0.0) { sum, depth in
      sum + (0..<depth).reduce(1.0) { product, _ in product * (description.acceptance ?? 0) }
    }
    let walk = RolloutWalk(
      places: places * ranks, prompt: description.prompt, tokensPerStep: accepted,
      admission: admission)
    var slowest = RolloutWalk.Outcome()
    for answers in dealt {
      let outcome = walk.run(answers) { active, positions in
        times(batch: (active + ranks - 1) / ranks, positions: positions)
      }
      if outcome.seconds > slowest.seconds { slowest = outcome }
    }
    let phrase =
      held <= places && held < share
      ? ["\(places) answers at a time on a data rank, whose caches hold no more in the mean"] : []
    return Generation(outcome: slowest, places: places, weights: weights, phrases: phrase)
  }

  /// Positions that the caches of a data rank's devices hold, and bytes of a device's weights.
  private func cacheTokens(
    _ description: RolloutDescription, longest: Int
  ) throws -> (Double, Int) {
    let one = try generator.report(
      InferenceRequest(
        .decode(context: longest), batch: 1, acceptance: description.acceptance))
    let memory = one.memory
    let limit = Double(memory.limit) * description.memoryShare
    let room = limit - Double(memory.weights + memory.activations)
    return (room / one.cacheBytesPerToken, memory.weights)
  }

  /// Seconds of one answer's part of its question's prefill, which a group shares.
  private func admission(_ description: RolloutDescription) throws -> Double {
    // As many prompts at once as make a chunk.
    let tensor = generator.plan.tensorParallel
    let batch = max(tensor, Self.chunk / description.prompt / tensor * tensor)
    let report = try generator.report(
      InferenceRequest(.prefill(length: description.prompt), batch: batch))
    return report.seconds / Double(batch * description.answers)
  }

  /// Tokens of prompts that are read at once (vLLM's `max_num_batched_tokens` in recent versions).
  private static let chunk = 8_192

  // MARK: Learning

  private struct Learning {
    var step: StepReport
    var scores: Double
    var training: Double
    var packed: Int
  }

  private func learning(_ description: RolloutDescription, _ lengths: [Int]) throws -> Learning {
    let texts = lengths.map { $0 + description.prompt }
    guard let longest = texts.max(), longest <= training.sequenceLength else {
      throw PlanError.cannotSimulate(
        key: "sequence-length", value: "\(training.sequenceLength)",
        rule: "takes no answer of \(texts.max() ?? 0) tokens with its question")
    }
    let packed = packedSequences(texts, into: training.sequenceLength)
    var plan = training
    let share = plan.dataParallel * plan.microbatchSize
    // Every update has as many sequences, filled up to what the plan's degrees divide.
    let each = (packed + description.updates - 1) / description.updates
    plan.globalBatch = (each + share - 1) / share * share
    let step = try PlannedStep(architecture: architecture, cluster: cluster, plan: plan).report()
    let split = step.split
    let forwards = split.forward + split.overlapped / 3
    let all =
      split.forward + split.backward + split.backwardInput + split.backwardWeight
      + split.overlapped
    let scores = (step.stepSeconds - split.optimizer) * forwards / max(all, .leastNonzeroMagnitude)
    return Learning(
      step: step, scores: Double(description.updates) * scores,
      training: Double(description.updates) * step.stepSeconds, packed: packed)
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
