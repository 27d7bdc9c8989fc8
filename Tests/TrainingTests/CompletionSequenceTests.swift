import Testing
import Training

/// Completions as sequences: which of their tokens are labels.
@Suite struct CompletionSequenceTests {
  /// A module looks further ahead than the head: from no position in front of a prompt's first token, so
  /// the tokens behind a prompt of one token are not all labels of it.
  @Test func labelsAreThoseOfEachModule() throws {
    let sequences = CompletionSequences(length: 8)
    sequences.take([
      Completion(prompt: [1], tokens: [2, 3, 4]),
      Completion(prompt: [1, 2, 3, 4], tokens: [5, 6]),
      Completion(prompt: [1], tokens: []),
    ])
    #expect((0..<6).map { sequences.labelCount(module: $0) } == [5, 4, 3, 2, 1, 0])
    // Behind the last token of the prompt, and behind each of the completion but its last.
    let marks = try (0..<3).map { try #require(sequences.marks($0)) }
    let places = marks.map { mark in mark.isPredicted.indices.filter { mark.isPredicted[$0] } }
    #expect(places == [[0, 1, 2], [3, 4], []])
    for module in 0..<6 {
      let labels = places.joined().count { $0 >= module }
      #expect(sequences.labelCount(module: module) == labels)
    }
  }
}
