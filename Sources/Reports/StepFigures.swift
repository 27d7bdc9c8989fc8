import Foundation
import Quantities
import Simulation

/// The figures of a simulated step as programs read them: every key carries its unit.
///
/// `split_seconds` is read at pipeline position 0 of the slowest data-parallel replica and adds up to
/// `step_seconds`; the other two splits are the mean over positions and every position.
/// `communication_seconds` is per step on that same rank, `memory_bytes` of the fullest one.
public struct StepFigures: Encodable, Sendable {
  /// Degrees of parallelism; `dp` is the ranks over the product of tp, pp and cp.
  public struct Degrees: Encodable, Sendable {
    public var dp: Int
    public var tp: Int
    public var pp: Int
    public var cp: Int
    public var ep: Int
    public var etp: Int
  }

  /// Seconds of a step by what the compute stream does.
  public struct Split: Encodable, Sendable {
    public var forward: Double
    public var bubble: Double
    public var backward: Double
    public var backwardInput: Double
    public var backwardWeight: Double
    public var overlapped: Double
    public var optimizer: Double

    init(_ split: StepReport.Split) {
      forward = split.forward
      bubble = split.bubble
      backward = split.backward
      backwardInput = split.backwardInput
      backwardWeight = split.backwardWeight
      overlapped = split.overlapped
      optimizer = split.optimizer
    }

    /// The parts with the names that people read, in the order of the page.
    var parts: [(name: String, seconds: Double)] {
      [
        ("forward", forward), ("backward", backward), ("backward for input", backwardInput),
        ("backward for weight", backwardWeight), ("overlapped", overlapped),
        ("bubble", bubble), ("optimizer", optimizer),
      ]
    }
  }

  /// A figure with attention counted on and below the diagonal, and in full.
  public struct Attention: Encodable, Sendable {
    public var causal: Double
    public var nonCausal: Double
  }

  /// Hardware FLOPs count what is really carried out, so there is one way only.
  public struct Hardware: Encodable, Sendable {
    public var causal: Double
  }

  /// Seconds of one kind of communication.
  public struct Communication: Encodable, Sendable {
    public var total: Double
    public var exposed: Double
    public var waiting: Double
    public var hidden: Double

    init(_ communication: StepReport.Communication) {
      total = communication.total
      exposed = communication.exposed
      waiting = communication.waiting
      hidden = communication.hidden
    }
  }

  /// All kinds.
  public struct Communications: Encodable, Sendable {
    public var expert: Communication
    public var pipeline: Communication
    public var data: Communication
    public var tensor: Communication
    public var context: Communication
    /// Copies of activations to the host's memory and back; nil where nothing is offloaded.
    public var host: Communication?

    var kinds: [(name: String, time: Communication)] {
      [
        ("expert", expert), ("pipeline", pipeline), ("data", data), ("tensor", tensor),
        ("context", context),
      ] + (host.map { [("host", $0)] } ?? [])
    }
  }

  /// What depends on how much one multiprocessor of an expert exchange moves: at the rate that is computed
  /// with, and at the ends of what is plausible.
  public struct ExchangeRange: Encodable, Sendable {
    public struct Ends: Encodable, Sendable {
      public var low: Double
      public var stated: Double
      public var high: Double
    }

    public var multiprocessors: Int
    /// Bytes of rows a second.
    public var multiprocessorRate: Ends
    /// The payload of the longest exchange that differs.
    public var exchangeSeconds: Ends
    public var stepSeconds: Ends

    /// Simulates the step at both ends; nil where no exchange differs.
    init?(_ step: PlannedStep, stepSeconds: Double) {
      guard let range = step.exchangeRange else { return nil }
      multiprocessors = range.multiprocessors
      multiprocessorRate = Ends(
        low: range.rate.low, stated: range.rate.stated, high: range.rate.high)
      exchangeSeconds = Ends(
        low: range.secondsAtLow, stated: range.seconds, high: range.secondsAtHigh)
      self.stepSeconds = Ends(
        low: step.stepSeconds(exchangingAt: .low), stated: stepSeconds,
        high: step.stepSeconds(exchangingAt: .high))
    }

    /// What is said among the assumptions.
    var phrase: String {
      let rate = multiprocessorRate
      return
        "exchanges by \(counted(multiprocessors, "SM")) of \(BytesPerSecond(rate.stated)), where "
        + "\(BytesPerSecond(rate.low)) to \(BytesPerSecond(rate.high)) are plausible: the longest takes "
        + "\(Seconds(exchangeSeconds.low)) to \(Seconds(exchangeSeconds.high)), the step "
        + "\(fixed(stepSeconds.low, decimals: 3)) to \(fixed(stepSeconds.high, decimals: 3)) s"
    }
  }

  /// Bytes of one rank at its peak.
  public struct Memory: Encodable, Sendable {
    public var peak: Int
    /// What the caching allocator holds; of the fullest rank alone.
    public var reserved: Int?
    public var limit: Int
    /// What is left to everything beside PyTorch.
    public var reserve: Int
    public var parameters: Int
    public var gradients: Int
    public var optimizer: Int
    public var activations: Int
    public var communication: Int
    /// What the plan's framework holds beside.
    public var workspace: Int

    init(_ memory: StepReport.Memory) {
      peak = memory.peak
      reserved = memory.reservation?.reserved
      limit = memory.limit
      reserve = memory.reserve
      parameters = memory.parameters
      gradients = memory.gradients
      optimizer = memory.optimizer
      activations = memory.activations
      communication = memory.communication
      workspace = memory.workspace.reduce(0) { $0 + $1.bytes }
    }
  }

  /// What a framework holds beside, by its name.
  public struct Workspace: Encodable, Sendable {
    public var name: String
    public var bytes: Int
  }

  /// A pipeline position with what it holds.
  public struct Stage: Encodable, Sendable {
    public var position: Int
    public var stages: [Int]
    public var units: [String]
    public var splitSeconds: Split
    public var memoryBytes: Memory
    public var fits: Bool
  }

  /// What training on a number of tokens takes.
  public struct Budget: Encodable, Sendable {
    public var tokens: Double
    public var gpuHours: Double
    public var usDollars: Double
    public var days: Double
  }

  public var model: String
  public var cluster: String
  public var plan: String
  /// The library that multiplies the operands of linear maps.
  public var library: String?
  public var ranks: Int
  /// Ranks that were simulated, one for all that do the same or every one.
  public var simulatedRanks: Int
  public var degrees: Degrees
  /// The clock of the kernels, hertz, and what a device draws while they run, watts, where it is known.
  public var clockHertz: Double?
  public var watts: Double?
  public var powerCapWatts: Double?
  /// The mean over `seeds`, as is all that is in seconds here.
  public var stepSeconds: Double
  /// The standard deviation of the step over `seeds`; 0 with one.
  public var stepSecondsDeviation: Double
  public var seeds: Int
  public var splitSeconds: Split
  public var splitSecondsMean: Split
  public var splitSecondsByPosition: [Split]
  /// Seconds of the compute stream by class of kernel and by pass, at the position of `splitSeconds`;
  /// they add up to `busySeconds`.
  public var secondsByKernel: KernelSeconds
  /// What of the step the compute stream works at that position; the rest it waits.
  public var busySeconds: Double
  public var tokensPerStep: Int
  /// Padding behind whole documents, which comes beside them; nil where there is none.
  public var paddingTokensPerStep: Int?
  public var tokensPerSecond: Double
  public var tokensPerSecondPerGpu: Double
  public var tokensPerDay: Double
  public var tflopsPerGpu: Attention
  public var mfu: Attention
  public var hfu: Hardware
  public var gpuHoursPerTrillionTokens: Double
  public var usDollarsPerGpuHour: Double
  public var usDollarsPerTrillionTokens: Double
  public var budget: Budget?
  public var communicationSeconds: Communications
  public var exchangeRange: ExchangeRange?
  public var memoryBytes: Memory
  /// The parts of that rank's `workspace`.
  public var workspace: [Workspace]
  public var fullestPosition: Int
  public var fits: Bool
  public var stages: [Stage]
  public var operations: Int
  /// Inputs that no publication gives, as the plan and the cluster choose them.
  public var assumptions: [String]
  /// What measured runs say of the step, if that was asked for.
  public var anchored: AnchoredFigures?
  public var inputs: Inputs

  private enum CodingKeys: String, CodingKey {
    case anchored, model, cluster, plan, library, ranks, simulatedRanks, degrees
    case clockHertz, watts, powerCapWatts, stepSeconds, stepSecondsDeviation, seeds, splitSeconds
    case splitSecondsMean, splitSecondsByPosition, secondsByKernel, busySeconds
    case tokensPerStep, paddingTokensPerStep, tokensPerSecond
    case tokensPerSecondPerGpu, tokensPerDay, tflopsPerGpu, mfu, hfu, gpuHoursPerTrillionTokens
    case usDollarsPerGpuHour, usDollarsPerTrillionTokens, budget, communicationSeconds,
      exchangeRange,
      memoryBytes, fullestPosition, workspace
    case fits, stages, operations, assumptions, inputs
  }

  /// Reads a report.
  ///
  /// - Parameters:
  ///   - inputs: what the step was computed from.
  ///   - price: US dollars for a GPU for an hour; nil for the cluster's, else 2.
  ///   - tokens: a budget of tokens to price, if one is asked for.
  public init(
    _ report: StepReport, of step: PlannedStep, _ inputs: Inputs, price: Double? = nil,
    tokens: Double? = nil
  ) {
    let plan = step.placed.plan
    let price = price ?? step.cluster.price?.value ?? 2
    model = report.model
    cluster = report.cluster
    self.plan = report.plan
    library = step.pricing.library?.rawValue
    ranks = report.ranks
    simulatedRanks = report.simulatedRanks
    let mesh = plan.tensorParallel * plan.pipelineParallel * plan.contextParallel
    degrees = Degrees(
      dp: report.ranks / mesh, tp: plan.tensorParallel, pp: plan.pipelineParallel,
      cp: plan.contextParallel, ep: plan.expertParallel, etp: plan.expertTensorParallel)
    clockHertz = step.clock?.clock.value
    watts = step.clock?.power.value
    powerCapWatts = step.clock?.cap?.value
    stepSeconds = report.stepSeconds
    stepSecondsDeviation = report.stepSecondsDeviation
    seeds = report.seeds
    splitSeconds = Split(report.split)
    splitSecondsMean = Split(report.splitMean)
    splitSecondsByPosition = report.splitByPosition.map { Split($0) }
    secondsByKernel = KernelSeconds(report.kernels)
    busySeconds = Double(report.kernels.total) / 1e12
    tokensPerStep = report.tokensPerStep
    paddingTokensPerStep = report.paddingPerStep > 0 ? report.paddingPerStep : nil
    tokensPerSecond = report.tokensPerSecond
    tokensPerSecondPerGpu = report.tokensPerSecondPerGPU
    tokensPerDay = report.tokensPerDay
    tflopsPerGpu = Attention(
      causal: report.flopsPerGPUCausal / 1e12, nonCausal: report.flopsPerGPUNonCausal / 1e12)
    mfu = Attention(causal: report.mfuCausal, nonCausal: report.mfuNonCausal)
    hfu = Hardware(causal: report.hfuCausal)
    gpuHoursPerTrillionTokens = report.gpuHours(tokens: 1e12)
    usDollarsPerGpuHour = price
    usDollarsPerTrillionTokens = report.gpuHours(tokens: 1e12) * price
    budget = tokens.map { tokens in
      Budget(
        tokens: tokens, gpuHours: report.gpuHours(tokens: tokens),
        usDollars: report.gpuHours(tokens: tokens) * price, days: tokens / report.tokensPerDay)
    }
    communicationSeconds = Communications(
      expert: Communication(report.expert), pipeline: Communication(report.pipeline),
      data: Communication(report.data), tensor: Communication(report.tensor),
      context: Communication(report.context),
      host: report.host.total > 0 ? Communication(report.host) : nil)
    exchangeRange = ExchangeRange(step, stepSeconds: report.stepSeconds)
    memoryBytes = Memory(report.memory)
    workspace = report.memory.workspace.map { Workspace(name: $0.name, bytes: $0.bytes) }
    fullestPosition = report.memory.position
    fits = report.fits
    stages = report.stages.map { stage in
      Stage(
        position: stage.position, stages: stage.stages, units: stage.units,
        splitSeconds: Split(stage.split), memoryBytes: Memory(stage.memory),
        fits: stage.memory.fits)
    }
    operations = report.operations
    assumptions = Assumptions.of(step, exchangeRange)
    self.inputs = inputs
  }
}
