import MessagePassing
import Models
import Plans
import Quantities
import Tokens

/// Completions of many prompts by one checkpoint's model.
///
/// Weights are read once. All samples of all prompts go through the blocks of a `RolloutGenerator`, so
/// that an answer follows from its prompt, the seed and its number alone: who else is asked, in which
/// order and in how many rows, changes no bit. All ranks ask alike; they share the layers out as a
/// pipeline, and all get the same tokens.
public final class AnswerSampler {
  /// A question that is asked some times over.
  public struct Prompt: Hashable, Sendable {
    public var tokens: [Int]
    /// What the chance of its samples follows from, beside the seed: its number among all questions.
    public var number: Int

    /// - Precondition: there are tokens.
    public init(tokens: [Int], number: Int) {
      precondition(!tokens.isEmpty)
      (self.tokens, self.number) = (tokens, number)
    }
  }

  /// What one sample gave.
  public struct Answer: Hashable, Sendable {
    /// The token that ends a text left out.
    public var tokens: [Int]
    /// Whether it ended by itself, not at the most tokens that it may have.
    public var hasEnded: Bool
  }

  /// Bytes of caches that all blocks of a rank may take together; one block is taken in any case.
  private static let mostCacheBytes = 1 << 30

  private let generator: RolloutGenerator
  /// Tokens of a prompt and its completion together.
  public let positions: Int
  /// Samples that are made at once.
  public var rows: Int { generator.rows }

  /// Takes up a rank's part of the model; a collective.
  ///
  /// - Parameters:
  ///   - tokenizer: which tokens there are; answers end as it and the model's folder say.
  ///   - positions: tokens of a prompt and its completion together; memory for as many is taken.
  ///   - wanted: samples of all prompts together; more than there are rows wait for one.
  ///   - mostBlocks: blocks of 32 rows at most, nil for as many as the ranks ask for; fewer where their caches would take more than 1 GiB.
  /// - Throws: `ConfigurationError` where the model has fewer positions, `TrainingError` where there are
  ///   more ranks than parts of the model, `CheckpointError` where its weights cannot be read.
  package init(
    _ model: CheckpointModel, by tokenizer: Tokenizer, positions: Int, wanted: Int,
    mostBlocks: Int? = nil, _ communicator: any Communicator
  ) throws {
    precondition(positions > 1 && wanted > 0)
    try model.checkGeneration(after: positions, count: 0, ranks: communicator.size)
    let architecture = model.architecture.withoutMultiTokenPrediction
    var plan = Plan()
    plan.pipelineParallel = communicator.size
    plan.precision = .float32
    let rows = RolloutGenerator.rowsOfABlock(architecture, plan, positions: positions)
    let block = rows * positions * architecture.cachedBytesPerPosition
    let fitting = Self.mostCacheBytes * communicator.size / max(1, block)
    generator = try RolloutGenerator(
      architecture, plan, communicator, layout: nil, positions: positions, wanted: wanted,
      ends: try model.ends(by: tokenizer), known: tokenizer.vocabularySize,
      mostBlocks: max(1, min(mostBlocks ?? RolloutGenerator.mostBlocks(plan), fitting)))
    try generator.rank.load(model.reader)
    self.positions = positions
  }

  /// Some completions of every prompt; a collective.
  ///
  /// - Parameters:
  ///   - count: the most tokens of a completion, its end included; fewer where positions end before.
  ///   - answered: told of every answer that is there, with how many there are by then.
  /// - Returns: for each prompt its answers.
  public func answers(
    to prompts: [Prompt], samples: Int, count: Int, _ sampling: Sampling, seed: UInt64,
    answered: (Int) -> Void = { _ in }
  ) throws -> [[Answer]] {
    precondition(samples > 0 && count > 0 && prompts.allSatisfy { $0.tokens.count < positions })
    let requests = prompts.flatMap { prompt in
      (0..<samples).map { sample in
        var request = RolloutGenerator.Request(
          prompt: prompt.tokens.map { Int32($0) }, counters: [prompt.number, sample])
        request.maximum = positions - prompt.tokens.count
        return request
      }
    }
    var done = 0
    let made = try generator.complete(requests, maximum: count, sampling, seed: seed) { _, _ in
      done += 1
      answered(done)
    }
    return stride(from: 0, to: made.count, by: samples).map { first in
      made[first..<first + samples].map { made in
        Answer(
          tokens: made.tokens.dropLast(made.isEnded ? 1 : 0).map { Int($0) },
          hasEnded: made.isEnded)
      }
    }
  }
}

extension Architecture {
  /// Bytes that the caches of all layers take for one position of one sequence, in 32 bits.
  package var cachedBytesPerPosition: Int {
    let columns: Int
    switch attention {
    case .multiHead(let shape): columns = 2 * shape.keyValueHeads * shape.headSize
    case .latent(let shape): columns = shape.keyValueRank + shape.ropeHeadSize
    case .recurrent, .absent: columns = 0
    }
    return 4 * columns * layerCount
  }
}
