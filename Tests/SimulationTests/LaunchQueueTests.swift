import Clusters
import Models
import Plans
import Programs
import Simulation
import Testing

/// A host ahead of its device, and what it launches under nanotron.
@Suite struct LaunchQueueTests {
  @Test func theSlowerOfHostAndDeviceDecides() {
    var ahead = LaunchQueue()
    for _ in 0..<5 { ahead.compute(launches: 1, host: 1, duration: 10) }
    #expect(ahead.host == 5 && ahead.device == 51)
    var behind = LaunchQueue()
    for _ in 0..<5 { behind.compute(launches: 1, host: 10, duration: 1) }
    #expect(behind.host == 50 && behind.device == 51)
    // A kernel of several launches takes the host as long together as one by one.
    var several = LaunchQueue()
    several.compute(launches: 5, host: 50, duration: 5)
    #expect(several.host == 50 && several.device == 51)
  }

  /// Launch 1 begins at 1, launch n at 1 + (n − 1) · 1,000,000: so long must launch n + depth wait.
  @Test func aFullQueueHoldsTheHost() {
    var queue = LaunchQueue()
    let depth = LaunchQueue.depth
    for _ in 0..<depth { queue.compute(launches: 1, host: 1, duration: 1_000_000) }
    #expect(queue.host == Int64(depth))
    for more in 1...3 {
      queue.compute(launches: 1, host: 1, duration: 1_000_000)
      let begun = 1 + Int64(more - 1) * 1_000_000
      #expect(queue.host == max(Int64(depth) + 1, begun))
    }
  }

  /// A transfer begins behind what was computed before it and behind the one before; what waits for it is later.
  @Test func transfersRunBesideKernels() {
    var queue = LaunchQueue()
    queue.compute(launches: 1, host: 1, duration: 100)
    let first = queue.transfer(host: 1, duration: 50)
    let second = queue.transfer(host: 1, duration: 50)
    #expect(first == 151 && second == 201 && queue.transfers == 201)
    queue.compute(launches: 1, host: 1, duration: 10)
    #expect(queue.device == 111 && queue.host == 4)
    queue.wait(until: first)
    #expect(queue.device == 151)
    queue.wait(until: first)
    #expect(queue.device == 151)
  }

  private static func step(_ framework: String) throws -> PlannedStep {
    let text = """
      data-parallel: 8
      zero-stage: 1
      global-batch: 8
      sequence-length: 4096
      framework: \(framework)
      """
    return try PlannedStep(
      architecture: .named("llama-3.1-8b", overrides: ["num_hidden_layers=3"]),
      cluster: .shipped("h100-2048", overrides: ["nodes=1"]),
      plan: .read(.init(text: text, name: "plan"), name: "plan"))
  }

  /// Beside what others launch: a layer forward 4 around its rotations, 6 for the lengths of its sequences, SiLU;
  /// backward 4, 2 and 3, and 2 for the gain of each of seven norms.
  @Test func nanotronLaunchesMore() throws {
    let (own, plain) = try (Self.step("nanotron"), Self.step("plain"))
    let stage = own.input.stages[0]
    func more(_ program: Program) -> Int {
      program.operations.reduce(0) {
        $0 + own.pricing.launches(of: $1) - plain.pricing.launches(of: $1)
      }
    }
    #expect(more(stage.forward) == 3 * (4 + 6 + 1))
    #expect(more(stage.backward) == 3 * (4 + 2 + 3) + 7 * 2)
    for operation in stage.forward.operations {
      let seconds = Double(own.pricing.launches(of: operation)) * own.pricing.hostSecondsOfTransfer
      #expect(abs(own.pricing.hostSeconds(of: operation) - seconds) < 1e-12)
    }
  }
}
