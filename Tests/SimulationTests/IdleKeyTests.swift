import Clusters
import Documents
import Models
import Plans
import Simulation
import Testing

/// Keys that a plan states and that have nothing to act on stand under "Assumed", one line each.
@Suite struct IdleKeyTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var model = "qwen3-235b-a22b"
    var plan: [String]
    var cluster: [String] = []
    /// What begins a line each, in order.
    var lines: [String]
    var testDescription: String { "\(model) \(plan)" }
  }

  static func idle(_ example: Case) throws -> [String] {
    let text = (example.plan + ["global-batch: 8", "sequence-length: 512"]).joined(separator: "\n")
    let step = try PlannedStep(
      architecture: .named(
        example.model,
        overrides: [example.model.hasPrefix("megatron") ? "n_layer=4" : "num_hidden_layers=4"]),
      cluster: .named("h800-2048", overrides: example.cluster),
      plan: .read(Document(text: text, name: "plan"), name: "plan"))
    return step.assumptions.filter { $0.contains(" never acts: ") }
  }

  private static let alone = ["data-parallel: 1", "pipeline-parallel: 2"]
  private static let copies = "no parameter has a second copy"
  private static let allExperts = "every rank has all experts (expert-parallel 1)"

  static let cases: [Case] = [
    Case(plan: alone + ["zero-stage: 2"], lines: ["zero-stage never acts: \(copies)"]),
    Case(plan: alone + ["zero-stage: 0"], lines: []),
    Case(
      plan: alone + ["collective-algorithm: ring"],
      lines: ["collective-algorithm never acts: \(copies)"]),
    Case(
      plan: alone + ["precision: {base: bf16, gradient-reduction: bf16}"],
      lines: ["precision.gradient-reduction never acts: \(copies)"]),
    Case(
      plan: ["data-parallel: 2", "zero-stage: 2", "collective-algorithm: ring"],
      lines: []),
    // One number is reduced behind each forward, which takes a launch and a latency wherever there are copies.
    Case(
      model: "llama-3.1-8b",
      plan: ["data-parallel: 8", "zero-stage: 3", "loss-average: microbatch"],
      cluster: ["device.jitter=null"], lines: []),
    // Embedding and head are one tensor on two stages: copies after all.
    Case(
      model: "megatron-22b",
      plan: alone + ["tensor-parallel: 8", "zero-stage: 1", "collective-algorithm: ring"], lines: []
    ),
    Case(
      plan: alone + ["expert-load: {deviation: 0.1, seed: 1}", "nodes-per-token: 2"],
      lines: ["expert-load never acts: \(allExperts)", "nodes-per-token never acts: \(allExperts)"]),
    Case(
      plan: alone + ["precision: {base: bf16, dispatch: e4m3, combine: e5m6}"],
      lines: [
        "precision.dispatch never acts: \(allExperts)",
        "precision.combine never acts: \(allExperts)",
      ]),
    // Rows for FP8 products are quantised once for all experts, or not.
    Case(plan: alone + ["precision: {base: fp8-deepseek, dispatch: bf16}"], lines: []),
    Case(
      plan: alone + ["communication-sms: 20"],
      lines: ["communication-sms never acts: \(allExperts)"]),
    Case(
      plan: alone + ["dispatcher: all-to-all"], lines: ["dispatcher never acts: \(allExperts)"]),
    Case(
      plan: [
        "data-parallel: 8", "expert-parallel: 8", "dispatcher: all-to-all", "nodes-per-token: 1",
      ],
      lines: [
        "nodes-per-token never acts: dispatcher all-to-all sends a row to every expert, wherever it lies"
      ]),
    Case(
      plan: [
        "data-parallel: 8", "expert-parallel: 8", "dispatcher: all-gather", "nodes-per-token: 1",
      ],
      lines: [
        "nodes-per-token never acts: dispatcher all-gather sends every token to all ranks"
      ]),
    Case(
      model: "llama-3.1-8b", plan: alone + ["communication-sms: 20"],
      lines: ["communication-sms never acts: the model has no routed experts"]),
    Case(
      model: "llama-3.1-8b",
      plan: ["data-parallel: 2", "tensor-parallel: 4", "expert-tensor-parallel: 1"],
      lines: ["expert-tensor-parallel never acts: the model has no routed experts"]),
    Case(
      model: "llama-3.1-8b",
      plan: ["data-parallel: 8", "zero-stage: 1", "expert-tensor-parallel: 8"],
      lines: ["expert-tensor-parallel never acts: the model has no routed experts"]),
    // Pairs leave them free; what they do not do is exchange.
    Case(
      plan: alone + ["schedule: dualpipe", "communication-sms: 20"], lines: []),
    Case(
      plan: alone + ["schedule: dualpipe", "overlap: {expert-exchange: true}"],
      lines: ["overlap.expert-exchange never acts: \(allExperts)"]),
    Case(
      plan: ["data-parallel: 2", "send-mode: batched"],
      lines: ["send-mode never acts: nothing is sent along a pipeline of one rank"]),
    Case(
      plan: ["data-parallel: 2", "context-exchange: ring"],
      lines: ["context-exchange never acts: every rank has whole sequences (context-parallel 1)"]),
    Case(
      plan: ["data-parallel: 2", "overlap: {pipeline-sends: true}"],
      lines: ["overlap.pipeline-sends never acts: nothing is sent along a pipeline of one rank"]),
    Case(
      plan: ["data-parallel: 2", "precision: {base: bf16, pipeline-sends: float32}"],
      lines: ["precision.pipeline-sends never acts: the model is one stage"]),
    Case(
      plan: alone + ["recompute: full", "precision: {base: bf16, kept-linear-inputs: e4m3}"],
      lines: [
        "precision.kept-linear-inputs never acts: every layer is computed again (recompute: full)"
      ]),
    Case(
      model: "megatron-22b",
      plan: alone + [
        "tensor-parallel: 8", "precision: {base: bf16, kept-activation-inputs: e4m3}",
      ],
      lines: ["precision.kept-activation-inputs never acts: the model has no SwiGLU"]),
    Case(
      plan: alone + ["precision: {base: bf16, kept-activation-inputs: e4m3}"], lines: []),
  ]

  @Test(arguments: cases) func whatNeverActsIsSaid(example: Case) throws {
    #expect(try Self.idle(example) == example.lines)
  }

  /// Each of them says the truth: without the key the step is the same.
  @Test(arguments: cases.filter { !$0.lines.isEmpty }) func withoutThemTheStepIsTheSame(
    example: Case
  ) throws {
    func step(_ plan: [String]) throws -> Int64 {
      let text = (plan + ["global-batch: 8", "sequence-length: 512"]).joined(separator: "\n")
      return try PlannedStep(
        architecture: .named(
          example.model,
          overrides: [example.model.hasPrefix("megatron") ? "n_layer=4" : "num_hidden_layers=4"]),
        cluster: .named("h800-2048", overrides: example.cluster),
        plan: .read(Document(text: text, name: "plan"), name: "plan")
      ).simulation.run().step
    }
    // `overlap.pipeline-sends never acts: …` is of the line that begins with `overlap`.
    let idle = example.lines.compactMap { $0.split { $0 == " " || $0 == "." }.first }
    let without = example.plan.filter { line in !idle.contains { line.hasPrefix($0) } }
    #expect(without.count < example.plan.count)
    #expect(try step(example.plan) == step(without))
  }
}
