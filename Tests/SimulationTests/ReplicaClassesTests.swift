import Clusters
import Models
import Plans
import Simulation
import Testing

/// Of replicas with equal devices, links and ways one stands for all: the step is that of every rank by
/// itself.
@Suite struct ReplicaClassesTests {
  static let networks: [[String]] = [
    ["network.layers[0].oversubscription=7"],
    ["network.layers[0].oversubscription=7", "network.attachment=node"],
    [
      "network.layers=[{radix: 8, oversubscription: 1}, {radix: 8, oversubscription: 3}, {radix: 16}]",
      "network.latency.cross-pod=5 us",
    ],
    ["network.layers=[{radix: 8, oversubscription: 3}, {radix: 32}]"],
    ["node.link.shared-bandwidth=300 GB/s"],
    ["degraded=[{what: device, rank: 17, share: 0.8}]"],
    [
      "network.layers[0].oversubscription=3",
      "degraded=[{what: adapter, node: 3, index: 2, share: 0.5}]",
    ],
  ]

  /// Model and overrides of a plan for 64 ranks.
  static let plans: [(model: String, plan: [String])] = [
    ("llama-3.1-8b", ["data-parallel=16", "tensor-parallel=2", "pipeline-parallel=2"]),
    (
      "llama-3.1-8b",
      ["data-parallel=2", "tensor-parallel=8", "pipeline-parallel=4", "zero-stage=1"]
    ),
    (
      "llama-3.1-8b",
      ["data-parallel=8", "context-parallel=2", "pipeline-parallel=4", "schedule=zb-h1"]
    ),
    ("mixtral-8x7b", ["data-parallel=32", "pipeline-parallel=2", "expert-parallel=8"]),
    (
      "mixtral-8x7b",
      [
        "data-parallel=16", "pipeline-parallel=4", "expert-parallel=4", "schedule=dualpipe",
        "zero-stage=1",
      ]
    ),
    (
      "mixtral-8x7b",
      [
        "data-parallel=16", "tensor-parallel=2", "pipeline-parallel=2", "expert-parallel=8",
        "expert-tensor-parallel=1", "expert-load={deviation: 0.2, seed: 3}",
      ]
    ),
  ]

  static func step(_ network: [String], _ model: String, _ plan: [String]) throws -> PlannedStep {
    let text = "global-batch: 128\nsequence-length: 1024\nschedule: 1f1b\n"
    return try PlannedStep(
      architecture: .named(model),
      cluster: .shipped("h800-2048-mrft", overrides: ["nodes=8"] + network),
      plan: .read(.init(text: text, name: "plan"), name: "plan", overrides: plan))
  }

  @Test(arguments: networks, plans.indices)
  func classesEqualEveryRankByItself(network: [String], plan: Int) throws {
    let (model, plan) = Self.plans[plan]
    var simulation = try Self.step(network, model, plan).simulation
    let classes = simulation.run()
    let representatives = try #require(simulation.representatives)
    simulation.isExplicit = true
    let explicit = simulation.run()
    #expect(explicit.ranks.count == 64)
    #expect(explicit.step == classes.step)
    let replicas = 64 / simulation.input.ranks.count
    for rank in classes.ranks {
      #expect(representatives.contains(rank.replica))
      #expect(rank == explicit.ranks[rank.position * replicas + rank.replica])
    }
    // Whoever is not simulated does as somebody who is.
    let known = Set(classes.ranks.map { [Int64($0.position), $0.split.total, $0.split.bubble] })
    for rank in explicit.ranks {
      #expect(known.contains([Int64(rank.position), rank.split.total, rank.split.bubble]))
    }
  }

  /// Replicas that are alike are simulated once, however many there are; a slow device makes two classes.
  @Test func equalReplicasAreSimulatedOnce() throws {
    let plan = ["data-parallel=16", "tensor-parallel=2", "pipeline-parallel=2"]
    func ranks(_ network: [String]) throws -> Int {
      try Self.step(network, "llama-3.1-8b", plan).simulation.run().ranks.count
    }
    // All neighbours lie under other leaf switches, or all under the same.
    #expect(try ranks(["node.link.shared-bandwidth=300 GB/s"]) == 4)
    #expect(try ranks(["degraded=[{what: device, rank: 17, share: 0.8}]"]) == 8)
  }

  /// 16,384 ranks whose pods of 3,072 share a seventh of their bandwidth (arXiv 2407.21783 section 3.3.1).
  @Test func podsOfAnOversubscribedClusterFold() throws {
    let cluster = try Cluster.shipped(
      "h100-2048",
      overrides: [
        "nodes=3072", "network.attachment=node",
        "network.layers=[{radix: 32}, {radix: 219, oversubscription: 7}, {radix: 432}]",
        "network.latency.cross-pod=5 us",
      ])
    let plan = """
      data-parallel: 128
      tensor-parallel: 8
      pipeline-parallel: 16
      global-batch: 2048
      sequence-length: 8192
      zero-stage: 1
      """
    let step = try PlannedStep(
      architecture: .named("llama-3.1-405b"), cluster: cluster,
      plan: .read(.init(text: plan, name: "plan"), name: "plan"))
    let result = step.simulation.run()
    #expect(step.placed.plan.worldSize == 16_384)
    #expect(result.ranks.count < 1_024)
    let full = try PlannedStep(
      architecture: .named("llama-3.1-405b"), cluster: cluster.withFullLinks,
      plan: step.placed.plan)
    #expect(result.step > full.simulation.run().step)
  }
}
