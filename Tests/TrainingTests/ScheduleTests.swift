import Foundation
import Testing
import Training

/// Learning rate, batch ramp and piecewise numbers against their closed forms.
@Suite struct ScheduleTests {
  @Test(arguments: [0, 1, 7, 100])
  func warmUpThenConstant(warmUp: Int) {
    let rate = LearningRate.constant(2e-3, warmUp: warmUp)
    for step in 0..<200 {
      let expected = step < warmUp ? 2e-3 * Double(step + 1) / Double(warmUp) : 2e-3
      #expect(abs(rate.rate(atStep: step) - expected) < 1e-15)
    }
  }

  @Test func cosineFallsToItsEnd() {
    let rate = LearningRate.cosine(1, warmUp: 10, steps: 110, final: 0.1)
    for step in 10...110 {
      let expected = 0.1 + 0.9 * (1 + cos(Double.pi * Double(step - 10) / 100)) / 2
      #expect(abs(rate.rate(atStep: step) - expected) < 1e-12)
    }
    #expect(rate.rate(atStep: 9) == 1)
    #expect(abs(rate.rate(atStep: 60) - 0.55) < 1e-12)
    #expect(rate.rate(atStep: 1_000_000) == 0.1)
  }

  /// DeepSeek-V3's phases at 1,480 steps: 10 of 14.8, 4.3, 0.333 and 0.167 parts.
  @Test func deepSeekV3HasItsPhases() {
    let rate = LearningRate.deepSeekV3(2.2e-4, warmUp: 2, steps: 14800)
    #expect(abs(rate.rate(atStep: 0) - 1.1e-4) < 1e-12)
    #expect(rate.rate(atStep: 2) == 2.2e-4)
    #expect(rate.rate(atStep: 9_999) == 2.2e-4)
    #expect(rate.rate(atStep: 10_000) == 2.2e-4)
    #expect(abs(rate.rate(atStep: 12_150) - (2.2e-4 + 2.2e-5) / 2) < 1e-12)
    #expect(abs(rate.rate(atStep: 14_300) - 2.2e-5) < 1e-12)
    #expect(abs(rate.rate(atStep: 14_632) - 2.2e-5) < 1e-12)
    #expect(abs(rate.rate(atStep: 14_633) - 7.3e-6) < 1e-12)
    #expect(abs(rate.rate(atStep: 14_799) - 7.3e-6) < 1e-12)
  }

  @Test(arguments: [1, 3, 50])
  func deepSeekV3FitsShortRuns(steps: Int) {
    let rate = LearningRate.deepSeekV3(1, warmUp: min(2, steps), steps: steps)
    for step in 0..<steps + 5 { #expect((0...1).contains(rate.rate(atStep: step))) }
  }

  @Test func rampGrowsInEqualSteps() {
    let ramp = BatchRamp(first: 4, increment: 4, final: 16, sequences: 60)
    #expect(ramp.batches == [4, 8, 12, 16])
    #expect(ramp.batch(after: 0) == 4)
    #expect(ramp.batch(after: 19) == 4)
    #expect(ramp.batch(after: 20) == 8)
    #expect(ramp.batch(after: 59) == 12)
    #expect(ramp.batch(after: 60) == 16)
    var seen = 0
    for steps in 0..<30 {
      #expect(ramp.sequences(afterSteps: steps) == seen)
      #expect(ramp.steps(untilSequences: seen) == steps)
      if seen > 0 { #expect(ramp.steps(untilSequences: seen - 1) == steps) }
      seen += ramp.batch(after: seen)
    }
    #expect(BatchRamp(constant: 8).batch(after: 0) == 8)
    #expect(BatchRamp(constant: 8).steps(untilSequences: 17) == 3)
  }

  @Test func piecesHoldUntilTheirStep() {
    let weight = Piecewise(pieces: [.init(value: 0.3, until: 10), .init(value: 0.1, until: nil)])
    #expect(weight.value(atStep: 9) == 0.3)
    #expect(weight.value(atStep: 10) == 0.1)
    #expect(!weight.isZero && Piecewise(0).isZero)
  }
}

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
}
