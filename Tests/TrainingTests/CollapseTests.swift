import Foundation
import MessagePassing
import Runs
import TestSupport
import Testing
import Training

/// What `beta` is for: it holds answers that rewards alone would lose.
@Suite struct CollapseTests {
  let folder: ScratchFolder

  init() throws { folder = try ScratchFolder() }

  /// The metrics of the last phase's updates, on one rank.
  private func metrics(_ text: String) throws -> [StepMetrics] {
    var last: [StepMetrics] = []
    for run in try RunFile.readPhases(path: folder.write(text, to: "run.yaml"), overrides: []) {
      let prepared = try PreparedRun(run, ranks: 1)
      last = try withRanksAsThreads(1, timeout: Launch.hangLimit) { communicator in
        var all: [StepMetrics] = []
        try TrainingRun(prepared, communicator).finish(report: { all.append($0) })
        return all
      }[0]
    }
    return last
  }

  private func mean(_ values: some Collection<Double?>) -> Double {
    values.reduce(0) { $0 + ($1 ?? .nan) } / Double(values.count)
  }

  // MARK: Seven questions against one

  /// The end of updates that reward right answers, A to seven questions and B to one.
  ///
  /// The cold start before gives both alike to all eight. Held out are both kinds in equal parts.
  private func seven(beta: Double, seed: Int) throws -> (entropy: Double, accuracy: Double) {
    let prompts = (1...8).map { (text: "\($0)=", answer: $0 < 8 ? "A" : "B") }
    func lines(_ some: [(text: String, answer: String)]) -> String {
      some.map { "{\"prompt\": \"\($0.text)\", \"answer\": \"\($0.answer)\"}\n" }.joined()
    }
    let shown = prompts.flatMap { prompt in
      ["A", "B"].map { "{\"prompt\": \"\(prompt.text)\", \"completion\": \"\($0)\"}\n" }
    }
    _ = try folder.write(shown.joined(), to: "shown.jsonl")
    _ = try folder.write(lines(prompts), to: "prompts.jsonl")
    let both = Array(repeating: prompts[0], count: 32) + Array(repeating: prompts[7], count: 32)
    _ = try folder.write(lines(both), to: "held-out.jsonl")
    let found = try metrics(
      """
      model: {checkpoint: \(fixture("checkpoints/llama-tiny"))}
      seed: \(seed)
      optimizer: {weight-decay: 0, clip: 1}
      learning-rate: 3e-3
      checkpoints: {folder: \(folder.path)/out-\(beta)-\(seed), every: 1000, keep: 1}
      phases:
        - name: cold
          objective: demonstrations
          data: shown.jsonl
          plan: {global-batch: 8, microbatch-size: 8, sequence-length: 8}
          steps: 40
        - name: rl
          objective: grpo
          grpo:
            prompts: prompts.jsonl
            held-out: held-out.jsonl
            group: 8
            max-tokens: 1
            rewards: [{rule: exact}]
            beta: \(beta)
          plan: {global-batch: 64, microbatch-size: 64, sequence-length: 4}
          steps: 60
          evaluation: {every: 60}
      """)
    let last = try #require(found.last { $0.policy != nil })
    return (last.policy?.entropy ?? .nan, found.last?.heldOut?.accuracy ?? .nan)
  }

  /// Without a reference one answer is given to everything.
  ///
  /// The eighth question's groups become all wrong, which teaches nothing, and its half of what is held
  /// out stays lost. With one the answer is still
  /// sampled now and then, and is learnt.
  @Test func aReferencePreventsThatOneAnswerIsGivenToEverything() throws {
    let alone = try seven(beta: 0, seed: 1)
    #expect(alone.entropy < 0.03 && alone.accuracy == 0.5, "\(alone)")
    let held = try seven(beta: 0.3, seed: 1)
    #expect(held.entropy > 0.1 && held.accuracy > 0.85, "\(held)")
  }

  // MARK: Where reward and divergence balance

  /// The mean rewards of updates that reward a set of first bytes.
  private func rewards(beta: Double, rate: Double, updates: Int) throws -> [Double?] {
    _ = try folder.write("{\"prompt\": \"1=\"}\n{\"prompt\": \"7+\"}\n", to: "prompts.jsonl")
    return try metrics(
      """
      model: {checkpoint: \(fixture("checkpoints/llama-tiny"))}
      objective: grpo
      grpo:
        prompts: prompts.jsonl
        group: 64
        max-tokens: 1
        rewards: [{rule: pattern, pattern: "[0-9A-Z]"}]
        advantage: none
        normalise: token
        beta: \(beta)
      plan: {global-batch: 128, microbatch-size: 128, sequence-length: 4}
      optimizer: {weight-decay: 0, clip: 100}
      learning-rate: \(rate)
      steps: \(updates)
      """
    ).compactMap { $0.policy.map(\.reward) }
  }

  /// The share g of rewarded tokens settles where the reward's slope is the divergence's.
  ///
  /// Of one token with scores z, the slope of the mean reward is π_i (r_i − g), of which a group of n takes
  /// (n − 1)/n, since the mean has the completion itself. The slope of exp(d) − d − 1 at samples of the
  /// policy is β (π_i − ρ_i), ρ the reference. Summed over rewarded tokens: (n − 1)/n · g (1 − g) = β (g − ρ).
  @Test func rewardAndDivergenceBalanceWhereTheyShould() throws {
    let reference = mean(try rewards(beta: 0, rate: 1e-12, updates: 20))
    let beta = 0.25
    // s g² + (β − s) g − β ρ = 0 with s = (n − 1)/n.
    let s = 63.0 / 64
    let b = beta - s
    let expected = (-b + (b * b + 4 * s * beta * reference).squareRoot()) / (2 * s)
    #expect(abs(reference - 0.35) < 0.05 && abs(expected - 0.85) < 0.03)
    let found = mean(try rewards(beta: beta, rate: 2e-3, updates: 60).suffix(20))
    #expect(abs(found - expected) < 0.04, "\(found), expected \(expected)")
    // Were it the divergence from the policy to the reference, odds would grow e⁴-fold.
    let alone = mean(try rewards(beta: 0, rate: 2e-3, updates: 60).suffix(10))
    #expect(alone > 0.95)
  }
}
