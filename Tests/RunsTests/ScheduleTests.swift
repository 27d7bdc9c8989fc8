import Foundation
import Quantities
import Runs
import Testing

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

  /// A schedule in words says the rates of steps that are made, in digits that somebody wrote.
  @Test func wordsSayTheRatesOfSteps() {
    #expect(
      LearningRate.cosine(3e-3, warmUp: 3, steps: 12, final: 3e-3 / 10).text
        == "3 steps linear from 0.001 to 0.003, then 9 steps cosine from 0.003 to 0.000381415, "
        + "then 0.0003")
    #expect(LearningRate.constant(0.01).text == "0.01")
    #expect(LearningRate.constant(0.01, warmUp: 1).text == "1 step of 0.01, then 0.01")
    let held = LearningRate(phases: [
      .init(steps: 4, from: 0.3, to: 0.3), .init(steps: 2, from: 0.1, to: 0.1),
    ])
    #expect(held.text == "4 steps of 0.3, then 0.1")
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
