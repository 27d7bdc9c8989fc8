import Documents
import Models
import Plans
import Tokens

/// A training run as its file describes it: what is trained on what, how, and for how long.
///
/// Everything is resolved: names to descriptions, relative paths to paths, lengths in tokens to
/// steps.
public struct RunFile: Hashable, Sendable {
  /// What the run is called in reports.
  public var name: String
  /// From where all chance comes: initial weights and the order of data.
  public var seed: UInt64
  public var model: ModelSettings
  public var objective: Objective
  public var data: DataSettings
  /// nil but for the objective `grpo`.
  public var policy: PolicySettings?
  public var plan: Plan
  /// Whether the plan says its precision: one in a run's own file that says none means float32.
  public var hasPrecision: Bool
  /// The plan's own file; nil where it stands in the run file or ships.
  public var planFile: String?
  /// What the command line replaced of the plan that the file names, each `key=value`.
  public var planOverrides: [String]
  public var optimizer: OptimizerSettings
  public var learningRate: LearningRate
  /// The global batch of each step; the plan's `globalBatch` is its final value.
  public var batch: BatchRamp
  /// Optimizer updates in the whole run.
  public var steps: Int
  /// nil where nothing is evaluated.
  public var evaluation: EvaluationSettings?
  /// nil where no checkpoint is written.
  public var checkpoints: CheckpointSettings?
  /// How the run is kept going where something fails, for forecasts; nil where the file says nothing of it.
  public var recovery: RecoverySettings?
  public var log: LogSettings
  /// The file as messages name it.
  public var file: String
  /// The checksum of file and overrides, for the ranks to agree on.
  public var checksum: UInt64

  /// What is trained.
  public struct ModelSettings: Hashable, Sendable {
    public var architecture: Architecture
    /// The same with prediction modules that are not trained, which generators draft with.
    public var withDrafts: Architecture
    /// The `config.json`, as it goes into checkpoints.
    public var configuration: [UInt8]
    /// Where that was read from; nil for a model that ships.
    public var file: String?
    /// The checkpoint that weights are taken from; nil for random ones.
    public var checkpoint: String?
    /// The weight of the loss of multi-token prediction, by step (λ).
    public var predictionWeight: Piecewise
    /// The weight of the sequence-wise balance loss of routers (α).
    public var balanceWeight: Double
    /// How far a router's correction bias moves in a step, by step (γ).
    public var biasSpeed: Piecewise
  }

  /// What it is trained on.
  public struct DataSettings: Hashable, Sendable {
    /// One file, or several texts one behind the other.
    public var training: [String]
    /// Of demonstrations, how often those of each file are taken; empty where all count alike.
    public var weights: [Double] = []
    public var form: TokenData.Form
    /// The width of numbers in a token file; nil for what is written beside it.
    public var width: TokenFile.Width?
    /// `bytes`, or the path of a `tokenizer.json`; nil where the run does not say it.
    public var tokenizer: String?
    /// The share at the end of a stream that is kept for evaluation.
    public var holdOut: Double
    /// A file of its own for evaluation.
    public var evaluation: String?
  }

  /// AdamW's numbers.
  public struct OptimizerSettings: Hashable, Sendable {
    /// Which parameters decay.
    public enum Decay: String, Hashable, Sendable, CaseIterable {
      case all
      /// Tensors of two dimensions: no norms, no biases.
      case matrices
    }

    public var beta1: Double
    public var beta2: Double
    public var epsilon: Double
    public var weightDecay: Double
    public var decay: Decay
    /// The gradient norm above which gradients are scaled down to it; nil to leave them.
    public var clip: Double?
  }

  /// When and on how much the model is evaluated.
  public struct EvaluationSettings: Hashable, Sendable {
    /// Steps between two evaluations; the last step is always followed by one.
    public var every: Int
    /// Sequences of the evaluation data that are used, from its beginning; nil for all.
    public var sequences: Int?
  }

  /// When and where checkpoints are written.
  public struct CheckpointSettings: Hashable, Sendable {
    public var folder: String
    /// Steps between two checkpoints; the last step is always followed by one.
    public var every: Int
    /// Checkpoints that are kept.
    public var keep: Int
    /// Whether they are copied between two steps and written while the next ones run.
    public var isAsynchronous = false
  }

  /// Where numbers go.
  public struct LogSettings: Hashable, Sendable {
    /// A file with one JSON object a line; nil for none.
    public var file: String?
    /// Steps between two lines.
    public var every: Int
    /// A folder of TensorBoard's event files; nil for none.
    public var tensorboard: String?
    /// A file with completions of rollouts; nil for none.
    public var samples: String?
  }
}

extension RunFile {
  /// The plan of the step that begins after `seen` sequences.
  public func plan(after seen: Int) -> Plan {
    var plan = plan
    plan.globalBatch = batch.batch(after: seen)
    return plan
  }
}

/// A number that changes at given steps.
public struct Piecewise: Hashable, Sendable {
  /// A value and the step from which it no longer holds; nil for the last.
  public struct Piece: Hashable, Sendable {
    public var value: Double
    public var until: Int?

    public init(value: Double, until: Int?) {
      self.value = value
      self.until = until
    }
  }

  public var pieces: [Piece]

  /// Pieces in order; there must be one.
  public init(pieces: [Piece]) {
    precondition(!pieces.isEmpty)
    self.pieces = pieces
  }

  /// One value for all steps.
  public init(_ value: Double) { pieces = [Piece(value: value, until: nil)] }

  /// The value of a step, counted from 0.
  public func value(atStep step: Int) -> Double {
    (pieces.first { step < $0.until ?? .max } ?? pieces[pieces.count - 1]).value
  }

  /// Whether the value is 0 at every step.
  public var isZero: Bool { pieces.allSatisfy { $0.value == 0 } }
}
