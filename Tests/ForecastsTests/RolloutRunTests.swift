import Clusters
import Documents
import Forecasts
import Foundation
import Models
import Plans
import Runs
import Simulation
import TestSupport
import Testing

/// Runs of reinforcement learning, whose completions grow.
@Suite struct RolloutRunTests {
  private let scratch: ScratchFolder

  init() throws {
    scratch = try ScratchFolder()
    _ = try scratch.write(
      """
      {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 1024,
       "intermediate_size": 2816, "num_hidden_layers": 2, "num_attention_heads": 8,
       "num_key_value_heads": 8, "vocab_size": 32000, "max_position_embeddings": 4096,
       "rms_norm_eps": 1e-05, "tie_word_embeddings": false, "hidden_act": "silu"}
      """, to: "small.json")
  }

  private static let run = """
    model: small.json
    objective: grpo
    grpo:
      prompts: none.jsonl
      tokenizer: bytes
      rewards: [{rule: exact}]
      group: 8
      minibatches: 4
      max-tokens: 900
      beta: 0.01
      generation:
        generator: {precision: bf16}
        lengths: [{step: 20, mean: 100}, {step: 60, mean: 400}]
        spread: 0.5
        prompt-tokens: 50
        places: 8
        memory-share: 0.5
        reward-seconds: 0.01
    plan:
      data-parallel: 8
      zero-stage: 1
      global-batch: 64
      sequence-length: 1024
      precision: bf16
    steps: 100
    learning-rate: 1e-6
    """

  private func planned(_ overrides: [String] = [], text: String = run) throws -> PlannedRun {
    let path = try scratch.write(text, to: "run.yaml")
    return try PlannedRun(
      RunFile.readPhases(path: path, overrides: overrides), on: .shipped("h100-2048"))
  }

  /// A rollout of the run's sizes by itself.
  private func rollout(_ mean: Double) throws -> RolloutReport {
    let path = try scratch.write(Self.run, to: "run.yaml")
    let run = try RunFile.readPhases(path: path)[0]
    let policy = try #require(run.policy)
    let generation = try #require(policy.generation)
    let lengths = try #require(LengthDistribution(mean: mean, longest: 900, spread: 0.5))
    var description = RolloutDescription(questions: 32, answers: 8, prompt: 50, lengths: lengths)
    description.updates = 4
    description.places = 8
    description.memoryShare = 0.5
    description.rewardSeconds = 0.01
    description.seed = run.seed
    return try PlannedRollout(
      architecture: run.model.architecture, cluster: .shipped("h100-2048"), training: run.plan,
      generator: generation.generator
    ).report(description)
  }

  /// An update takes its share of a rollout, and trains again where completions are used again.
  @Test func anUpdateIsAShareOfItsRollout() throws {
    let constant = "grpo.generation.lengths=250"
    let run = try planned([constant])
    let report = try rollout(250)
    #expect(run.parts.count == 1 && run.parts[0].steps == 100)
    #expect(abs(run.parts[0].stepSeconds / (report.seconds / 4) - 1) < 1e-12)
    #expect(run.parts[0].tokens == 64 * 300)
    let twice = try planned([constant, "grpo.updates-per-rollout=2"])
    let expected = (report.seconds + report.parts.training) / 8
    #expect(abs(twice.parts[0].stepSeconds / expected - 1) < 1e-12)
    let alone = try planned([constant, "grpo.beta=0"])
    let less = (report.seconds - report.parts.referenceScores) / 4
    #expect(abs(alone.parts[0].stepSeconds / less - 1) < 1e-12)
  }

  /// Lengths lie on straight lines between those that are given, and no piece grows by more than a quarter.
  @Test func lengthsGrowAsGiven() throws {
    let run = try planned()
    let parts = run.parts
    #expect(parts.reduce(0) { $0 + $1.steps } == 100)
    #expect(parts.first?.steps == 20 && parts.last?.steps == 40)
    #expect(parts.first?.completionTokens == 150 && parts.last?.completionTokens == 450)
    var step = 0
    for part in parts {
      let middle = Double(step) + Double(part.steps) / 2
      let mean = 100 + 300 * min(1, max(0, (middle - 20) / 40))
      #expect(abs((part.completionTokens ?? 0) - 50 - mean) < 1e-9)
      step += part.steps
    }
    // log 4 over log 1.25 are 6.2.
    #expect(parts.count == 9)
  }

  /// Pieces add up to what every tenth of the way by itself comes to.
  @Test func piecesFollowTheCurve() throws {
    let seconds = try planned().model.productiveSeconds
    let (least, most) = (try rollout(100).seconds, try rollout(400).seconds)
    let between = try (0..<10).reduce(0.0) { sum, part in
      try sum + rollout(100 + 300 * (Double(part) + 0.5) / 10).seconds / 10
    }
    let expected = (20 * least + 40 * between + 40 * most) / 4
    // Packed sequences are rounded up to the ranks.
    #expect(abs(seconds / expected - 1) < 0.02, "\(seconds) against \(expected)")
    #expect(most > 1.5 * least)
  }

  /// No value of `grpo.generation` is without effect, or it is refused.
  @Test func everyKeyActs() throws {
    let path = try scratch.write(Self.run, to: "run.yaml")
    let cluster = try Cluster.shipped("h100-2048")
    let entries = Dictionary(
      RunFile.keyReference.leaves.map { ($0.path, $0.entry) }, uniquingKeysWith: { $1 })
    var trial = try Trial<Double>([
      { change in
        do {
          let phases = try RunFile.readPhases(
            path: path, overrides: ["steps=30"] + (change.map { [$0] } ?? []))
          return .figures(try PlannedRun(phases, on: cluster).model.productiveSeconds)
        } catch let error as ConfigurationError {
          return .refused(error.description)
        }
      }
    ])
    let leaves = try Leaf.all(in: Document(text: Self.run, name: "run.yaml"))
    for leaf in leaves
    where leaf.path.hasPrefix("grpo.generation.") && !leaf.path.contains("generator") {
      let form = try #require(entries[leaf.described]?.form, "\(leaf.path)")
      let verdict = try trial.verdict(leaf, among: leaf.changes(form))
      // A share of the memory that holds everything, or nothing, is all that a small model has.
      var isRefused = false
      if case .limits = verdict { isRefused = leaf.path.hasSuffix("memory-share") }
      #expect(verdict == .acts || isRefused, "\(leaf.path): \(verdict)")
    }
  }

  private static let examples = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("../../examples").standardizedFileURL

  /// The published lengths of R1-Zero and R1 (arXiv 2501.12948v2): 10,400 updates of 512 completions, 16 updates a
  /// rollout, and 1,700 in the last stage.
  @Test(.enabled(if: FileManager.default.fileExists(atPath: examples.path)))
  func theRunOfDeepSeekR1() throws {
    let path = Self.examples.appendingPathComponent("deepseek-r1-run.yaml").path
    let phases = try RunFile.readPhases(path: path)
    let run = try PlannedRun(phases, on: .shipped("h800-2048"), stepSeconds: 60)
    #expect(run.ranks == 512 && run.phases.count == 5)
    let steps = run.parts.map(\.steps)
    #expect(steps[0] + steps[1] == 10_400 && steps[4] == 1_700)
    for index in [0, 1, 2, 4] {
      let policy = try #require(phases[index].policy)
      #expect(phases[index].plan.globalBatch == 512 && policy.updatesOfARollout == 16)
      #expect(policy.generation?.generator.worldSize == 128)
      #expect(policy.maximumTokens == (index == 1 ? 65_536 : 32_768))
      #expect(phases[index].model.withDrafts.multiTokenPrediction == 1)
      #expect(phases[index].model.architecture.multiTokenPrediction == 0)
    }
    // 804,745 sequences of 5,355.3 tokens, twice.
    let tokens = Double(steps[3]) * 128 * 32_768
    #expect(abs(tokens / (2 * 804_745 * 5_355.3) - 1) < 0.001)
  }

  /// Janus-Pro-7B's stages (arXiv 2501.17811 section 2): 20,000, 270,000 and 40,000 updates.
  @Test(.enabled(if: FileManager.default.fileExists(atPath: examples.path)))
  func theRunOfJanusPro() throws {
    let path = Self.examples.appendingPathComponent("janus-pro-7b-run.yaml").path
    let phases = try RunFile.readPhases(path: path)
    let cluster = try Cluster.shipped(
      "a100-40gb-160",
      overrides: ["nodes=32", "failures=h100-2048", "storage=h800-2048"])
    let run = try PlannedRun(phases, on: cluster, stepSeconds: 3)
    #expect(run.ranks == 256 && run.parts.map(\.steps) == [20_000, 270_000, 40_000])
    #expect(run.parts.map(\.globalBatch) == [256, 512, 128])
    #expect(phases[0].model.architecture.parameterCounts.total > 6_900_000_000)
  }

  /// What the file leaves to defaults is said with its values, for the phases that do; what it says is not.
  @Test func defaultsAreSaid() throws {
    func said(_ overrides: [String], text: String = Self.run) throws -> [String] {
      try planned(["grpo.generation.lengths=250"] + overrides, text: text).assumptions
        .filter { $0.contains("by default") }
    }
    #expect(try said([]).isEmpty)
    #expect(
      try said(["grpo.generation.spread=null", "grpo.generation.reward-seconds=null"])
        == ["by default grpo.generation has spread 0.7, reward-seconds 0"])
    #expect(
      try said(["grpo.generation.prompt-tokens=null", "grpo.generation.memory-share=null"])
        == ["by default grpo.generation has prompt-tokens 122, memory-share 0.9"])
    // They act as if they were written.
    let (left, written) = try (
      planned(["grpo.generation.lengths=250", "grpo.generation.spread=null"]),
      planned(["grpo.generation.lengths=250", "grpo.generation.spread=0.7"])
    )
    #expect(left.parts == written.parts)
    // Where steps are given, nothing hangs on them.
    let path = try scratch.write(Self.run, to: "run.yaml")
    let given = try PlannedRun(
      RunFile.readPhases(path: path, overrides: ["grpo.generation.spread=null"]),
      on: .shipped("h100-2048"), stepSeconds: 1)
    #expect(!given.assumptions.contains { $0.contains("by default") })
  }

  static let refused: [(overrides: [String], rule: String)] = [
    (["grpo.generation=null"], "grpo.generation: is missing: a forecast needs to know"),
    (["grpo.generation.lengths=900"], "must lie below grpo.max-tokens, 900"),
    (["grpo.generation.lengths=[]"], "must have an item"),
    (
      ["grpo.generation.lengths=[{step: 3, mean: 9}, {step: 3, mean: 10}]"],
      "must lie behind the step before"
    ),
    (
      [
        "steps=30",
        "grpo.generation.lengths=[{step: 0, mean: 9}, {step: 30, mean: 9}, {step: 300, mean: 90}]",
      ],
      "has no effect: the phase ends with step 30"
    ),
    (["grpo.minibatches=100000"], "completions of a rollout: at most 1,048,576"),
    (["grpo.generation.acceptance=0.5"], "prediction"),
    (["grpo.generation.genarator=x"], "did you mean generator?"),
    (["grpo.generation.generator=no-such"], "no-such"),
    (["plan.sequence-length=512"], "takes no answer of"),
  ]

  @Test(arguments: refused.indices) func oneLineSaysWhatIsWrong(index: Int) throws {
    let (overrides, rule) = Self.refused[index]
    let error = #expect(throws: ConfigurationError.self) { try planned(overrides) }
    let text = error?.description ?? ""
    #expect(text.contains(rule) && !text.contains("\n"), "\(text)")
  }

  /// Completions that are given need no generator, and are not forecast.
  @Test func givenCompletionsAreRefused() throws {
    let text = """
      model: small.json
      objective: grpo
      grpo: {rollouts: {file: none.jsonl}, group: 8, updates-per-rollout: 4}
      plan: {data-parallel: 8, global-batch: 64, sequence-length: 1024}
      steps: 4
      learning-rate: 1e-6
      """
    let error = #expect(throws: ConfigurationError.self) { try planned(text: text) }
    #expect(error?.description.contains("completions that are given") == true)
  }
}
