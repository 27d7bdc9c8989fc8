import Clusters
import Costs
import Models
import Plans
import Programs
import Simulation
import Testing

/// Tensor groups with more ranks than key and value heads: Qwen3-235B has 4 of 128 for 64 of queries.
@Suite struct KeyValueReplicaTests {
  static func step(tensor: Int, _ more: [String] = []) throws -> PlannedStep {
    try FoldingTests.step(
      "tp8-on-4-key-value-heads",
      [
        "tensor-parallel=\(tensor)", "data-parallel=\(64 / tensor)",
      ] + more)
  }

  private func projections(_ step: PlannedStep) -> [StageParameter] {
    step.input.stages.flatMap(\.parameters).filter { $0.roles.contains(.key) }
  }

  private func reductions(_ step: PlannedStep, stage: Int = 0) -> [Transfer] {
    step.input.stages[stage].reduce.transfers.filter { $0.kind == .allReduce(.keyValue) }
  }

  /// Queries are divided, keys and values as far as there are heads; what lies on two ranks counts on both.
  @Test(arguments: [2, 4, 8, 16, 32])
  func everyRankHoldsAHead(tensor: Int) throws {
    let step = try Self.step(tensor: tensor)
    let held = max(1, 4 / tensor)
    let projections = projections(step)
    #expect(projections.count == 94)
    for projection in projections {
      #expect(projection.rows == (64 / tensor + 2 * held) * 128)
      #expect(projection.columns == 4_096)
    }
    let ofGroup = tensor * projections.reduce(0) { $0 + $1.elements }
    let replicas = max(1, tensor / 4)
    #expect(ofGroup == 94 * (64 + replicas * 2 * 4) * 128 * 4_096)
  }

  /// The gradients of replicated heads are added up once in a step, in 32 bits; no others are.
  @Test(arguments: [4, 8, 16])
  func gradientsAreAddedUpOverReplicas(tensor: Int) throws {
    let step = try Self.step(tensor: tensor, ["gradient-bucket=1000000000000"])
    let reductions = reductions(step)
    guard tensor > 4 else {
      #expect(reductions.isEmpty)
      return
    }
    let transfer = try #require(reductions.first)
    #expect(reductions.count == 1)
    let elements = 47 * 2 * 128 * 4_096
    #expect(transfer.rows == .fixed(elements) && transfer.bytesPerRow == 4)
    let collectives = CollectiveCost(try CollectiveConstants(step.cluster))
    let group = CollectiveGroup(ranks: tensor / 4, ranksPerNode: tensor / 4)
    #expect(
      step.pricing.seconds(ofCollective: transfer, stage: 0)
        == collectives.allReduce(bytes: Double(4 * elements), group: group).seconds)
    #expect(!step.pricing.crossesNodes(transfer))
  }

  /// Where gradients are sharded, so is what is added up.
  @Test func shardsAreAddedUp() throws {
    let transfer = try #require(reductions(Self.step(tensor: 8, ["zero-stage=2"])).first)
    #expect(transfer.rows == .fixed(47 * 2 * 128 * 4_096 / 8))
  }

  /// One rank for all or every rank by itself: the same step, on Llama-3.1-8B with two ranks for each head.
  @Test func foldedEqualsExplicit() throws {
    let text = """
      data-parallel: 2
      tensor-parallel: 16
      global-batch: 4
      sequence-length: 2048
      zero-stage: 1
      """
    let step = try PlannedStep(
      architecture: .named("llama-3.1-8b"), cluster: .named("h800-2048"),
      plan: .read(.init(text: text, name: "plan"), name: "plan"))
    var simulation = step.simulation
    let alike = simulation.run()
    simulation.isExplicit = true
    let explicit = simulation.run()
    #expect(explicit.ranks.count == 32 && explicit.step == alike.step)
    #expect(explicit.ranks.allSatisfy { $0.data == alike.ranks[0].data })
  }
}
