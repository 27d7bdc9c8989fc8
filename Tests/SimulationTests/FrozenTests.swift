import Clusters
import Documents
import Models
import Plans
import Programs
import Simulation
import Testing

/// Parts of a model that are not trained: no gradients, no optimizer state, no weight products.
@Suite struct FrozenTests {
  private static func step(
    _ more: [String] = [], model: String = "llama-3.1-8b",
    overrides: [String] = ["num_hidden_layers=2"]
  ) throws -> PlannedStep {
    let plan = ["global-batch: 4", "sequence-length: 1024"]
    return try PlannedStep(
      architecture: .named(model, overrides: overrides), cluster: .shipped("h800-2048"),
      plan: .read(
        Document(text: (plan + more).joined(separator: "\n"), name: "plan"), name: "plan"))
  }

  /// Parameters of two layers by part: queries with output and keys with values, feed-forward blocks, norms
  /// with the last one, embedding, head.
  private static let counts: [(part: Plan.Part, count: Int, products: Bool)] = [
    (.attention, 2 * (2 * 4096 * 4096 + 2 * 1024 * 4096), true),
    (.mlp, 2 * 3 * 14336 * 4096, true), (.norms, 5 * 4096, false),
    (.embedding, 128_256 * 4096, false), (.head, 128_256 * 4096, true),
  ]

  /// A part keeps its parameters, and loses 4 bytes of gradient and 12 of state; of its FLOPs a third.
  @Test(arguments: counts)
  func aPartCostsNoGradients(example: (part: Plan.Part, count: Int, products: Bool)) throws {
    let (whole, frozen) = (try Self.step(), try Self.step(["frozen: [\(example.part.rawValue)]"]))
    let (before, after) = (whole.report(), frozen.report())
    #expect(before.memory.parameters == after.memory.parameters)
    #expect(before.memory.gradients - after.memory.gradients == 4 * example.count)
    #expect(before.memory.optimizer - after.memory.optimizer == 12 * example.count)
    let spared = before.hardwareFLOPsCausal - after.hardwareFLOPsCausal
    let products = example.products ? 2 * 4 * 1024 * Double(example.count) : 0
    #expect(abs(spared - products) < 1e-6 * before.hardwareFLOPsCausal)
    // Model FLOPs are less by as much, since something in front of everything is trained.
    let counted = before.flopsPerTokenCausal - after.flopsPerTokenCausal
    #expect(counted == (example.products ? 2 * Double(example.count) : 0))
    let rate = after.flopsPerTokenCausal * 4 * 1024 / after.stepSeconds
    let utilization = rate / Double(after.ranks) / after.peakFLOPs
    #expect(abs(after.mfuCausal / utilization - 1) < 1e-9)
    #expect(after.stepSeconds < before.stepSeconds)
    #expect(after.memory.peak < before.memory.peak)
  }

  /// No operation writes a frozen parameter's gradient, in any pass, also of a weight half.
  @Test func nobodyWritesFrozenGradients() throws {
    let stage = try Self.step(["frozen: [attention, norms]"]).input.stages[0]
    let frozen = stage.parameters.filter(\.isFrozen)
    #expect(frozen.count == 2 * 2 + 5)
    #expect(frozen.allSatisfy { !$0.isTrained && $0.gradient == BufferID(-1) })
    for program in [stage.backward, stage.backwardInput, stage.backwardWeight] {
      let outputs = program.operations.flatMap { Array($0.outputs) }
      #expect(!outputs.contains(BufferID(-1)))
    }
  }

  /// Copies that divide parameters divide frozen ones too, and gather them.
  @Test func frozenParametersAreSharded() throws {
    let plan = ["data-parallel: 2", "zero-stage: 3"]
    let step = try Self.step(plan + ["frozen: [mlp]"])
    let stage = step.input.stages[0]
    for parameter in stage.parameters where parameter.isFrozen {
      let held = stage.buffers[Int(parameter.buffer.index)]
      #expect(held.rows == .fixed(parameter.elements / 2) && held.columns == 1)
    }
    // They are gathered as before and not reduced.
    let (whole, frozen) = (try Self.step(plan).report(), step.report())
    #expect(frozen.data.total < whole.data.total && frozen.data.total > 0)
  }

  /// Experts of a mixture, beside its router.
  @Test func expertsMayBeFrozen() throws {
    let plan = ["data-parallel: 4", "expert-parallel: 4"]
    func report(_ more: [String]) throws -> StepReport {
      try Self.step(
        plan + more, model: "qwen3-235b-a22b", overrides: ["num_hidden_layers=1"]
      ).report()
    }
    let spared = try report([]).memory.optimizer - report(["frozen: [experts]"]).memory.optimizer
    #expect(spared == 12 * 32 * 3 * 1536 * 4096)
  }

  @Test(arguments: [
    (["frozen: [experts]"], "which the model does not have"),
    (["frozen: [embedding, attention, mlp, norms, head]"], "leaves nothing to train"),
    (["frozen: [head]", "loss: chunked"], "freezes a head whose kernel writes its gradient"),
  ])
  func impossibleFreezesAreRefused(more: [String], words: String) throws {
    let error = #expect(throws: PlanError.self) { _ = try Self.step(more) }
    #expect(error.map { "\($0)".contains(words) } == true, "\(String(describing: error))")
  }

  /// Embedding and head of one tensor are frozen together.
  @Test func sharedTensorsAreFrozenAsAWhole() throws {
    #expect(throws: PlanError.self) {
      _ = try Self.step(["frozen: [embedding]"], model: "megatron-1.7b", overrides: ["n_layer=2"])
    }
    _ = try Self.step(
      ["frozen: [embedding, head]"], model: "megatron-1.7b", overrides: ["n_layer=2"])
  }
}
