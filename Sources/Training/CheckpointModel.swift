import Checkpoints
import Documents
import Foundation
import MessagePassing
import Models
import Plans
import Quantities
import Tokens

/// A checkpoint's model to ask for losses and scores: the engine's forward alone.
///
/// Usable on one rank, or on several that share out the sequences of an evaluation and the layers of a
/// generation. There is no memory for gradients and optimizer state.
public struct CheckpointModel: Sendable {
  public let reader: CheckpointReader
  /// The model without its prediction modules.
  public let architecture: Architecture
  /// Who says by which tokenizer the model reads and writes.
  public let tokenizers: TokenizerChoice

  /// Opens a checkpoint, or the newest one of a run's folder; with checksums, every byte is read.
  ///
  /// - Parameter tokenizer: `bytes` or a path, for a checkpoint that carries none.
  /// - Throws: `CheckpointError`, `ConfigurationError`.
  public init(path: String, tokenizer: String? = nil) throws {
    let path = Self.newest(in: path)
    reader = try CheckpointReader(path: path)
    try reader.verify()
    architecture = try reader.admitted(for: reader.architecture.withoutMultiTokenPrediction)
      .architecture
    try architecture.checkRuntime(file: "\(path)/config.json", key: "model_type", use: "run")
    tokenizers = try TokenizerChoice(given: tokenizer, key: "--tokenizer", folder: path)
  }

  /// The newest checkpoint of a folder that holds a run's; any other path as it is.
  private static func newest(in path: String) -> String {
    let isCheckpoint = FileManager.default.fileExists(atPath: "\(path)/config.json")
    return isCheckpoint ? path : CheckpointFolder(path: path).latest ?? path
  }

  /// What ends the completions that the model makes of texts.
  func ends(by tokenizer: Tokenizer) throws(ConfigurationError) -> Set<Int32> {
    CompletionEnds(
      of: tokenizer,
      declared: try CompletionEnds.declared(by: reader.configuration, inFolder: reader.path),
      vocabulary: architecture.vocabularySize
    ).ofTexts.all
  }

  /// Refuses sequences that the model has no positions for.
  func check(length: Int, of what: String) throws(ConfigurationError) {
    guard length <= architecture.maximumPositions else {
      throw ConfigurationError(
        file: what,
        rule: "has a sequence of \(length) tokens, and the model takes "
          + "\(architecture.maximumPositions) at most")
    }
  }
}

/// A model's loss on some data.
public struct Evaluation: Hashable, Sendable {
  /// The mean cross-entropy over all predicted tokens, in nats.
  public var loss: Double
  /// Tokens that were predicted.
  public var tokens: Int
  public var sequences: Int
}

extension CheckpointModel {
  /// The mean cross-entropy over all predicted tokens of `data`; a collective.
  ///
  /// Rows are taken as they are; a stream is cut into windows of `sequenceLength` predicted tokens.
  public func evaluate(
    _ data: TokenData, sequenceLength: Int, _ communicator: any Communicator
  ) throws -> Evaluation {
    try data.check(vocabulary: architecture.vocabularySize)
    let sequences = try EvaluationSequences(data, sequenceLength: sequenceLength)
    let lengths = try (0..<sequences.count).map { try sequences.sequence($0).labels.count }
    let length = lengths.max() ?? 1
    try check(length: length, of: data.file)
    let batch = communicator.size * max(1, min(8, sequences.count / communicator.size))
    let source = PaddedSequences(length: length)
    var plan = Plan()
    plan.dataParallel = communicator.size
    plan.globalBatch = batch
    plan.sequenceLength = length
    plan.precision = .float32
    let model = try ForwardRank(architecture, plan, communicator, source, .evaluation)
    try model.load(reader)
    var sum = 0.0
    for first in stride(from: 0, to: sequences.count, by: batch) {
      let end = min(first + batch, sequences.count)
      source.rows = try (first..<end).map { index in
        let sequence = try sequences.sequence(index)
        return sequence.inputs + sequence.labels.suffix(1)
      }
      // Padding has no label, so the mean is over what was to be predicted.
      sum += try model.evaluate().loss * Double(lengths[first..<end].reduce(0, +))
    }
    let tokens = lengths.reduce(0, +)
    return Evaluation(loss: sum / Double(tokens), tokens: tokens, sequences: sequences.count)
  }

  /// Refuses what `generate` cannot do, before anything is computed.
  ///
  /// - Throws: `ConfigurationError` where prompt and count exceed the model's positions: nothing is
  ///   forgotten to make room; `TrainingError` where there are more ranks than parts of the model.
  public func checkGeneration(after prompt: Int, count: Int, ranks: Int) throws {
    try check(length: prompt + count, of: "--prompt with --tokens")
    guard ranks <= architecture.units.count else {
      throw TrainingError.plan(
        "\(ranks) ranks were started, and the model has \(architecture.units.count) parts "
          + "(embedding, layers, head) to share out")
    }
  }

  /// Continues a text token by token; a collective, every rank gets the same tokens.
  ///
  /// The prompt is fed at once and each further token by itself, with what went before in caches. Several
  /// ranks share the layers out as a pipeline.
  ///
  /// - Parameters:
  ///   - prompt: at least one token.
  ///   - count: how many tokens are made, fewer if the text ends.
  ///   - tokenizer: which tokens there are; the text ends as it and the model's folder say.
  ///   - each: given every token as soon as it is chosen.
  /// - Throws: what `checkGeneration` throws, and `TrainingError` where the model gives scores that are not
  ///   numbers.
  public func generate(
    after prompt: [Int], count: Int, _ sampling: Sampling, seed: UInt64,
    by tokenizer: Tokenizer, _ communicator: any Communicator, each: (Int) throws -> Void
  ) throws {
    precondition(!prompt.isEmpty && count >= 0)
    try checkGeneration(after: prompt.count, count: count, ranks: communicator.size)
    if count == 0 { return }
    var plan = Plan()
    plan.pipelineParallel = communicator.size
    // The last token is chosen and not fed.
    let generator = try TextGenerator(
      architecture, plan, communicator, prompt: prompt.count,
      positions: prompt.count + count - 1)
    try generator.load(reader)
    var chance = SeededGenerator(seed: seed, stream: 0)
    let known = min(architecture.vocabularySize, tokenizer.vocabularySize)
    let ends = try ends(by: tokenizer)
    var next = prompt.map { Int32($0) }
    for _ in 0..<count {
      let scores = try generator.feed(next)
      next = [-1]
      if let scores, communicator.rank == generator.root,
        Sampling.canChoose(from: scores[..<known])
      {
        next = [Int32(sampling.token(from: scores[..<known], using: &chance))]
      }
      try communicator.broadcast(&next, from: generator.root)
      guard next[0] >= 0 else { throw TrainingError.notFiniteScores }
      if ends.contains(next[0]) { return }
      try each(Int(next[0]))
    }
  }
}

/// Rows of at most so many tokens, filled up with −1, which has no label; rows that are missing are
/// all filling.
private final class PaddedSequences: SequenceSource {
  private let length: Int
  var rows: [[Int32]] = []

  init(length: Int) { self.length = length }

  func withSequence(_ index: Int, _ body: (UnsafeBufferPointer<Int32>) -> Void) {
    let row = index < rows.count ? rows[index] : []
    let padding = [Int32](repeating: -1, count: length + 1 - row.count)
    (row + padding).withUnsafeBufferPointer(body)
  }
}
