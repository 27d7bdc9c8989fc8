import Clusters
import Costs
import Documents
import Models
import Plans
import Simulation
import Testing

/// Norms, gated activations and rotary embeddings as one kernel each, as operators, or compiled.
@Suite struct ExecutionTests {
  private func kernels(_ words: String, model: String = "llama-3.1-8b") throws -> KernelTimes {
    // With a cap, other kernels would leave products another clock.
    let cluster = try Cluster.shipped(
      "h100-2048",
      overrides: ["nodes=1", "device.power-cap=null", "device.clock.loaded=1600 MHz"])
    let architecture = try Architecture.named(model, overrides: [Self.layers(model)])
    return try PlannedStep(
      architecture: architecture, cluster: cluster, plan: Self.plan(words, on: cluster)
    ).report().kernels
  }

  private static func layers(_ model: String) -> String {
    model.hasPrefix("llama") ? "num_hidden_layers=2" : "n_layer=2"
  }

  private static func plan(_ words: String, on cluster: Cluster) throws -> Plan {
    let document = try Document(
      text: """
        data-parallel: 8
        zero-stage: 1
        global-batch: 8
        sequence-length: 4096
        overlap: {gradient-reduction: false}  # products beside reductions have fewer multiprocessors
        \(words)
        """, name: "plan.yaml")
    return try Plan.read(document, name: "plan", world: .devices(cluster.rankCount))
  }

  /// A host that issues operator by operator takes its own time for each, and the fused frameworks' time
  /// where nobody measured it.
  @Test(arguments: [
    ("fused", "null", 5.0), ("compiled", "30 us", 5), ("eager", "30 us", 30), ("eager", "null", 5),
  ])
  func theHostIssuesOperators(execution: String, eager: String, micros: Double) throws {
    let cluster = try Cluster.shipped(
      "h100-2048", overrides: ["nodes=1", "device.launch.eager=\(eager)"])
    let step = try PlannedStep(
      architecture: .named("llama-3.1-8b", overrides: [Self.layers("llama")]), cluster: cluster,
      plan: Self.plan("execution: \(execution)", on: cluster))
    let norms = step.input.stages[0].forward.operations.filter {
      if case .norm = $0.kernel { true } else { false }
    }
    #expect(norms.count == 5)
    let launches = execution == "eager" ? 8.0 : 1
    for norm in norms {
      #expect(abs(step.pricing.hostSeconds(of: norm) - launches * micros * 1e-6) < 1e-12)
    }
    #expect(abs(step.pricing.hostSecondsOfTransfer - micros * 1e-6) < 1e-12)
  }

  /// Bytes over the rate of passes: 36 to 4 of a forward's norm, 84 to 6 of a backward's, in 16 bits.
  @Test func operatorsAreSlower() throws {
    let (fused, eager, compiled) = (
      try kernels(""), try kernels("execution: eager"), try kernels("execution: compiled")
    )
    for pass in [KernelTimes.Pass.forward, .backwardInput] {
      let (one, many) = (compiled[.norm, pass], eager[.norm, pass])
      #expect(many > 5 * one, "\(pass)")
      #expect(eager[.activation, pass] > compiled[.activation, pass])
      #expect(eager[.heads, pass] > 3 * compiled[.heads, pass])
      #expect(eager[.matmul, pass] == fused[.matmul, pass])
    }
    #expect(fused == (try kernels("execution: fused")))
  }

  /// 4,096 rows of 4,096 numbers in 16 bits: six passes of 36 bytes a number, each behind a ramp and a gap,
  /// five times in two layers.
  @Test func aNormIsItsPasses() throws {
    let device = try DeviceModel(Cluster.shipped("h100-2048").device)
    let elements = 4096.0 * 4096
    let rate = device.memoryBandwidth * 2.37 / 3
    let norm = elements * 36 / rate + 6 * (device.streaming.ramp + device.launchGap)
    let found = Double(try kernels("execution: eager")[.norm, .forward]) / 1e12
    #expect(abs(found / (5 * norm) - 1) < 0.01, "\(found), not \(5 * norm)")
  }
}
