import MessagePassing
import Models
import Plans

/// Completions of many prompts by one checkpoint's model.
///
/// Weights are read once. A prompt is fed once for all its samples: each goes on from the caches that the
/// prompt left, and writes over what the one before wrote behind them. All ranks ask alike; they share
/// the layers out as a pipeline, and all get the same tokens.
public final class AnswerSampler {
  private let single: ForwardRank
  private var ofLength: [Int: ForwardRank] = [:]
  private let fed = FedText()
  private let communicator: any Communicator
  private let tokenizer: Tokenizer
  private let known: Int
  /// The rank whose scores all others take the next token from.
  private let root: Int
  /// Tokens of a prompt and its completion together.
  public let positions: Int

  /// Takes up a rank's part of the model; a collective.
  ///
  /// - Parameters:
  ///   - tokenizer: which tokens there are, and which of them ends a text.
  ///   - positions: tokens of a prompt and its completion together; memory for as many is taken.
  /// - Throws: `ConfigurationError` where the model has fewer positions, `TrainingError` where there are
  ///   more ranks than parts of the model, `CheckpointError` where its weights cannot be read.
  public init(
    _ model: CheckpointModel, by tokenizer: Tokenizer, positions: Int,
    _ communicator: any Communicator
  ) throws {
    precondition(positions > 1)
    try model.checkGeneration(after: positions, count: 0, ranks: communicator.size)
    var plan = Plan()
    plan.pipelineParallel = communicator.size
    plan.microbatchSize = 1
    plan.globalBatch = 1
    plan.sequenceLength = 1
    plan.precision = .float32
    single = try ForwardRank(
      model.architecture.withoutMultiTokenPrediction, plan, communicator, fed,
      .generation(positions: positions))
    try single.load(model.reader)
    root = plan.mesh.rank(
      at: Mesh.Coordinates(data: 0, pipeline: plan.pipelineParallel - 1))
    known = min(model.architecture.vocabularySize, tokenizer.vocabularySize)
    self.communicator = communicator
    self.tokenizer = tokenizer
    self.positions = positions
  }

  /// Completions of a prompt, the token that ends a text left out; a collective.
  ///
  /// - Parameters:
  ///   - count: the most tokens of a completion, its end included.
  ///   - chance: from where a sample's chance comes, by its index; the same for the same generator,
  ///     whatever was asked before.
  /// - Returns: for each sample its tokens, and whether it ended by itself.
  public func answers(
    to prompt: [Int], samples: Int, count: Int, _ sampling: Sampling,
    chance: (Int) -> SeededGenerator
  ) throws -> [(tokens: [Int], hasEnded: Bool)] {
    precondition(!prompt.isEmpty && prompt.count + count <= positions && count > 0)
    let rank = try rank(forLength: prompt.count)
    let first = try feed(prompt.map { Int32($0) }, behind: 0, to: rank)
    var answers: [(tokens: [Int], hasEnded: Bool)] = []
    for sample in 0..<samples {
      var generator = chance(sample)
      var scores = first
      var tokens: [Int] = []
      var hasEnded = false
      while tokens.count < count {
        let token = try choose(scores, sampling, &generator)
        hasEnded = token == tokenizer.completionEnd
        if hasEnded { break }
        tokens.append(token)
        guard tokens.count < count else { break }
        scores = try feed([Int32(token)], behind: prompt.count + tokens.count - 1, to: single)
      }
      answers.append((tokens, hasEnded))
    }
    return answers
  }

  /// The next token, chosen by the rank that has the scores.
  private func choose(
    _ scores: [Float]?, _ sampling: Sampling, _ generator: inout SeededGenerator
  ) throws -> Int {
    var next: [Int32] = [0]
    if let scores, communicator.rank == root {
      let own = scores[..<known]
      next = [
        own.allSatisfy(\.isFinite) ? Int32(sampling.token(from: own, using: &generator)) : -1
      ]
    }
    if communicator.size > 1 { try communicator.broadcast(&next, from: root) }
    guard next[0] >= 0 else { throw TrainingError.notFiniteScores }
    return Int(next[0])
  }

  /// The same parameters and caches for prompts of a length.
  private func rank(forLength length: Int) throws -> ForwardRank {
    if length == 1 { return single }
    if let known = ofLength[length] { return known }
    let rank = try single.forLength(length)
    ofLength[length] = rank
    return rank
  }

  /// Scores of what follows some tokens, of which the caches hold those in front.
  private func feed(
    _ tokens: [Int32], behind cached: Int, to rank: ForwardRank
  ) throws -> [Float]? {
    fed.text = tokens
    rank.backend.cached = rank.backend.cached.map { _ in cached }
    var scores: [Float]?
    _ = try rank.run(.logits { _, _, values in scores = Array(values) })
    return scores
  }
}

/// The tokens that are fed next.
private final class FedText: SequenceSource {
  var text: [Int32] = []

  func withSequence(_ index: Int, _ body: (UnsafeBufferPointer<Int32>) -> Void) {
    (text + [-1]).withUnsafeBufferPointer(body)
  }
}
