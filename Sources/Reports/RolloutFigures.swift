import Documents
import Quantities
import Simulation

/// The figures of a simulated step of reinforcement learning as programs read them.
public struct RolloutFigures: Encodable, Sendable {
  /// Seconds of each part by itself; where generators have devices of their own some run side by side.
  public struct Parts: Encodable, Sendable {
    public var generation: Double
    public var policyScores: Double
    public var referenceScores: Double
    public var rewards: Double
    public var training: Double
    public var weights: Double
    public var offload: Double
  }

  /// Bytes of the device that is fullest in training.
  public struct TrainingMemory: Encodable, Sendable {
    public var needed: Int
    public var limit: Int
  }

  public var model: String
  public var cluster: String
  public var plan: String
  public var generatorPlan: String
  public var gpus: Int
  public var answers: Int
  public var tokens: Int
  public var packedSequences: Int
  public var stepSeconds: Double
  public var partSeconds: Parts
  public var tokensPerSecondPerGpu: Double
  public var gpuHoursPerStep: Double
  public var generationShare: Double
  public var generators: Int
  public var places: Int
  public var meanActive: Double
  public var drainedShare: Double
  public var shareCut: Double
  public var trainingMemoryBytes: TrainingMemory
  /// Whether training fits its devices; generators get what places their caches allow.
  public var fits: Bool
  public var assumptions: [String]
  public var inputs: Inputs

  public init(_ report: RolloutReport, of planned: PlannedRollout, _ inputs: Inputs) {
    model = planned.architecture.name
    cluster = planned.cluster.name
    plan = planned.training.name
    generatorPlan = planned.generator.plan.name
    gpus = report.devices
    answers = report.answers
    tokens = report.tokens
    packedSequences = report.packed
    stepSeconds = report.seconds
    let parts = report.parts
    partSeconds = Parts(
      generation: parts.generation, policyScores: parts.policyScores,
      referenceScores: parts.referenceScores, rewards: parts.rewards, training: parts.training,
      weights: parts.weights, offload: parts.offload)
    tokensPerSecondPerGpu = report.tokensPerSecondPerDevice
    gpuHoursPerStep = report.seconds * Double(report.devices) / 3600
    generationShare = report.generationShare
    generators = report.generators
    places = report.places
    meanActive = report.meanActive
    drainedShare = report.drainedShare
    shareCut = report.shareCut
    trainingMemoryBytes = TrainingMemory(
      needed: report.training.peak + report.training.reserve, limit: report.training.limit)
    fits = report.trainingFits
    assumptions = report.assumptions
    self.inputs = inputs
  }
}
