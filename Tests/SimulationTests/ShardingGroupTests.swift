import Clusters
import Models
import Plans
import Programs
import Simulation
import Testing

/// Ranks that divide the training state in groups, which are copies of each other.
@Suite struct ShardingGroupTests {
  private func step(
    zero: Int, group: Int?, data: Int = 16, tensor: Int = 1, more: String = "",
    cluster: [String] = []
  ) throws -> PlannedStep {
    let text = """
      data-parallel: \(data)
      tensor-parallel: \(tensor)
      global-batch: \(2 * data)
      sequence-length: 2048
      zero-stage: \(zero)
      \(group.map { "sharding-group: \($0)" } ?? "")
      \(more)
      """
    return try PlannedStep(
      architecture: .named("llama-3.1-8b"), cluster: .named("h800-2048", overrides: cluster),
      plan: .read(.init(text: text, name: "plan"), name: "plan"))
  }

  private func bytes(_ programs: [Program], _ isMatch: (TransferKind) -> Bool) -> Int {
    programs.flatMap(\.transfers).filter { isMatch($0.kind) }.reduce(0) {
      $0 + ExchangeRows()($1.rows) * $1.bytesPerRow
    }
  }

  /// One group of all ranks is what a plan without the key has.
  @Test(arguments: 1...3) func oneGroupIsNoGroup(zero: Int) throws {
    let (plain, grouped) = (try step(zero: zero, group: nil), try step(zero: zero, group: 16))
    #expect(plain.input.stages == grouped.input.stages)
    #expect(plain.simulation.run().ranks == grouped.simulation.run().ranks)
  }

  /// Gradients are scattered whole inside a group, of the shards sums are made over the groups, and
  /// parameters are gathered inside; every group holds the whole state.
  @Test(arguments: [2, 4, 8], 1...3) func shardsAreReducedOverGroups(group: Int, zero: Int) throws {
    let plain = try step(zero: zero, group: nil)
    let grouped = try step(zero: zero, group: group)
    func all(_ step: PlannedStep) -> [Program] {
      let stage = step.input.stages[0]
      return [stage.forward, stage.backward, stage.reduce, stage.update]
    }
    let whole = bytes(all(plain)) { $0 == .reduceScatter(.gradient) }
    #expect(bytes(all(grouped)) { $0 == .reduceScatter(.gradientShards) } == whole)
    let shards = bytes(all(grouped)) { $0 == .allReduce(.gradientReplicas) }
    #expect(abs(Double(shards * group) / Double(whole) - 1) < 0.001)
    let gathers = [
      16 * bytes(all(plain)) { $0 == .allGather(.gradient) },
      group * bytes(all(grouped)) { $0 == .allGather(.gradientShards) },
    ]
    #expect(abs(Double(gathers[0]) / Double(gathers[1]) - 1) < 0.001)
    let peaks = [plain, grouped].map { $0.simulation.run().ranks[0].memory.peak }
    #expect(peaks[1] > peaks[0])
  }

  /// Groups inside of a node gather over its own links: they gain where adapters are slow.
  ///
  /// Where eight adapters carry as much as a GPU's links do they only add the reduction of shards.
  @Test func gathersStayInsideOfANode() throws {
    func total(_ group: Int?, _ adapter: [String]) throws -> Int64 {
      try step(
        zero: 3, group: group, data: 64, cluster: adapter
      ).simulation.run().ranks[0].data.total
    }
    let slow = ["node.adapters.bandwidth=100 Gb/s", "node.adapters.reached=11 GB/s"]
    #expect(try total(8, slow) < total(nil, slow))
    let (near, far) = try (total(8, []), total(nil, []))
    #expect(near > far)
  }

  /// One rank for all, or every rank by itself, whether they are equally fast or not.
  @Test(arguments: [1, 2, 3]) func foldedEqualsExplicit(zero: Int) throws {
    let input = try step(zero: zero, group: 4, data: 8, tensor: 2).input
    var simulation = StepSimulation(input, pricing: FlatPricing(collective: 3e-4))
    let folded = simulation.run()
    simulation.isExplicit = true
    let explicit = simulation.run()
    #expect(explicit.step == folded.step)
    for rank in explicit.ranks { #expect(rank.data == folded.ranks[0].data) }
    simulation.slowness = [1.3] + Array(repeating: 1, count: input.plan.worldSize - 1)
    #expect(simulation.run().step > explicit.step)
  }

  @Test(arguments: [
    (0, 4, "", "divides nothing"), (1, 5, "", "must divide"), (1, 1, "", "divides nothing"),
    (2, 1, "", "divides nothing"), (3, 1, "", "divides nothing"),
    (1, 4, "schedule: dualpipe\npipeline-parallel: 2", "dualpipe"),
  ])
  func groupsThatDoNotDivideAreRefused(
    zero: Int, group: Int, more: String, words: String
  ) throws {
    let error = try #require(throws: (any Error).self) {
      _ = try step(zero: zero, group: group, more: more)
    }
    #expect("\(error)".contains("sharding-group") && "\(error)".contains(words), "\(error)")
  }
}
