import Testing

/// What is wrong with the cluster is none of a plan's faults: a search ends at once as a simulation does.
@Suite struct SearchFaultTests {
  private static let place = "--model llama-3.1-8b --cluster h100-2048"

  @Test(arguments: [
    "node.collectives=null", "device.kernels=null", "device.kernels.streaming=null",
    "device.kernels.streaming.norm=x", "device.clock=null", "node.collectives.ring=null",
    "device.kernels.matmul.bf16=null", "device.kernels.attention=null",
  ])
  func clusterFaultsEndASearch(_ value: String) throws {
    let simulated = try Command.run(
      "simulate \(Self.place) --plan llama-3.1-8b --set cluster.\(value)")
    let searched = try Command.run(
      "search \(Self.place) --gpus 16 --global-batch 64 --sequence 4096 --simulations 1 "
        + "--set cluster.\(value)")
    #expect(simulated.status == 1, "\(simulated.errors)")
    #expect(searched.status == simulated.status)
    #expect(searched.errors == simulated.errors)
    #expect(searched.output.isEmpty)
  }
}
