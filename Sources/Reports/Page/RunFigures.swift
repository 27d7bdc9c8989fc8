import Foundation
import Quantities
import Schedules

/// What a real run did, as its page needs it.
public struct RunFigures: Sendable {
  /// One step, as the run's log has it.
  public struct Step: Sendable {
    public var step: Int
    /// The line of the log: one JSON object.
    public var line: String
    public var loss: Double?
    public var predictionLoss: Double?
    public var evaluationLoss: Double?
    public var gradientNorm: Double?
    public var learningRate: Double?
    public var seconds: Double?
    public var tokensPerSecond: Double?
    public var peakBytes: Int?
    /// The model's FLOPs over what the ranks reach in products.
    public var utilization: Double?
    /// Time of each kind of work on the slowest rank, and what of it was exposed.
    public var times: [(kind: String, seconds: Double, exposed: Double?)] = []
    /// The largest load of an expert over the mean, by layer.
    public var imbalance: [(layer: Int, value: Double)] = []
    /// What a policy's update was like; nil for other objectives.
    public var policy: Policy?

    public init(step: Int, line: String) { (self.step, self.line) = (step, line) }
  }

  /// A policy's update, and what the policy does with held-out prompts, if it was asked then.
  public struct Policy: Sendable {
    public var reward: Double?
    /// From the reference, in nats.
    public var divergence: Double?
    /// Nats a token.
    public var entropy: Double?
    /// Tokens of a completion.
    public var meanLength: Double?
    /// The share of completions that were cut at their limit.
    public var clippedShare: Double?
    public var heldOutAccuracy: Double?
    public var heldOutLength: Double?

    public init() {}
  }

  /// A completion that the run sampled, as its log of samples has it.
  public struct Sample: Sendable {
    /// The update that learnt from it.
    public var step: Int
    public var prompt: String
    public var completion: String
    public var reward: Double

    public init(step: Int, prompt: String, completion: String, reward: Double) {
      (self.step, self.prompt) = (step, prompt)
      (self.completion, self.reward) = (completion, reward)
    }
  }

  public var name: String
  public var ranks: Int
  public var parameters: Int
  public var steps: [Step]
  /// Of the first rollout and of the last one, a group each.
  public var samples: [Sample] = []
  public var inputs: Inputs
  public var isFinished: Bool
  /// What was told at its end; nil for what the steps say alone.
  public var told: RunSummary?
  /// The parts of `RunLanes` of the ranks in one step, its number and the schedule.
  public var recorded: (parts: [String], step: Int, schedule: Schedule)?
  /// What a cluster of CPU ranks says of that step, and its parts for the picture.
  public var prediction: (figures: PredictionFigures, parts: [String])?

  public init(
    name: String, ranks: Int, parameters: Int, steps: [Step], inputs: Inputs, isFinished: Bool
  ) {
    (self.name, self.ranks, self.parameters) = (name, ranks, parameters)
    (self.steps, self.inputs, self.isFinished) = (steps, inputs, isFinished)
  }
  /// What it has come to: the words of its end, in the text and on the page.
  var summary: RunSummary {
    var summary = told ?? RunSummary(name: name, ranks: ranks, parameters: parameters)
    if told == nil { for step in steps { summary.add(step) } }
    summary.isFinished = isFinished
    return summary
  }
}
