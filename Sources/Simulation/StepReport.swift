import Clusters
import Documents
import Engines
import Models
import Plans
import Programs
import Quantities

/// What a step costs: the figures that people read, in seconds, bytes and shares.
///
/// The split is read at pipeline position 0 of the slowest replica; beside it stand the mean over
/// positions and every position.
public struct StepReport: Hashable, Sendable {
  /// Seconds of each part; they add up to the step.
  public struct Split: Hashable, Sendable {
    public var forward: Double
    public var bubble: Double
    /// Whole backwards, with their weight half.
    public var backward: Double
    /// The halves where a schedule has them by themselves.
    public var backwardInput: Double
    public var backwardWeight: Double
    public var overlapped: Double
    public var optimizer: Double

    /// What the ISCA'25 paper calls 1B: backwards outside of pairs, weight halves by themselves left out.
    public var backwardOutsidePairs: Double { backward + backwardInput }
  }

  /// Seconds of one kind of communication on the reference rank.
  public struct Communication: Hashable, Sendable {
    /// From the moment at which all that take part have come to a transfer to its end: hidden and exposed.
    public var total: Double
    /// What ran beside computation.
    public var hidden: Double
    /// The compute stream stood still while bytes moved.
    public var exposed: Double
    /// The compute stream stood still for a peer that had not come yet; no part of the total.
    public var waiting: Double
  }

  /// Bytes on the fullest rank, by use, at its peak.
  public struct Memory: Hashable, Sendable {
    public var position: Int
    /// Which rank of the position it is: those with rows of their own hold more or less.
    package var replica: Int
    public var peak: Int
    public var limit: Int
    public var parameters: Int
    public var gradients: Int
    public var optimizer: Int
    public var activations: Int
    public var communication: Int
    /// What the plan's framework holds beside, each by its name.
    public var workspace: [FrameworkBuffer]
    /// What is left to the device's context, its libraries and whatever else PyTorch does not allocate.
    public var reserve: Int
    /// What the caching allocator holds, on the rank for which it was replayed.
    public var reservation: Reservation?

    /// Whether the rank's step fits its device beside the reserve.
    public var fits: Bool { reservation?.fits ?? (peak + reserve <= limit) }
  }

  /// What a pipeline position holds and needs.
  public struct Stage: Hashable, Sendable {
    public var position: Int
    public var stages: [Int]
    public var units: [String]
    public var split: Split
    public var memory: Memory
  }

  public var model: String
  public var cluster: String
  public var plan: String
  public var ranks: Int
  /// Ranks that were simulated: all of them, or one for all that do the same.
  public var simulatedRanks: Int
  /// Seconds of the step; with several seeds, like all seconds here, the mean over them.
  public var stepSeconds: Double
  /// How many seeds there were, and the standard deviation of the step over them; 0 with one.
  public var seeds = 1
  public var stepSecondsDeviation = 0.0
  public var split: Split
  public var splitMean: Split
  public var splitByPosition: [Split]
  /// Where the compute stream of the reference rank is busy; picoseconds.
  public var kernels: KernelTimes
  /// Tokens that are trained: without the padding behind whole documents, which comes beside them.
  public var tokensPerStep: Int
  public var paddingPerStep = 0
  public var expert: Communication
  public var pipeline: Communication
  public var data: Communication
  public var tensor: Communication
  public var context: Communication
  /// Activations on their way to the host's memory and back.
  public var host: Communication
  public var memory: Memory
  public var stages: [Stage]
  /// FLOPs of the model for one token: attention counted on and below the diagonal, and in full.
  public var flopsPerTokenCausal: Double
  public var flopsPerTokenNonCausal: Double
  /// FLOPs that the ranks really carry out in a step, recomputation and prediction modules included.
  public var hardwareFLOPsCausal: Double
  /// FLOPs per second of a rank's 16-bit tensor cores.
  public var peakFLOPs: Double
  /// FLOPs per second of a rank at the peak of the fastest format in which the plan multiplies.
  public var fastestPeakFLOPs: Double
  public var operations: Int
  public var walkedOperations: Int
}

extension StepReport {
  public var fits: Bool { memory.fits && stages.allSatisfy(\.memory.fits) }
  public var tokensPerSecond: Double { Double(tokensPerStep) / stepSeconds }
  public var tokensPerSecondPerGPU: Double { tokensPerSecond / Double(ranks) }
  public var tokensPerDay: Double { tokensPerSecond * 86_400 }
  public var flopsPerGPUCausal: Double { tokensPerSecondPerGPU * flopsPerTokenCausal }
  public var flopsPerGPUNonCausal: Double { tokensPerSecondPerGPU * flopsPerTokenNonCausal }
  /// Model FLOPs over the 16-bit peak.
  public var mfuCausal: Double { flopsPerGPUCausal / peakFLOPs }
  public var mfuNonCausal: Double { flopsPerGPUNonCausal / peakFLOPs }
  /// FLOPs carried out, recomputation included, over the 16-bit peak; attention counted causally.
  public var hfuCausal: Double {
    hardwareFLOPsCausal / (stepSeconds * Double(ranks) * peakFLOPs)
  }

  /// GPU-hours for a number of tokens.
  public func gpuHours(tokens: Double) -> Double {
    tokens / tokensPerSecond * Double(ranks) / 3600
  }
}

extension StepReport {
  /// Refuses a step in which ranks compute faster than their devices can.
  ///
  /// Products are priced below the peak, so that this means constants that do not belong together.
  public func checkPossible() throws(ConfigurationError) {
    guard stepSeconds < leastStepSeconds else { return }
    let rate = workPerDevice / stepSeconds
    throw ConfigurationError(
      file: cluster, keyPath: "device.peak",
      rule: "the step of \(Seconds(stepSeconds)) would do \(FLOPsPerSecond(rate)) per device, "
        + "and the peak is \(FLOPsPerSecond(fastestPeakFLOPs)): impossible; look at device.peak, "
        + "device.multiprocessors, device.clock and flops-per-clock in device.kernels")
  }

  /// What the plan's arithmetic takes of every device at its peak: no step is shorter.
  public var leastStepSeconds: Double { workPerDevice / fastestPeakFLOPs }

  /// FLOPs of a step that a device does in the mean.
  private var workPerDevice: Double {
    max(flopsPerGPUCausal * stepSeconds, hardwareFLOPsCausal / Double(ranks))
  }

  /// Adds what the plan's framework holds on every rank.
  mutating func addFramework(_ input: StepInput, _ device: Device) {
    for index in stages.indices {
      let held = input.ranks[stages[index].position].stages
      let buffers = FrameworkBuffer.all(input, stages: held, device)
      stages[index].memory.workspace = buffers
      stages[index].memory.peak += buffers.reduce(0) { $0 + $1.bytes }
    }
    memory = stages.map(\.memory).max { $0.peak < $1.peak } ?? memory
  }

  /// Replays the fullest rank's step through the caching allocator.
  mutating func replayAllocator(_ input: StepInput) {
    memory.reservation = AllocationReplay.reservation(
      input, position: memory.position, replica: memory.replica,
      beside: memory.workspace.map(\.bytes), limit: memory.limit - memory.reserve)
    for index in stages.indices where stages[index].position == memory.position {
      stages[index].memory = memory
    }
  }

  /// Reads a result.
  public init(_ result: StepResult, placed: PlacedPlan, cluster: Cluster) {
    let (architecture, plan) = (placed.architecture, placed.plan)
    let positions = Dictionary(grouping: result.ranks, by: \.position)
    let slowest = (0..<placed.schedule.ranks.count).map { position in
      Self.slowest(positions[position] ?? [])
    }
    let splits = slowest.map { Split($0.split) }
    let reference = slowest[0]
    model = architecture.name
    self.cluster = cluster.name
    self.plan = plan.name
    ranks = plan.worldSize
    simulatedRanks = result.ranks.count
    stepSeconds = Double(result.step) / 1e12
    split = splits[0]
    splitMean = Split(mean: splits)
    splitByPosition = splits
    kernels = reference.kernels
    tokensPerStep = plan.globalBatch * plan.sequenceLength
    expert = Communication(reference.expert)
    pipeline = Communication(reference.pipeline)
    data = Communication(reference.data)
    tensor = Communication(reference.tensor)
    context = Communication(reference.context)
    host = Communication(reference.host)
    let limit = Int(cluster.device.memory.size.value.bytes)
    let reserve = Int(plan.memoryReserve.bytes)
    let memories = slowest.indices.map { position in
      Memory(Self.fullest(positions[position] ?? []), limit: limit, reserve: reserve)
    }
    memory = memories.max { $0.peak < $1.peak } ?? memories[0]
    stages = slowest.indices.map { position in
      let held = placed.schedule.placement.stages(ofRank: position)
      return Stage(
        position: position, stages: held,
        units: held.map { Self.describe(placed.layout.stages[$0], architecture) },
        split: splits[position], memory: memories[position])
    }
    flopsPerTokenCausal = Double(plan.trainingFlops(of: architecture, causal: true).total)
    flopsPerTokenNonCausal = Double(plan.trainingFlops(of: architecture, causal: false).total)
    let simulated = result.ranks.reduce(0) { $0 + $1.causalFLOPs }
    hardwareFLOPsCausal = simulated * Double(plan.worldSize) / Double(result.ranks.count)
    peakFLOPs = cluster.device.peak(.bf16)?.value ?? cluster.device.peak(.fp16)?.value ?? 1
    fastestPeakFLOPs =
      FormatRates(cluster.device).fastestPeak(of: plan.precision) ?? peakFLOPs
    operations = result.operations * plan.worldSize / result.ranks.count
    walkedOperations = result.walkedOperations
  }

  private static func slowest(_ ranks: [RankResult]) -> RankResult {
    var slowest = ranks[0]
    for rank in ranks where rank.split.bubble < slowest.split.bubble { slowest = rank }
    return slowest
  }

  private static func fullest(_ ranks: [RankResult]) -> RankResult {
    var fullest = ranks[0]
    for rank in ranks where rank.memory.peak > fullest.memory.peak { fullest = rank }
    return fullest
  }

  /// What a stage holds, in few words: `embedding, 3 dense, 1 mixture`.
  private static func describe(_ units: [Unit], _ architecture: Architecture) -> String {
    var parts: [String] = []
    var dense = 0
    var mixtures = 0
    var attentions = 0
    var states = 0
    for unit in units {
      switch unit {
      case .embedding: parts.append("embedding")
      case .layer(let index):
        let layer = architecture.layers[index]
        switch layer.feedForward {
        case .dense: dense += 1
        case .mixture: mixtures += 1
        case .absent: if layer.attention.hasScores { attentions += 1 } else { states += 1 }
        }
      case .head, .multiTokenPrediction: break
      }
    }
    if dense > 0 { parts.append("\(dense) dense") }
    if mixtures > 0 { parts.append("\(mixtures) mixture") }
    if attentions > 0 { parts.append("\(attentions) attention") }
    if states > 0 { parts.append("\(states) recurrent") }
    if units.contains(.head) { parts.append("head") }
    let predictions = units.count { $0.isPrediction }
    if predictions > 0 { parts.append("\(predictions) MTP") }
    return parts.joined(separator: ", ")
  }
}

extension StepReport.Split {
  init(_ split: StepSplit) {
    self.init(
      forward: Double(split.forward) / 1e12, bubble: Double(split.bubble) / 1e12,
      backward: Double(split.backward) / 1e12, backwardInput: Double(split.backwardInput) / 1e12,
      backwardWeight: Double(split.backwardWeight) / 1e12,
      overlapped: Double(split.overlapped) / 1e12, optimizer: Double(split.optimizer) / 1e12)
  }

  init(mean splits: [StepReport.Split]) {
    func mean(_ path: KeyPath<StepReport.Split, Double>) -> Double {
      splits.reduce(0) { $0 + $1[keyPath: path] } / Double(splits.count)
    }
    self.init(
      forward: mean(\.forward), bubble: mean(\.bubble), backward: mean(\.backward),
      backwardInput: mean(\.backwardInput), backwardWeight: mean(\.backwardWeight),
      overlapped: mean(\.overlapped),
      optimizer: mean(\.optimizer))
  }
}

extension StepReport.Communication {
  init(_ exposure: Exposure) {
    self.init(
      total: Double(exposure.total) / 1e12, hidden: Double(exposure.hidden) / 1e12,
      exposed: Double(exposure.exposed) / 1e12,
      waiting: Double(exposure.waiting) / 1e12)
  }
}

extension StepReport.Memory {
  init(_ rank: RankResult, limit: Int, reserve: Int) {
    func part(_ use: Buffer.Use) -> Int { rank.memory.peakParts[Int(use.rawValue)] }
    self.init(
      position: rank.position, replica: rank.replica, peak: rank.memory.peak, limit: limit,
      parameters: part(.parameter),
      gradients: part(.gradient), optimizer: part(.optimizer),
      activations: part(.activation) + part(.workspace), communication: part(.communication),
      workspace: [], reserve: reserve)
  }
}
