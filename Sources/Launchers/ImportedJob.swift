import Documents
import Models
import Plans

/// What the command line says of a job that its files do not.
public struct ImportSettings: Hashable, Sendable {
  /// GPUs of the job.
  public var ranks: Int?
  /// Tokens of the vocabulary, before any padding.
  public var vocabulary: Int?
  /// Tokens in a sequence, where no file says it.
  public var sequenceLength: Int?
  /// Variables of shell scripts that their environment sets.
  public var definitions: [String: String] = [:]
  /// Which job of a file that holds several.
  public var job: String?
  /// The model by its name or path, where the launcher's files do not describe it.
  public var model: String?

  public init() {}
}

/// A job of a launcher as a model and a plan, with what was made of each of its options.
public struct ImportedJob: Sendable {
  /// Whose files they are: `Megatron-LM`.
  public var launcher: String
  /// What the job is called, and the names of the model and the plan.
  public var name: String
  /// The `config.json` of the model.
  public var model: String
  /// The plan file.
  public var plan: String
  /// GPUs of the job.
  public var ranks: Int
  public var options: [ExplainedOption]
  /// Why the plan cannot be simulated for the model as it is; nil where it can.
  public var objection: String?
}

/// What a plan has to know of a model.
struct ModelFacts: Hashable, Sendable {
  var layers: Int
  var predictionModules: Int
  var hasExperts: Bool
  var hasDenseBlocks: Bool
  var isGated: Bool
  /// Layers on each stage, where a pattern of hybrid layers has bars.
  var segments: [Int]?

  init(_ model: ModelDescription) {
    layers = model.layers
    predictionModules = model.predictionModules
    hasExperts = model.mixture != nil
    segments = model.hybrid.map(\.pattern.segments).flatMap { $0.count > 1 ? $0 : nil }
    if let pattern = model.hybrid?.pattern {
      (hasExperts, hasDenseBlocks) = (pattern.count("E") > 0, pattern.count("-") > 0)
      isGated = model.activation == .swiglu || model.activation == .geglu
      return
    }
    hasDenseBlocks = model.mixture.map { !$0.layers.allSatisfy(\.self) } ?? true
    isGated = model.activation == .swiglu || model.activation == .geglu
  }

  init(_ model: Architecture) {
    layers = model.layerCount
    predictionModules = model.multiTokenPrediction
    hasExperts = model.feedForwards.contains { $0.mixture != nil }
    hasDenseBlocks = model.feedForwards.contains { $0.mixture == nil }
    // Experts and dense blocks of a model are of one kind.
    isGated = hasExperts || model.family.rawValue != "gpt2"
  }
}
