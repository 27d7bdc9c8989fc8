import Documents
import Foundation
import Runs
import TestSupport
import Testing
import Training

/// GRPO's advantages, clipping, divergence and normalisations against losses and gradients in float64.
@Suite struct PolicyLossTests {
  private let cases: JSONValue

  init() throws {
    cases = try JSONValue(contents(of: fixture("grpo/cases.json")))
  }

  private func numbers(_ key: String) -> [[Double]] {
    (cases[key]?.items ?? []).map { ($0.items ?? []).compactMap(\.double) }
  }

  private var rewards: [Double] { (cases["rewards"]?.items ?? []).compactMap(\.double) }

  private static let advantages = [
    "std_unbiased_eps1e-4": AdvantageScale.standard, "std_population_eps1e-4": .population,
    "no_std": .nothing,
  ]

  private static let normalisations = [
    "grpo": LossNormalisation.sequence, "token_mean": .token, "dr_grpo_max6": .length,
  ]

  @Test func advantagesAreTheReferences() throws {
    let group = try #require(cases["group"]?.number)
    for (name, scale) in Self.advantages {
      let expected = (cases["advantages"]?[name]?.items ?? []).compactMap(\.double)
      let found = scale.advantages(of: rewards, group: group)
      #expect(expected.count == rewards.count)
      for (a, b) in zip(found, expected) { #expect(abs(a - b) <= 1e-12, "\(name)") }
    }
  }

  @Test func lossesAndGradientsAreTheReferences() throws {
    let (log, old, reference, mask) = (
      numbers("logp"), numbers("old_logp"), numbers("ref_logp"), numbers("mask")
    )
    let group = try #require(cases["group"]?.number)
    let lengths = mask.map { Int($0.reduce(0, +)) }
    let all = try #require(cases["cases"]?.items)
    #expect(all.count == 18)
    for item in all {
      func number(_ key: String) throws -> Double { try #require(item[key]?.double) }
      let scale = try #require(Self.advantages[item["adv"]?.text ?? ""])
      let kind = try #require(Self.normalisations[item["loss_type"]?.text ?? ""])
      let policy = PolicyLoss(
        clipLow: try number("clip_low"), clipHigh: try number("clip_high"),
        beta: try number("beta"))
      // The divergence is measured where it has no weight, too.
      let measuring = PolicyLoss(beta: 1)
      let advantages = scale.advantages(of: rewards, group: group)
      let weights = kind.weights(lengths: lengths, maximum: log[0].count)
      let expected = (item["grad"]?.items ?? []).map { ($0.items ?? []).compactMap(\.double) }
      var (loss, divergence, clipped) = (0.0, 0.0, 0.0)
      for row in log.indices {
        for token in 0..<lengths[row] {
          let target = PolicyTarget(
            weight: weights[row], advantage: advantages[row], oldLogProbability: old[row][token],
            referenceLogProbability: reference[row][token])
          let found = policy.loss(ofLogProbability: log[row][token], target)
          loss += found.value * target.weight
          divergence += measuring.loss(ofLogProbability: log[row][token], target).divergence
          clipped += found.isClippedLow || found.isClippedHigh ? 1 : 0
          #expect(abs(found.slope * target.weight - expected[row][token]) <= 1e-12)
        }
      }
      let tokens = Double(lengths.reduce(0, +))
      #expect(abs(loss - (try number("loss"))) <= 1e-12)
      #expect(abs(divergence / tokens - (try number("kl_mean"))) <= 1e-12)
      #expect(abs(clipped / tokens - (try number("clip_frac"))) <= 1e-12)
    }
  }

  /// A token that became likelier by more than a Double holds: its loss is a number unless it is infinite.
  @Test func infiniteRatiosGiveNumbers() {
    func token(_ advantage: Double) -> PolicyLoss.Token {
      PolicyLoss().loss(
        ofLogProbability: 0,
        PolicyTarget(
          weight: 1, advantage: advantage, oldLogProbability: -800, referenceLogProbability: 0))
    }
    #expect(token(0).value == 0 && token(0).slope == 0)
    #expect(token(1).value == -1.2 && token(1).slope == 0 && token(1).isClippedHigh)
    #expect(token(-1).value == .infinity)
  }

  @Test func groupsOfOneRewardTeachNothing() {
    for scale in AdvantageScale.allCases {
      #expect(scale.advantages(of: [1, 1, 1, 0, 0, 0], group: 3) == [0, 0, 0, 0, 0, 0])
      #expect(scale.advantages(of: [0.3], group: 1) == [0])
    }
  }
}
