import TestSupport
import Testing

/// Training whose ranks lie on two hosts with addresses and names of their own.
@Suite(
  .serialized,
  .enabled(if: Program.canTrain && TwoHosts.areAvailable, "needs root, mpirun, and `ip netns`"))
struct TwoHostsRunTests {
  /// The bits of one host, and what the simulation says, over the network too.
  @Test(arguments: [
    ("gpt2-tiny", "data-parallel: 2, pipeline-parallel: 2"),
    ("deepseek-v3-tiny", RunTests.dualPipe),
  ])
  func twoHostsEqualOne(model: String, plan: String) throws {
    let single = try Scene(model, plan: plan, steps: 3)
    let expected = try Program.sluice("train", single.run, "--ranks", "4")
    #expect(expected.status == 0, "\(expected.output)")
    let scene = try Scene(model, plan: plan, steps: 3)
    let hosts = try TwoHosts()
    let outcome = try hosts.run(Program.path, "train", scene.run, "--check-simulation")
    #expect(outcome.status == 0, "\(outcome.output)")
    #expect(outcome.output.contains("equal in all of it"), "\(outcome.output)")
    // Pipelines run between the hosts, so their bytes are not inside a node.
    let pipeline = try #require(
      outcome.output.split(separator: "\n").first { $0.contains("  pipeline ") })
    #expect(pipeline.firstMatch(of: /= 0 +=  ?[1-9][0-9,]*$/) != nil, "\(pipeline)")
    #expect(try scene.losses() == single.losses())
    #expect(try scene.losses().count == 3)
  }
}
