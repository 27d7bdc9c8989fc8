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
    let document = try Document(
      text: """
        data-parallel: 8
        zero-stage: 1
        global-batch: 8
        sequence-length: 4096
        overlap: {gradient-reduction: false}  # products beside reductions have fewer multiprocessors
        \(words)
        """, name: "plan.yaml")
    let plan = try Plan.read(document, name: "plan", world: .devices(cluster.rankCount))
    let key = model.hasPrefix("llama") ? "num_hidden_layers" : "n_layer"
    let architecture = try Architecture.named(model, overrides: ["\(key)=2"])
    return try PlannedStep(architecture: architecture, cluster: cluster, plan: plan).report()
      .kernels
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
