import Clusters
import Documents
import Models
import Plans
import Programs
import Simulation
import Testing

/// What a framework that issues its kernels one by one costs: Megatron's GPT on one A100.
@Suite struct HostTests {
  private static func planned(
    hidden: Int, layers: Int, sequence: Int = 256, recomputation: Recomputation = .none,
    fusesSums: Bool = false, host: String
  ) throws -> PlannedStep {
    var plan = Plan()
    plan.globalBatch = 4
    plan.sequenceLength = sequence
    plan.fusedAttention = false
    plan.dropout = true
    plan.recomputation = recomputation
    plan.gradientAccumulationFusion = fusesSums
    return try PlannedStep(
      architecture: .gpt(
        name: "gpt", hidden: hidden, layers: layers, heads: hidden / 64, vocabulary: 1_024,
        positions: sequence),
      cluster: .shipped("a100-vtrain-512", overrides: ["device.launch.host=\(host)"]), plan: plan)
  }

  /// Kernels that the host issues for a program at a microsecond each.
  private static func launches(
    _ layers: Int, fusesSums: Bool = false, _ program: (StageProgram) -> Program
  ) throws -> Int {
    let planned = try planned(
      hidden: 256, layers: layers, recomputation: .full, fusesSums: fusesSums, host: "1 us")
    let seconds = program(planned.input.stages[0]).operations.reduce(0) {
      $0 + planned.pricing.hostSeconds(of: $1)
    }
    return Int((seconds * 1e6).rounded())
  }

  /// One layer forward: two norms, four products, the heads' copy, two batched products with softmax
  /// and dropout, GELU, two dropouts, two residuals.
  @Test func launchesOfALayersForward() throws {
    let two = try Self.launches(2) { $0.forward }
    #expect(try two - Self.launches(1) { $0.forward } == 16)
  }

  /// Backward of the same with its forward again: for every product the input's gradient, and the
  /// weight's and bias's with their sums over microbatches (5), norms 5, attention 6, heads 1,
  /// GELU 1, dropouts 2, and two sums where the residual's gradients meet.
  @Test func launchesOfALayersBackward() throws {
    let two = try Self.launches(2) { $0.backward }
    let one = try Self.launches(1) { $0.backward }
    #expect(two - one == 4 * 5 + 2 * 5 + 6 + 1 + 1 + 2 + 2 + 16)
  }

  /// Products that add to the sums themselves spare a kernel each: four of a layer and the head's.
  @Test(arguments: 1...2) func fusedSumsAreNoKernels(layers: Int) throws {
    let apart = try Self.launches(layers) { $0.backward }
    let fused = try Self.launches(layers, fusesSums: true) { $0.backward }
    #expect(apart - fused == 4 * layers + 1)
  }

  /// Captured kernels of fixed sizes are one launch, so that no small model waits for its host.
  @Test func graphsSpareLaunches() throws {
    func step(_ graphs: Bool, host: String) throws -> Double {
      var plan = try Self.planned(hidden: 256, layers: 2, host: host).placed.plan
      plan.cudaGraphs = graphs
      let planned = try PlannedStep(
        architecture: .gpt(
          name: "gpt", hidden: 256, layers: 2, heads: 4, vocabulary: 1_024, positions: 256),
        cluster: .shipped("a100-vtrain-512", overrides: ["device.launch.host=\(host)"]),
        plan: plan)
      return Double(planned.simulation.run().step)
    }
    #expect(try step(true, host: "41 us") < 0.5 * step(false, host: "41 us"))
    // A launch for each of four forwards and backwards is all that the host's time adds.
    let added = try step(true, host: "82 us") - step(true, host: "41 us")
    #expect(added <= 8 * 41e6 + 1 && added > 0)
    #expect(try step(true, host: "0 us") == step(false, host: "0 us"))
  }

  /// A host that waits for the counts of a dispatch issues what follows later, and only that.
  @Test func waitsForCountsDelayLaunches() throws {
    func step(_ more: [String], host: String) throws -> PlannedStep {
      try PlannedStep(
        architecture: .named("qwen3-235b-a22b", overrides: ["num_hidden_layers=2"]),
        cluster: .named("h800-2048", overrides: ["device.launch.host=\(host)"]),
        plan: .read(
          Document(
            text: ([
              "data-parallel: 8", "expert-parallel: 8", "global-batch: 16",
              "sequence-length: 4096",
            ] + more).joined(separator: "\n"), name: "plan"),
          name: "plan"))
    }
    let (waits, goesOn) = (["token-counts: host"], ["token-counts: device"])
    let late = try step(waits, host: "5 us").report().stepSeconds
    let early = try step(goesOn, host: "5 us").report().stepSeconds
    #expect(late > early)
    // A host that costs nothing has nothing to do late.
    let (free, awaited) = (try step(goesOn, host: "0 us"), try step(waits, host: "0 us"))
    #expect(free.report().stepSeconds == awaited.report().stepSeconds)
    // Frameworks that size tensors on the host wait.
    #expect(try step([], host: "5 us").report().stepSeconds == early)
    let named = try step(["framework: megatron-lm"], host: "5 us")
    #expect(named.assumptions.contains { $0.contains("waits for token counts") })
  }

  /// A small model waits for its host, whatever its width; a large one does not.
  @Test func onlySmallModelsWaitForTheHost() throws {
    func step(_ hidden: Int, sequence: Int, _ host: String) throws -> Double {
      let planned = try Self.planned(
        hidden: hidden, layers: 2, sequence: sequence, host: host)
      return Double(planned.simulation.run().step)
    }
    let small = try step(256, sequence: 256, "41 us")
    #expect(try (1.8...2).contains(step(256, sequence: 256, "82 us") / small))
    #expect(try step(512, sequence: 256, "41 us") < 1.1 * small)
    let large = try step(8_192, sequence: 2_048, "41 us")
    #expect(try step(8_192, sequence: 2_048, "82 us") < 1.02 * large)
  }
}
