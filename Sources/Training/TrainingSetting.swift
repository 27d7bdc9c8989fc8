import Models
import Plans
import Programs
import Runs

/// What a step needs to know beside model and plan.
public struct TrainingSetting: Hashable, Sendable {
  public var beta1 = 0.9
  public var beta2 = 0.95
  public var epsilon = 1e-8
  /// Decoupled weight decay.
  public var weightDecay = 0.1
  /// Vectors, which are norms and biases, do not decay.
  public var decaysMatricesOnly = false
  /// The norm that gradients are scaled down to; nil for no clipping.
  public var clipNorm: Double?
  /// The weight of the sequence-wise balance loss of experts (α of DeepSeek-V3).
  public var balanceWeight = 0.0
  /// How far a correction bias moves per step (γ of DeepSeek-V3).
  public var biasSpeed = 0.0
  /// The weight of the prediction modules' mean loss (λ of DeepSeek-V3).
  public var predictionWeight = 0.3
  /// What the head's loss is made of.
  public var objective = Objective.crossEntropy
  /// The numbers of a clipped policy gradient.
  public var policy = PolicyLoss()

  /// AdamW with DeepSeek-V3's betas and decay (report, section 4.2), without clipping.
  public init() {}

  /// Labels of a module in a whole step: of each sequence all positions but as many as it looks further.
  func labels(module: Int, _ plan: Plan) -> Int {
    plan.globalBatch * max(0, plan.sequenceLength - module)
  }

  /// What the gradient of a module's summed cross-entropy is multiplied by.
  ///
  /// - Parameter known: the step's labels where its source counts them.
  func gradientScale(module: Int, _ assignment: RankAssignment, known: Int?) -> Double {
    let labels = Double(max(1, known ?? labels(module: module, assignment.plan)))
    if module == 0 { return 1 / labels }
    return predictionWeight / Double(assignment.architecture.multiTokenPrediction) / labels
  }
}

/// Why training cannot go on or cannot begin.
public enum TrainingError: Error, Hashable, Sendable {
  /// Loss or gradient norm is not a number.
  case notFinite(step: Int, loss: Double, norm: Double)
  /// The loss of a forward that nothing is learnt from is not a number.
  case notFiniteEvaluation(loss: Double)
  /// A model that samples gives scores that are not numbers.
  case notFiniteScores
  /// The world has another number of ranks than the plan.
  case worldSize(ranks: Int, plan: Int)
  /// The plan asks for something that CPU ranks do not do.
  case unsupported(String)
  /// The plan does not fit the model.
  case plan(String)
}

extension TrainingError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .notFinite(let step, let loss, let norm):
      // Swift writes the sign of what is no number.
      "step \(step): the loss is \(loss.isNaN ? .nan : loss) and the gradient norm "
        + "\(norm.isNaN ? .nan : norm); training cannot go on"
    case .notFiniteEvaluation(let loss):
      "the loss is \(loss): the model's scores are not numbers; nothing can be evaluated with them"
    case .notFiniteScores: "the model's scores are not numbers; nothing can be sampled from them"
    case .worldSize(let ranks, let plan):
      "the plan needs \(plan) ranks, but \(ranks) were started"
    case .unsupported(let what): "CPU ranks do not do this: \(what)"
    case .plan(let why): why
    }
  }
}
