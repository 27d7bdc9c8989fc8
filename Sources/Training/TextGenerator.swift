import Checkpoints
import Documents
import MessagePassing
import Models
import Plans
import Tokens

/// Scores of a text's next token, token by token: what was fed before is kept in caches.
///
/// A cache holds keys and values of every layer, of latent attention the latent and the rotated key
/// alone. The prompt is fed at once and every later token by itself, each as a forward of the same
/// stages through the engine. All ranks feed the same tokens; with pipeline parallelism each holds the
/// caches of its own layers, with data parallelism every copy computes the same.
public final class TextGenerator {
  private let prompt: ForwardRank
  private let single: ForwardRank
  private let tokens = FedTokens()
  /// The tokens that may be fed in all.
  public let positions: Int
  /// The tokens that have been fed.
  public private(set) var fed = 0
  /// What this rank did in the last forward.
  public private(set) var ledger = Ledger()
  /// The rank whose scores all others take the next token from.
  public let root: Int

  /// Takes up a rank's part; parameters are zero until they are loaded.
  ///
  /// - Parameters:
  ///   - plan: degrees of parallelism; batch and length follow from the rest.
  ///   - length: tokens of the prompt.
  ///   - positions: tokens that may be fed in all; memory for as many is taken at once.
  /// - Throws: `TrainingError`, `PlanError` or `ScheduleError` where plan, model and ranks do not fit one
  ///   another.
  public init(
    _ architecture: Architecture, _ plan: Plan, _ communicator: any Communicator,
    prompt length: Int, positions: Int
  ) throws {
    precondition(length > 0 && positions >= length, "a prompt fits the positions")
    var plan = plan
    plan.microbatchSize = 1
    plan.globalBatch = plan.dataParallel
    plan.sequenceLength = length
    plan.precision = .float32
    prompt = try ForwardRank(
      architecture.withoutMultiTokenPrediction, plan, communicator, tokens,
      .generation(positions: positions))
    single = try prompt.forLength(1)
    self.positions = positions
    root = plan.mesh.rank(
      at: Mesh.Coordinates(data: 0, pipeline: plan.pipelineParallel - 1))
  }

  /// The tensors of this rank, in the order of stages.
  public var slices: [ParameterSlice] { prompt.slices }

  /// The values of a tensor on this rank.
  public func values(_ slice: ParameterSlice) -> UnsafeMutableBufferPointer<Float> {
    prompt.values(slice)
  }

  /// Takes the weights of a checkpoint.
  public func load(_ checkpoint: CheckpointReader) throws(CheckpointError) {
    try prompt.load(checkpoint)
  }

  /// Feeds the whole prompt, or behind it one token; a collective.
  ///
  /// - Returns: one score per token of the vocabulary; nil on a rank without the head.
  public func feed(_ text: [Int32]) throws -> [Float]? {
    precondition(text.count == (fed == 0 ? prompt.plan.sequenceLength : 1), "first the prompt")
    precondition(fed + text.count <= positions, "the caches are full")
    tokens.text = text
    let rank = fed == 0 ? prompt : single
    rank.backend.cached = rank.backend.cached.map { _ in fed }
    var scores: [Float]?
    ledger = try rank.run(.logits { _, _, values in scores = Array(values) })
    fed += text.count
    return scores
  }
}

/// The tokens that are fed next, the same for every sequence.
private final class FedTokens: SequenceSource {
  var text: [Int32] = []

  func withSequence(_ index: Int, _ body: (UnsafeBufferPointer<Int32>) -> Void) {
    (text + [-1]).withUnsafeBufferPointer(body)
  }
}
