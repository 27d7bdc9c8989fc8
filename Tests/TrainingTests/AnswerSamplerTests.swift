import Foundation
import MessagePassing
import TestSupport
import Testing
import Training

/// Completions of many prompts are those that each prompt has alone.
@Suite struct AnswerSamplerTests {
  private static let prompts = [
    [5, 71, 3, 3, 90, 12, 44], [7], [8, 9, 10], [5, 71, 3, 3, 90, 12, 44],
  ]

  /// What one rank was given for all prompts.
  private func answers(
    _ path: String, _ sampling: Sampling, ranks: Int
  ) throws -> [[[Int]]] {
    let all = try withRanksAsThreads(ranks, timeout: Launch.hangLimit) { communicator in
      let model = try CheckpointModel(path: path, tokenizer: "bytes")
      let sampler = try AnswerSampler(model, by: .bytes, positions: 16, communicator)
      return try Self.prompts.map { prompt in
        try sampler.answers(to: prompt, samples: 3, count: 9, sampling) {
          SeededGenerator(seed: 4, stream: UInt64($0))
        }.map(\.tokens)
      }
    }
    for other in all { #expect(other == all[0]) }
    return all[0]
  }

  /// By `generate`, which reads the weights again for each text.
  private func generated(_ path: String, _ prompt: [Int], _ sampling: Sampling) throws -> [Int] {
    try withRanksAsThreads(1) { communicator in
      let model = try CheckpointModel(path: path, tokenizer: "bytes")
      var tokens: [Int] = []
      try model.generate(
        after: prompt, count: 9, sampling, seed: 4, by: .bytes, communicator
      ) { tokens.append($0) }
      return tokens
    }[0]
  }

  @Test(arguments: OneRankTests.names)
  func answersAreThoseOfGenerate(name: String) throws {
    let path = Bundle.module.bundleURL.appendingPathComponent("Fixtures/checkpoints/\(name)").path
    let sampling = Sampling(temperature: 1, topShare: 0.9)
    let answers = try answers(path, sampling, ranks: 1)
    for (prompt, samples) in zip(Self.prompts, answers) {
      // The first sample has the chance of the seed's first stream, as generate has.
      #expect(samples[0] == (try generated(path, prompt, sampling)))
      #expect(Set(samples).count == 3)
    }
    #expect(answers[3] == answers[0], "what was asked in between changes nothing")
    #expect(try self.answers(path, sampling, ranks: 2) == answers)
  }
}
