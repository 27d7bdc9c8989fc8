import Foundation
import Quantities
import Testing
import Training

/// The choice of the next token from a row of logits.
@Suite struct SamplingTests {
  @Test func greedyTakesTheFirstOfTheBest() {
    var generator = SeededGenerator(seed: 1)
    #expect(Sampling.greedy.token(from: [1, 3, 2, 3], using: &generator) == 1)
    // No chance was used.
    #expect(generator == SeededGenerator(seed: 1))
  }

  @Test func probabilitiesAreSoftmax() {
    let logits: [Float] = [0, 1, 2]
    let candidates = Sampling(temperature: 0.5, topShare: 1).candidates(of: logits)
    let whole = 1 + exp(2.0) + exp(4.0)
    #expect(candidates.map(\.token) == [2, 1, 0])
    for (candidate, weight) in zip(candidates, [exp(4.0), exp(2.0), 1]) {
      #expect(abs(candidate.probability - weight / whole) < 1e-15)
    }
  }

  @Test func nucleusIsTheSmallestThatReachesTheShare() {
    // Probabilities 0.5, 0.25, 0.125, 0.125.
    let logits = [log(2.0), 0, log(4.0), 0].map { Float($0) }
    func tokens(_ share: Double) -> [Int] {
      Sampling(temperature: 1, topShare: share).candidates(of: logits).map(\.token)
    }
    #expect(tokens(0.4) == [2])
    #expect(tokens(0.51) == [2, 0])
    #expect(tokens(0.8) == [2, 0, 1])
    #expect(tokens(1) == [2, 0, 1, 3])
  }

  @Test func frequenciesFollowProbabilities() {
    let logits = [log(2.0), 0, log(4.0), 0].map { Float($0) }
    var generator = SeededGenerator(seed: 11)
    var counts = [0, 0, 0, 0]
    for _ in 0..<20_000 {
      counts[Sampling(temperature: 1, topShare: 1).token(from: logits, using: &generator)] += 1
    }
    for (count, share) in zip(counts, [0.25, 0.125, 0.5, 0.125]) {
      #expect(abs(Double(count) / 20_000 - share) < 0.02)
    }
    var again = SeededGenerator(seed: 11)
    var other = SeededGenerator(seed: 11)
    let sampling = Sampling(temperature: 2, topShare: 0.9)
    for _ in 0..<100 {
      #expect(
        sampling.token(from: logits, using: &again) == sampling.token(from: logits, using: &other))
    }
  }

  @Test func extremeScoresAreNoTrouble() {
    var generator = SeededGenerator(seed: 2)
    let sampling = Sampling(temperature: 1e-3, topShare: 0.5)
    #expect(sampling.token(from: [-1e30, 1e30, 3e38], using: &generator) == 2)
    #expect(sampling.token(from: [-.infinity, 0], using: &generator) == 1)
    #expect(Sampling.greedy.token(from: [-.infinity, -.infinity], using: &generator) == 0)
  }

  /// A rollout's draw is a place in the order of tokens, or of candidates below a share of 1.
  @Test(arguments: [(1.0, 1.0), (0.5, 1.0), (1.0, 0.8), (2.0, 0.6)])
  func aDrawTakesWhatStandsAtItsPlace(_ temperature: Double, _ share: Double) {
    let logits: [Float] = [0.3, -1, 2, -.infinity, 0.5, 1.25]
    let sampling = Sampling(temperature: temperature, topShare: share)
    let weights = logits.map { exp(Double($0) / temperature) }
    let whole = weights.reduce(0, +)
    let candidates = sampling.candidates(of: logits)
    let order =
      share < 1 ? candidates.map(\.token) : Array(logits.indices)
    let reached = order.reduce(0) { $0 + weights[$1] }
    var sum = 0.0
    for token in order where weights[token] > 0 {
      // The middle of the token's own stretch.
      let unit = (sum + weights[token] / 2) / reached
      sum += weights[token]
      let drawn = logits.withUnsafeBufferPointer { sampling.draw(from: $0, unit) }
      #expect(drawn?.token == token)
      #expect(abs((drawn?.logProbability ?? 0) - log(weights[token] / whole)) < 1e-6)
    }
  }

  @Test func aDrawFromWhatIsNoNumberIsNone() {
    let sampling = Sampling(temperature: 1, topShare: 1)
    for logits: [Float] in [[0, .nan], [-.infinity, -.infinity], [0, .infinity]] {
      #expect(logits.withUnsafeBufferPointer { sampling.draw(from: $0, 0.5) } == nil)
    }
    let best = ([0, 2, 2] as [Float]).withUnsafeBufferPointer {
      Sampling.greedy.draw(from: $0, 0.5)
    }
    #expect(best?.token == 1 && best?.logProbability == 0)
  }
}
