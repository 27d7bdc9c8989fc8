import Clusters
import Documents
import Models
import Plans
import Simulation
import Testing

/// The settings of a plan as JSON prints them: all keys, what decides written out, and the same step.
@Suite struct SettingsTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var model = "qwen3-235b-a22b"
    var cluster = "h800-2048"
    var plan: [String]
    var testDescription: String { "\(model) \(plan)" }
  }

  static let cases: [Case] = [
    Case(plan: ["data-parallel: 8", "expert-parallel: 8", "zero-stage: 1"]),
    Case(plan: ["data-parallel: 8", "zero-stage: 3", "tensor-parallel: 2"]),
    Case(
      plan: [
        "data-parallel: 4", "pipeline-parallel: 2", "schedule: dualpipe", "expert-parallel: 4",
        "zero-stage: 1", "expert-load: {deviation: 0.1, seed: 2}", "dispatcher: deepep",
      ]),
    Case(plan: ["pipeline-parallel: 4", "schedule: zb-h1", "context-parallel: 2"]),
    Case(
      plan: [
        "data-parallel: 2", "precision: fp8-deepseek", "framework: megatron-lm",
        "recompute: full", "overlap: {parameter-gather: true}", "zero-stage: 1",
      ]),
    Case(
      model: "llama-3.1-8b", cluster: "h100-2048",
      plan: ["data-parallel: 3", "loss: chunked", "documents: {lengths: {mean: 100}}"]),
    Case(
      model: "llama-3.1-8b", cluster: "a100-selene",
      plan: ["data-parallel: 2", "precision: float32", "fused-attention: false"]),
    Case(
      model: "llama-3.1-8b", cluster: "h100-2048",
      plan: [
        "data-parallel: 4", "tensor-parallel: 2", "framework: torchtitan", "zero-stage: 3",
        "cuda-graphs: true", "execution: compiled", "optimizer: adamw-foreach",
      ]),
  ]

  private static func step(_ example: Case, _ text: String) throws -> PlannedStep {
    try PlannedStep(
      architecture: .named(example.model, overrides: ["num_hidden_layers=4"]),
      cluster: .named(example.cluster),
      plan: .read(Document(text: text, name: "plan"), name: "plan"))
  }

  private static func idle(_ step: PlannedStep) -> [String] {
    step.assumptions.filter { $0.contains("never acts") }
  }

  @Test(arguments: cases) func settingsAreTheSameStep(_ example: Case) throws {
    let text = (example.plan + ["global-batch: 24", "sequence-length: 512"])
      .joined(separator: "\n")
    let step = try Self.step(example, text)
    let settings = step.decidedPlan.settings
    let other = try Self.step(example, settings)
    let (report, same) = (step.report(replaysAllocator: true), other.report(replaysAllocator: true))
    #expect(report.stepSeconds == same.stepSeconds && report.memory == same.memory)
    #expect(report.kernels == same.kernels && report.data == same.data)
    #expect(Self.idle(step) == Self.idle(other))
    // They say all that they would say of themselves.
    #expect(other.decidedPlan.settings == settings)
  }

  /// Every key is there, by one of its names where it has two.
  @Test(arguments: cases) func everyKeyIsThere(_ example: Case) throws {
    let text = (example.plan + ["global-batch: 24", "sequence-length: 512"])
      .joined(separator: "\n")
    let step = try Self.step(example, text)
    let document = try Document(text: step.decidedPlan.settings, name: "settings")
    let there = Set(document.keyPaths)
    let names = [
      ["loss", "fused-loss"], ["attention-library", "fused-attention"],
      ["schedule", "schedule-file"], ["layers-per-stage", "units-per-stage"],
      ["recompute", "recompute-layers"],
    ]
    for entry in Plan.keyReference.entries where entry.name != "source" {
      let own = names.first { $0.contains(entry.name) } ?? [entry.name]
      #expect(own.contains(where: there.contains), "\(entry.name)")
    }
    // What the cluster decides, and what follows from other keys.
    let said = Set(document.leaves.filter { $0.text != "null" }.map(\.keyPath))
    #expect(said.isSuperset(of: ["library", "computation-sms", "gradient-accumulation-fusion"]))
    let plan = step.placed.plan
    if plan.expertParallel > 1 {
      #expect(said.isSuperset(of: ["dispatcher", "communication-sms", "token-counts"]))
    }
    if plan.zeroStage == .parameters, plan.replicas > 1 {
      #expect(
        said.isSuperset(of: ["overlap.prefetch", "reshard-after-forward", "sharding-group"]))
    }
    if plan.pipelineParallel > 1 { #expect(said.contains("send-mode")) }
    if case .deviation = plan.expertLoad {
      #expect(said.contains("expert-load.correlation.layers"))
    }
  }
}
