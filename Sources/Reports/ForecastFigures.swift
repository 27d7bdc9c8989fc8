import Documents
import Forecasts
import Quantities
import Simulation

/// What `sluice forecast` shows: how long a run takes where things fail, what it costs, and what would help.
public struct ForecastFigures: Encodable, Sendable {
  /// Seconds over all runs that were tried.
  public struct Spread: Encodable, Sendable {
    public var mean: Double
    public var p5: Double
    public var p50: Double
    public var p95: Double
    public var standardError: Double
  }

  /// Means of what was lost, by what it was lost to.
  public struct Lost: Encodable, Sendable {
    public var detection: Double
    public var restart: Double
    public var recomputation: Double
    public var checkpoint: Double
    public var straggler: Double
    public var idle: Double
  }

  /// Steps of a phase that are alike.
  public struct Setting: Encodable, Sendable {
    public var globalBatch: Int
    /// With objective `grpo`, mean tokens of a completion with its prompt.
    public var sequenceTokens: Int
    public var steps: Int
    public var stepSeconds: Double
    /// nil where the step's time was given.
    public var mfu: Double?
    public var fits: Bool?
    /// Shares of a step of reinforcement learning, which are 1 together; nil for other steps.
    public var rollout: Rollout?
  }

  /// Where a step of reinforcement learning spends its time.
  public struct Rollout: Encodable, Sendable {
    public var generation: Double
    /// While fewer than half of a generator's completions are left; a part of `generation`.
    public var draining: Double
    public var scores: Double
    public var training: Double
    /// Judging, weights to the generators, state to the hosts and back.
    public var other: Double
    /// Completions that end at `max-tokens`.
    public var cutShare: Double
  }

  public struct Phase: Encodable, Sendable {
    public var name: String
    public var steps: Int
    public var tokens: Double
    /// Steps alone, each done once.
    public var productiveSeconds: Double
    public var productiveGpuHours: Double
    public var wallSeconds: Double
    public var gpuHours: Double
    public var settings: [Setting]
  }

  /// What one thing would save if it were better.
  public struct Improvement: Encodable, Sendable {
    public var change: String
    public var savedHours: Double
    public var standardError: Double
  }

  public var run: String
  public var gpus: Int
  public var runs: Int
  /// Of the runs that came to an end; nil where none did.
  public var wallSeconds: Spread?
  /// Of all runs in the mean, those that were given up until then.
  public var elapsedSeconds: Double
  public var productiveSeconds: Double
  public var goodput: Double
  /// What the steps took that count: longer on fewer replicas, on slow nodes and behind a start.
  public var secondsInSteps: Double
  public var lostSeconds: Lost
  public var gpuHours: Double
  public var productiveGpuHours: Double
  public var usDollars: Double
  public var usDollarsPerGpuHour: Double
  public var phases: [Phase]
  /// Failures of a run that stop it or send it back, in the mean.
  public var failures: Double
  /// Stops of a run that were wanted, in the mean, and what of the restarts lies in their ends and starts, and in
  /// first steps behind a start that take longer.
  public var plannedStops: Double
  public var plannedStopSeconds: Double
  public var warmUpSeconds: Double
  /// Seconds of steps that runs never do, in the mean.
  public var undoneSeconds: Double
  /// Runs that were given up since they never end.
  public var unfinishedRuns: Int
  /// nil where nothing fails; of all that follow, closed forms are nil with elastic resume too, and cadences
  /// without checkpoints.
  public var secondsBetweenFailures: Double?
  public var restartSeconds: Double
  public var checkpointBytes: Double
  public var checkpointStallSeconds: Double
  public var checkpointWritingSeconds: Double
  /// Work between checkpoints where most steps are; nil where there is one at the end of a phase alone.
  public var cadenceSeconds: Double?
  public var bestCadenceSeconds: Double?
  public var youngsCadenceSeconds: Double?
  public var dalysCadenceSeconds: Double?
  /// Daly's exact expectation, with one kind of restart and no waiting for nodes.
  public var expectedWallSeconds: Double?
  /// The same ratio to first order; nil where failures come so fast that nothing is left of it.
  public var firstOrderGoodput: Double?
  public var sensitivities: [Improvement]
  public var assumptions: [String]
  public var inputs: Inputs
  /// The wall's seconds of every run that ended, ascending, for the picture.
  let endings: [Double]
  /// Whether the closed forms leave out what silent corruption is like.
  let takesCorruptionForStops: Bool

  private enum CodingKeys: String, CodingKey {
    case run, gpus, runs, wallSeconds, elapsedSeconds, productiveSeconds, goodput
    case secondsInSteps, lostSeconds, gpuHours
    case productiveGpuHours, usDollars, usDollarsPerGpuHour, phases, failures, undoneSeconds,
      unfinishedRuns
    case plannedStops, plannedStopSeconds, warmUpSeconds
    case secondsBetweenFailures, restartSeconds, checkpointBytes, checkpointStallSeconds
    case checkpointWritingSeconds, cadenceSeconds, bestCadenceSeconds, youngsCadenceSeconds
    case dalysCadenceSeconds, expectedWallSeconds, firstOrderGoodput, sensitivities, assumptions
    case inputs
  }

  /// Reads a forecast of a run.
  public init(
    _ forecast: Forecast, of planned: PlannedRun, _ sensitivities: [Sensitivity],
    price: Double?, _ inputs: Inputs
  ) {
    let model = planned.model
    let hours = Double(planned.ranks) / 3600
    run = planned.name
    gpus = planned.ranks
    runs = forecast.runs
    wallSeconds = forecast.ended.map {
      Spread(mean: $0.mean, p5: $0.p5, p50: $0.p50, p95: $0.p95, standardError: $0.error)
    }
    elapsedSeconds = forecast.wall.mean
    productiveSeconds = forecast.productiveSeconds
    goodput = forecast.goodput
    secondsInSteps = forecast.stepSeconds
    let lost = forecast.lost
    lostSeconds = Lost(
      detection: lost.detection, restart: lost.restart, recomputation: lost.recomputation,
      checkpoint: lost.checkpoint, straggler: lost.straggler, idle: lost.idle)
    gpuHours = forecast.wall.mean * hours
    productiveGpuHours = forecast.productiveSeconds * hours
    usDollarsPerGpuHour = price ?? planned.cluster.price?.value ?? 2
    usDollars = gpuHours * usDollarsPerGpuHour
    phases = Self.phases(forecast, planned)
    failures = forecast.failures
    plannedStops = forecast.plannedStops
    plannedStopSeconds = forecast.plannedSeconds
    warmUpSeconds = forecast.warmUpSeconds
    undoneSeconds = forecast.undoneSeconds
    unfinishedRuns = forecast.unfinished
    restartSeconds = model.restartSeconds
    checkpointBytes = planned.checkpointBytes
    checkpointStallSeconds = model.checkpoints.stall
    checkpointWritingSeconds = model.checkpoints.writing
    cadenceSeconds = planned.cadenceSeconds
    let between = model.meanTimeBetweenFailures
    if between.isFinite {
      secondsBetweenFailures = between
    }
    // Of replicas that keep their state no closed form is known.
    if model.hasClosedForms {
      let stall = model.checkpoints.stall
      if let best = model.bestCadenceSeconds {
        bestCadenceSeconds = best
        youngsCadenceSeconds = ClosedForms.youngsInterval(checkpoint: stall, between: between)
        dalysCadenceSeconds = ClosedForms.dalysInterval(checkpoint: stall, between: between)
      }
      let expected = model.expectedWallSeconds
      expectedWallSeconds = expected.isFinite ? expected : nil
      let firstOrder = planned.cadenceSeconds.map {
        ClosedForms.effectiveTrainingRatio(
          interval: $0, restart: model.restartSeconds, checkpoint: stall, between: between)
      }
      // To first order a failure is rare: below nothing the form does not hold.
      firstOrderGoodput = firstOrder.flatMap { $0 > 0 ? $0 : nil }
    }
    self.sensitivities = sensitivities.map {
      Improvement(
        change: $0.change, savedHours: $0.savedSeconds / 3600, standardError: $0.error / 3600)
    }
    assumptions = planned.assumptions + Assumptions.ofSteps(planned)
    takesCorruptionForStops = model.takesCorruptionForStops
    if takesCorruptionForStops {
      assumptions.append(
        "closed forms take silent corruption for a stop that is known at once, the runs do not")
    }
    self.inputs = inputs
    endings = zip(forecast.wallSeconds, forecast.isEnded).filter(\.1).map(\.0).sorted()
  }

  private static func phases(_ forecast: Forecast, _ planned: PlannedRun) -> [Phase] {
    let hours = Double(planned.ranks) / 3600
    return planned.phases.enumerated().map { number, name in
      let parts = planned.parts.filter { $0.phase == number }
      let productive = parts.reduce(0) { $0 + Double($1.steps) * $1.stepSeconds }
      let wall = forecast.phaseSeconds[number]
      return Phase(
        name: name, steps: parts.reduce(0) { $0 + $1.steps },
        tokens: parts.reduce(0) { $0 + Double($1.steps) * $1.tokens },
        productiveSeconds: productive, productiveGpuHours: productive * hours,
        wallSeconds: wall, gpuHours: wall * hours,
        settings: parts.map(setting))
    }
  }

  private static func setting(_ part: PlannedRun.Part) -> Setting {
    Setting(
      globalBatch: part.globalBatch,
      sequenceTokens: part.completionTokens.map { Int($0.rounded()) } ?? part.sequenceLength,
      steps: part.steps, stepSeconds: part.stepSeconds, mfu: part.report?.mfuCausal,
      fits: part.report?.fits ?? part.rollout?.trainingFits, rollout: part.rollout.map(rollout))
  }

  private static func rollout(_ report: RolloutReport) -> Rollout {
    let (parts, whole) = (report.parts, report.seconds)
    let generation = parts.generation / whole
    return Rollout(
      generation: generation, draining: generation * report.drainedShare,
      scores: (parts.policyScores + parts.referenceScores) / whole,
      training: parts.training / whole,
      other: (parts.rewards + parts.weights + parts.offload) / whole, cutShare: report.shareCut)
  }
}
