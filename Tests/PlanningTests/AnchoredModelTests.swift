import Clusters
import Foundation
import Models
import Planning
import Plans
import Simulation
import Testing

/// Factors that measured runs teach.
@Suite struct AnchoredModelTests {
  /// Of one step that computation alone decides: prior and measurement weighed by their variances.
  @Test func oneFactorInClosedForm() {
    let step = StepSensitivity(step: 10, elasticities: [1, 0, 0])
    var model = AnchoredModel()
    model.learn(step, measured: 11, layout: 0)
    let prior = NuisanceFactor.computation.deviation * NuisanceFactor.computation.deviation
    let weight = prior / (prior + 0.025 * 0.025)
    let mean = weight * log(1.1)
    let deviation = (prior * (1 - weight)).squareRoot()
    let factor = model.factor(.computation)
    #expect(abs(factor.middle / exp(mean) - 1) < 1e-12)
    #expect(abs(factor.high / exp(mean + 1.6449 * deviation) - 1) < 1e-12)
    #expect(abs(factor.low * factor.high / (factor.middle * factor.middle) - 1) < 1e-12)
    // Nothing was learned of the others.
    #expect(model.factor(.host) == AnchoredModel().factor(.host))
    let next = model.predicted(StepSensitivity(step: 5, elasticities: [1, 0, 0]), layout: nil)
    #expect(abs(next.middle / (5 * exp(mean)) - 1) < 1e-12)
    let whole = (deviation * deviation + 0.025 * 0.025).squareRoot()
    #expect(abs(next.low / (next.middle * exp(-1.6449 * whole)) - 1) < 1e-12)
  }

  /// A plan that was measured is foreseen as it was measured, but for what one run differs from the next.
  @Test func aMeasuredPlanIsForeseenAsMeasured() {
    let step = StepSensitivity(step: 10, elasticities: [1, 0, 0])
    var model = AnchoredModel()
    model.learn(step, measured: 11, layout: 0)
    // Factor and layout together vary by their variances; of the surprise the run itself takes its share.
    let shared = 0.06 * 0.06 + 0.025 * 0.025 - 0.01 * 0.01
    let share = shared / (shared + 0.01 * 0.01)
    let own = model.predicted(step, layout: 0)
    #expect(abs(own.middle / (10 * exp(share * log(1.1))) - 1) < 1e-12)
    let width = (shared * (1 - share) + 0.01 * 0.01).squareRoot()
    #expect(abs(log(own.high / own.middle) / (1.6449 * width) - 1) < 1e-9)
    #expect(own.middle > 10.97 && own.low < 11 && own.high > 11)
  }

  /// Runs of one layout share its error: any number of them tells no more of another layout than its mean does, where
  /// as many layouts tell much.
  @Test func repeatsAreNotLayouts() {
    let step = StepSensitivity(step: 10, elasticities: [1, 0, 0])
    var (repeated, several) = (AnchoredModel(), AnchoredModel())
    for number in 0..<50 {
      repeated.learn(step, measured: 11, layout: 0)
      several.learn(step, measured: 11, layout: number)
    }
    let prior = 0.06 * 0.06
    func mean(_ error: Double) -> Double { exp(prior / (prior + error) * log(1.1)) }
    let shared = 0.025 * 0.025 - 0.01 * 0.01
    #expect(
      abs(repeated.factor(.computation).middle / mean(shared + 0.01 * 0.01 / 50) - 1) < 1e-9)
    #expect(abs(several.factor(.computation).middle / mean(0.025 * 0.025 / 50) - 1) < 1e-9)
    let width = repeated.factor(.computation).high / repeated.factor(.computation).low
    #expect(width > several.factor(.computation).high / several.factor(.computation).low)
  }

  /// Two steps that weigh two factors differently tell them apart; in any order.
  @Test func twoFactorsAreToldApart() {
    let truth = (computation: 1.08, collectives: 0.8)
    let steps = [
      StepSensitivity(step: 10, elasticities: [0.9, 0.1, 0]),
      StepSensitivity(step: 4, elasticities: [0.4, 0.6, 0]),
    ]
    func measured(_ step: StepSensitivity) -> Double {
      step.step * pow(truth.computation, step.elasticities[0])
        * pow(truth.collectives, step.elasticities[1])
    }
    var exact = AnchoredModel.Deviations()
    (exact.layout, exact.run) = (1e-4, 1e-4)
    for order in [steps, steps.reversed()] {
      var model = AnchoredModel(exact)
      for (layout, step) in order.enumerated() {
        model.learn(step, measured: measured(step), layout: layout)
      }
      #expect(abs(model.factor(.computation).middle / truth.computation - 1) < 0.005)
      #expect(abs(model.factor(.collectives).middle / truth.collectives - 1) < 0.005)
      let third = StepSensitivity(step: 7, elasticities: [0.6, 0.4, 0])
      let predicted = model.predicted(third, layout: nil)
      #expect(abs(predicted.middle / measured(third) - 1) < 0.005)
    }
  }

  /// Two measurements of one step that contradict each other leave intervals wide enough for both; what lies within its
  /// deviations widens nothing.
  @Test func contradictionsWiden() {
    let step = StepSensitivity(step: 10, elasticities: [1, 0, 0])
    var one = AnchoredModel()
    one.learn(step, measured: 11, layout: 0)
    // One standard deviation of a step is the root of both variances.
    #expect(abs(one.disagreement - log(1.1) / (0.06 * 0.06 + 0.025 * 0.025).squareRoot()) < 1e-12)
    #expect(AnchoredModel().disagreement == 0)
    var both = one
    both.learn(step, measured: 5, layout: 1)
    var other = AnchoredModel()
    other.learn(step, measured: 5, layout: 0)
    other.learn(step, measured: 11, layout: 1)
    #expect(abs(both.disagreement / other.disagreement - 1) < 1e-9)
    #expect(both.disagreement > AnchoredModel.greatestDisagreement)
    // Of one plan they contradict each other more than of two layouts.
    var same = one
    same.learn(step, measured: 5, layout: 0)
    #expect(same.disagreement > 2 * both.disagreement)
    let interval = both.predicted(step, layout: nil)
    #expect(interval.low < 5 && interval.high > 11, "\(interval)")
    let narrow = one.predicted(step, layout: nil)
    #expect(log(interval.high / interval.low) > 5 * log(narrow.high / narrow.low))
  }

  /// Without anchors the interval is what the priors leave, and it narrows with each.
  @Test func intervalsNarrow() {
    let step = StepSensitivity(step: 1, elasticities: [0.8, 0.15, 0.05])
    var model = AnchoredModel()
    var width = Double.infinity
    for layout in 0..<4 {
      let interval = model.predicted(step, layout: nil)
      #expect(interval.high - interval.low < width)
      width = interval.high - interval.low
      model.learn(step, measured: 1.02, layout: layout)
    }
  }

  @Test func whatAFactorWouldHaveToBe() {
    let step = StepSensitivity(step: 10, elasticities: [0.5, 0, 0])
    #expect(abs((step.factor(.computation, for: 12) ?? 0) - 1.44) < 1e-12)
    #expect(step.factor(.collectives, for: 12) == nil)
  }

  /// A step of one device is computation: it grows as its kernels do.
  @Test func sensitivityOfOneDevice() throws {
    let architecture = Architecture.gpt(
      name: "small", hidden: 4096, layers: 4, heads: 32, vocabulary: 4096, positions: 2048)
    func step(_ host: Double) throws -> PlannedStep {
      var plan = Plan()
      (plan.globalBatch, plan.microbatchSize, plan.sequenceLength) = (8, 4, 2048)
      return try PlannedStep(
        architecture: architecture,
        cluster: .named("h800-2048", overrides: ["device.launch.host=\(host) us"]), plan: plan)
    }
    let sensitivity = try step(5).sensitivity(hosts: try step(5.25))
    #expect(abs(sensitivity.elasticities[0] - 1) < 0.05)
    #expect(sensitivity.elasticities[1] == 0)
    #expect(sensitivity.step == (try step(5)).report().stepSeconds)
  }

  @Test func layouts() {
    var plan = Plan()
    plan.dataParallel = 8
    var other = plan
    (other.dataParallel, other.globalBatch, other.name) = (64, 512, "other")
    #expect(other.hasLayout(of: plan))
    other.tensorParallel = 2
    #expect(!other.hasLayout(of: plan))
  }
}
