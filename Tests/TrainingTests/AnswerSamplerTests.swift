import Foundation
import MessagePassing
import Quantities
import TestSupport
import Testing
import Tokens
import Training

/// Completions of many prompts are those that each prompt has alone.
@Suite struct AnswerSamplerTests {
  private static let prompts = [
    [5, 71, 3, 3, 90, 12, 44], [7], [8, 9, 10], [5, 71, 3, 3, 90, 12, 44],
  ].enumerated().map { AnswerSampler.Prompt(tokens: $1, number: $0) }

  private func path(_ name: String) -> String {
    Bundle.module.bundleURL.appendingPathComponent("Fixtures/checkpoints/\(name)").path
  }

  private struct Given: Equatable, Sendable {
    var answers: [Int: [AnswerSampler.Answer]]
    var rows: Int
    var parts: ([Int: [AnswerSampler.Answer]], Int) { (answers, rows) }
  }

  /// What one rank was given for prompts, by their numbers.
  private func answers(
    _ name: String, _ sampling: Sampling, to prompts: [AnswerSampler.Prompt] = Self.prompts,
    samples: Int = 12, ranks: Int = 1, blocks: Int = 8
  ) throws -> Given {
    let path = path(name)
    let all = try withRanksAsThreads(ranks, timeout: Launch.hangLimit) { communicator in
      let model = try CheckpointModel(path: path, tokenizer: "bytes")
      let sampler = try AnswerSampler(
        model, by: .bytes, positions: 16, wanted: prompts.count * samples, mostBlocks: blocks,
        communicator)
      let answers = try sampler.answers(
        to: prompts, samples: samples, count: 9, sampling, seed: 4)
      let own = Dictionary(uniqueKeysWithValues: zip(prompts.map(\.number), answers))
      return Given(answers: own, rows: sampler.rows)
    }
    for other in all { #expect(other == all[0]) }
    return all[0]
  }

  /// The likeliest tokens by `generate`, which reads the weights again for each text.
  private func generated(_ name: String, _ prompt: [Int]) throws -> [Int] {
    let path = path(name)
    return try withRanksAsThreads(1) { communicator in
      let model = try CheckpointModel(path: path, tokenizer: "bytes")
      var tokens: [Int] = []
      try model.generate(
        after: prompt, count: 9, .greedy, seed: 4, by: .bytes, communicator
      ) { tokens.append($0) }
      return tokens
    }[0]
  }

  /// Weights that are no numbers: texts and losses are refused in words of their own.
  @Test func scoresThatAreNoNumbersAreSaid() throws {
    let folder = try ScratchFolder()
    for name in ["config.json", "model.safetensors"] {
      var bytes = try contents(of: "\(path("gpt2-tiny"))/\(name)")
      if name.hasPrefix("model") {
        let header = 8 + bytes[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
        // Numbers whose bits are all 1 are none.
        for index in header..<bytes.count { bytes[index] = 0xff }
      }
      _ = try folder.write(bytes, to: name)
    }
    let rows = try folder.write("[[1, 2, 3]]", to: "rows.json")
    for sampling in [Sampling.greedy, Sampling(temperature: 1, topShare: 0.9)] {
      #expect(throws: TrainingError.notFiniteScores) {
        _ = try withRanksAsThreads(2, timeout: Launch.hangLimit) { communicator in
          try CheckpointModel(path: folder.path, tokenizer: "bytes").generate(
            after: [65], count: 3, sampling, seed: 1, by: .bytes, communicator
          ) { _ in }
        }
      }
    }
    #expect {
      _ = try withRanksAsThreads(1) { communicator in
        try CheckpointModel(path: folder.path, tokenizer: "bytes").evaluate(
          TokenData.open([rows], tokenizer: .bytes), sequenceLength: 2, communicator)
      }
    } throws: { error in
      guard case TrainingError.notFiniteEvaluation = error else { return false }
      return "\(error)".contains("nan") && !"\(error)".contains("training")
    }
  }

  /// All prompts in blocks, fewer rows that are filled again, one prompt alone, two ranks: the same.
  @Test(arguments: OneRankTests.names)
  func anAnswerDependsOnItsQuestionAlone(name: String) throws {
    let sampling = Sampling(temperature: 1, topShare: 0.9)
    let (expected, rows) = try answers(name, sampling).parts
    for samples in expected.values { #expect(Set(samples).count > 6) }
    #expect(expected[3] != expected[0], "the same text asked as another question has other chance")
    let (refilled, fewer) = try answers(
      name, sampling, to: Self.prompts.reversed(), blocks: 1
    ).parts
    // Blocks have as many rows as fit the caches of a core.
    #expect(rows > fewer && rows.isMultiple(of: fewer) && refilled == expected)
    for prompt in Self.prompts {
      let alone = try answers(name, sampling, to: [prompt], samples: 3).answers
      #expect(alone[prompt.number] == expected[prompt.number].map { Array($0.prefix(3)) })
    }
    #expect(try answers(name, sampling, ranks: 2).answers == expected)
  }

  /// With a temperature of 0 all samples are what `generate` gives, as far as there are positions.
  @Test(arguments: OneRankTests.names)
  func theLikeliestAnswersAreThoseOfGenerate(name: String) throws {
    let answers = try answers(name, .greedy, samples: 2).answers
    for prompt in Self.prompts {
      let expected = try generated(name, prompt.tokens)
      let own = try #require(answers[prompt.number])
      #expect(own.count == 2 && own.allSatisfy { $0.tokens == expected })
      #expect(expected.count == 9 || own[0].hasEnded)
    }
  }

  /// A prompt that nearly fills the positions has an answer that is as short.
  @Test func anAnswerEndsWithThePositions() throws {
    let long = AnswerSampler.Prompt(tokens: Array(1...14), number: 0)
    let short = AnswerSampler.Prompt(tokens: [3], number: 1)
    let answers = try answers("llama-tiny", .greedy, to: [long, short], samples: 2).answers
    #expect(try #require(answers[0]).allSatisfy { $0.tokens.count == 2 || $0.hasEnded })
    #expect(try #require(answers[1]).allSatisfy { $0.tokens.count == 9 || $0.hasEnded })
  }
}
