import Clusters
import Costs
import Documents
import Foundation
import Models
import Plans
import Programs
import Simulation
import Testing

/// Steps of CPU ranks on clusters whose constants are chosen, so that their times follow on paper.
@Suite struct ProcessorStepTests {
  /// All classes take a start alone, but for those whose line is given; with two ranks twice as long where both
  /// compute.
  private static func cluster(
    _ start: Double = 1, crowded: Double = 1, link: String = "bandwidth: 1 GB/s, latency: 0 us",
    lines: [String] = [], overrides: [String] = []
  ) throws -> Cluster {
    var text = "name: here\nnodes: 1\ndevice:\n  name: rank\n  memory: {size: 1 GiB}\n"
    text += "  processor:\n    kernels:\n"
    for kernel in ProcessorKernel.allCases {
      for (ranks, active) in [(1, 1), (2, 1), (2, 2)] {
        let time = start * (active == 2 ? crowded : 1)
        let own = lines.first { $0.hasPrefix("\(kernel.rawValue):") }?.split(
          separator: ":", maxSplits: 1)
        let parts = own.map { String($0[1]) } ?? "start: \(time) us"
        text +=
          "      - {kernel: \(kernel.rawValue), ranks: \(ranks), active: \(active), \(parts)}\n"
      }
    }
    text += "node:\n  devices: 2\n  link: {name: memory, \(link)}\n"
    return try Cluster(Document(text: text, name: "here.yaml"), overrides: overrides)
  }

  private static let architecture = Architecture.gpt(
    name: "gpt", hidden: 32, layers: 4, heads: 2, vocabulary: 64, positions: 16)

  private static func plan(_ change: (inout Plan) -> Void = { _ in }) throws -> PlacedPlan {
    var plan = Plan()
    plan.precision = .float32
    plan.zeroStage = .optimizer
    plan.globalBatch = 8
    plan.microbatchSize = 1
    plan.sequenceLength = 16
    change(&plan)
    return try plan.validated(for: architecture, on: .ranks(plan.worldSize))
  }

  /// One rank waits for nobody: its step is the sum of its operations, and the engine's walk.
  @Test func oneRankIsASum() throws {
    let step = try ProcessorStep(Self.plan(), on: Self.cluster())
    let outcome = step.run()
    let operations = outcome.timelines[0].items.reduce(0) { $0 + $1.spans.count }
    #expect(operations > 100)
    #expect(abs(outcome.seconds - Double(operations + 1) * 1e-6) < 1e-12)
    #expect(outcome.parts[0].waiting == 0 && outcome.parts[0].messages == 0)
    #expect(abs(outcome.parts[0].total - outcome.seconds) < 1e-12)
  }

  /// Ranks that compute at the same time take what was measured of two; one that waits leaves the other its own
  /// speed.
  @Test func ranksShareTheMachine() throws {
    let placed = try Self.plan { $0.dataParallel = 2 }
    // Messages take next to nothing, so that ranks of unequal shards stay together.
    let link = "bandwidth: 100 TB/s, latency: 0 us"
    let alone = try ProcessorStep(placed, on: Self.cluster(link: link)).run()
    let crowded = try ProcessorStep(placed, on: Self.cluster(crowded: 2, link: link)).run()
    let kernels = alone.parts[0].total - alone.parts[0].messages - alone.parts[0].waiting
    let slower = crowded.parts[0].total - crowded.parts[0].messages - crowded.parts[0].waiting
    #expect(abs(slower / kernels - 2) < 0.01)
    // A pipeline's first forward has the machine to itself, its last backward too.
    let pipeline = try Self.plan { ($0.pipelineParallel, $0.globalBatch) = (2, 2) }
    let one = try ProcessorStep(pipeline, on: Self.cluster()).run()
    let two = try ProcessorStep(pipeline, on: Self.cluster(crowded: 2)).run()
    #expect(two.seconds > one.seconds * 1.2 && two.seconds < one.seconds * 1.8)
    #expect(one.parts.contains { $0.waiting > 0 })
  }

  /// With free messages two data ranks that do half of the work each take half of the time, but for the walk
  /// and the optimizer; each byte of a gradient costs what the link says.
  @Test func messagesCostTheirBytes() throws {
    let placed = try Self.plan { $0.dataParallel = 2 }
    let fast = try ProcessorStep(
      placed, on: Self.cluster(0, link: "bandwidth: 1 GB/s, latency: 0 us")
    ).run()
    let slow = try ProcessorStep(
      placed, on: Self.cluster(0, link: "bandwidth: 500 MB/s, latency: 0 us")
    ).run()
    #expect(fast.seconds > 0)
    #expect(abs(slow.seconds / fast.seconds - 2) < 1e-6)
    // Half of the gradients come in, half of the parameters come back, and the sums are agreed on.
    let elements = Self.architecture.parameters.filter { $0.sharedWith == nil }
      .reduce(0) { $0 + $1.count }
    let least = Double(4 * elements) / 1e9
    #expect(fast.seconds > 0.9 * least && fast.seconds < 1.3 * least, "\(fast.seconds) \(least)")
  }

  static let schedules = ["gpipe", "1f1b", "zb-h1", "interleaved-1f1b"]

  /// Every schedule comes to its end, and twice gives the same.
  @Test(arguments: schedules) func schedulesEnd(name: String) throws {
    let placed = try Self.plan {
      $0.pipelineParallel = 2
      $0.schedule = .named(name)
      if name.hasPrefix("interleaved") { $0.stagesPerRank = 2 }
    }
    let step = try ProcessorStep(placed, on: Self.cluster(crowded: 1.5))
    let outcome = step.run()
    #expect(outcome.timelines == step.run().timelines)
    for parts in outcome.parts { #expect(parts.total <= outcome.seconds + 1e-12) }
    #expect(outcome.parts.contains { abs($0.total - outcome.seconds) < 1e-9 })
  }

  /// What each key of `device.processor` is changed to, in the entry of forward products on one rank.
  ///
  /// KeyEffectTests leaves this section to these tests, which take every key that the reference has.
  private static let changes = [
    "kernel": "copy", "ranks": "2", "active": "2", "start": "3 us", "flops": "2 GFLOPS",
    "bytes": "2 GB/s", "weights": "2 GB/s", "row": "2 us",
  ]

  static let keys = Cluster.keyReference.leaves.map(\.path)
    .filter { $0.hasPrefix("device.processor.kernels.") }

  /// Every value of the section moves a figure, or is refused.
  @Test(arguments: keys) func valuesAct(path: String) throws {
    let key = String(try #require(path.split(separator: ".").last))
    let value = try #require(Self.changes[key], "nothing says what \(path) may be changed to")
    // Rows are what a router, a norm or a copy has; products have none.
    let kernel = key == "row" ? "inputs" : "transposed-forward"
    let all = "start: 1 us, flops: 1 GFLOPS, bytes: 1 GB/s, weights: 1 GB/s, row: 1 us"
    func seconds(_ overrides: [String]) throws -> Double {
      let cluster = try Self.cluster(lines: ["\(kernel):\(all)"], overrides: overrides)
      return try ProcessorStep(Self.plan(), on: cluster).run().seconds
    }
    // Of three states of each class in their order the first is that of one rank.
    let place = try #require(ProcessorKernel.allCases.firstIndex { $0.rawValue == kernel })
    let base = try seconds([])
    let override = "device.processor.kernels[\(3 * place)].\(key)=\(value)"
    do {
      let changed = try seconds([override])
      #expect(abs(changed / base - 1) > 1e-6, "\(override)")
    } catch { #expect(error is ConfigurationError, "\(override): \(error)") }
  }

  /// Kernels count as measured with the ranks that the plan has on the machine, and with those that compute.
  @Test func statesAct() throws {
    let placed = try Self.plan { $0.dataParallel = 2 }
    let base = try ProcessorStep(placed, on: Self.cluster(crowded: 2)).run().seconds
    let place = try #require(ProcessorKernel.allCases.firstIndex(of: .transposedForward))
    func seconds(_ state: Int) throws -> Double {
      let override = "device.processor.kernels[\(3 * place + state)].start=9 us"
      return try ProcessorStep(placed, on: Self.cluster(crowded: 2, overrides: [override])).run()
        .seconds
    }
    // Two ranks compute at the same time: neither the state of one alone nor that of one rank is looked at.
    #expect(try seconds(0) == base)
    #expect(try seconds(2) > base * 1.01)
  }

  /// Nodes on one machine share its cores: two of one rank each are as slow as two ranks of a node, but for
  /// messages; on machines of their own each is as fast as a rank alone.
  @Test func nodesShareAMachine() throws {
    let placed = try Self.plan { $0.dataParallel = 2 }
    let nodes = [
      "nodes=2", "node.devices=1",
      "node.adapters={name: cable, count: 1, bandwidth: 100 TB/s}",
      "network={name: lab, planes: 1, attachment: node, layers: [{radix: 2}], "
        + "latency: {same-leaf: 0 us}}",
    ]
    func kernels(_ overrides: [String]) throws -> Double {
      let cluster = try Self.cluster(
        crowded: 2, link: "bandwidth: 100 TB/s, latency: 0 us", overrides: overrides)
      let parts = try ProcessorStep(placed, on: cluster).run().parts[0]
      return parts.total - parts.messages - parts.waiting
    }
    let shared = "device.processor.nodes-on-machine=2"
    let (together, apart) = (try kernels(nodes + [shared]), try kernels(nodes))
    #expect(abs(together / apart - 2) < 0.01)
    #expect(abs(together / (try kernels([])) - 1) < 0.01)
    #expect(throws: ConfigurationError.self) {
      try Self.cluster(overrides: nodes + ["device.processor.nodes-on-machine=3"])
    }
  }

  /// A machine has as many ranks as its node, and a plan with more is refused.
  @Test func ranksOfTheMachine() throws {
    let four = try Self.plan { $0.dataParallel = 4 }
    do {
      _ = try ProcessorStep(four, on: Self.cluster())
      Issue.record("there are two ranks")
    } catch { #expect("\(error)".contains("has 2 CPU ranks in all, and the plan has 4")) }
    // More ranks of a node than were measured are no state that is known.
    do {
      _ = try ProcessorStep(four, on: Self.cluster(overrides: ["node.devices=4"]))
      Issue.record("nothing was measured with four ranks")
    } catch { #expect("\(error)".contains("were measured with 1, 2 ranks on a machine")) }
  }

  static let refused = [
    "device.multiprocessors=4", "device.launch.gap=1 us", "device.memory.bandwidth=1 GB/s",
    "price=3", "node.link.shared-bandwidth=1 GB/s", "device.processor.kernels[0].active=9",
    "device.processor.kernels[0].kernel=nothing",
  ]

  /// What CPU ranks do not look at is refused.
  @Test(arguments: refused) func idleValues(override: String) throws {
    let text = """
      name: here
      nodes: 1
      device:
        name: rank
        memory: {size: 1 GiB}
        processor:
          kernels: [{kernel: copy, ranks: 1, active: 1, start: 1 us}]
      node: {devices: 1, link: {name: memory, bandwidth: 1 GB/s, latency: 1 us}}
      """
    let document = try Document(text: text, name: "here.yaml")
    _ = try Cluster(document)
    #expect(throws: ConfigurationError.self) { try Cluster(document, overrides: [override]) }
  }

  /// What of a plan CPU ranks do not do is refused by its own key, whatever else it says.
  @Test func plansBeyondCPURanks() throws {
    let changes: [(String, (inout Plan) -> Void)] = [
      ("tensor-parallel", { $0.tensorParallel = 2 }),
      ("context-parallel", { $0.contextParallel = 2 }),
      ("zero-stage", { $0.zeroStage = .gradients }),
      ("sharding-group", { ($0.dataParallel, $0.shardingGroup) = (4, 2) }),
      ("expert-tensor-parallel", { $0.expertTensorParallel = 2 }),
      ("redundant-experts", { $0.redundantExperts = 2 }),
      (
        "documents",
        { $0.documents = PackedDocuments(.distribution(mean: 8, deviation: 0.5, seed: 1)) }
      ),
      ("precision", { $0.precision = .bfloat16 }),
      ("fused-attention", { $0.fusedAttention = false }),
      ("fused-head", { $0.fusedHead = false }), ("loss", { $0.loss = .native }),
      ("dropout", { $0.dropout = true }),
      ("gradient-accumulation-fusion", { $0.gradientAccumulationFusion = false }),
      ("lora", { $0.lora = Plan.LoRA(rank: 4) }), ("frozen", { $0.frozen = [.embedding] }),
      ("optimizer", { $0.optimizer = .muon }), ("offload", { $0.offload.optimizer = 1 }),
      ("collective-algorithm", { $0.collectiveAlgorithm = .inSwitch }),
    ]
    // Keys of the reference: whoever reads the message finds them there.
    let known = Set(Plan.keyReference.entries.map(\.name))
    var plan = try Self.plan().plan
    try ProcessorStep.check(plan, for: Self.architecture)
    for (key, change) in changes {
      var changed = plan
      change(&changed)
      let error = #expect(throws: PlanError.self) {
        try ProcessorStep.check(changed, for: Self.architecture)
      }
      #expect(error.map { "\($0)".hasPrefix("\(key) ") } == true, "\(key)")
      #expect(known.contains(key), "\(key)")
    }
    (plan.execution, plan.dispatcher) = (.eager, .allToAll)
    plan.expertLoad = .deviation(0.1, seed: 1)
    #expect(plan.keysForDevicesAlone == ["execution", "dispatcher", "expert-load"])
  }

  /// Other commands refuse a cluster of CPU ranks, and this one other clusters, each in a line.
  @Test func kindsOfClusters() throws {
    do {
      _ = try ProcessorStep(Self.plan(), on: .shipped("h800-2048"))
      Issue.record("an H800 is no CPU rank")
    } catch { #expect("\(error)".contains("no cluster of CPU ranks")) }
    let placed = try Self.plan()
    do {
      _ = try PlannedStep(
        architecture: Self.architecture, cluster: Self.cluster(), plan: placed.plan)
      Issue.record("a CPU rank is no accelerator")
    } catch { #expect("\(error)".contains("describes CPU ranks")) }
  }

  /// A kernel that was not measured is named.
  @Test func missingKernels() throws {
    let text = """
      name: here
      nodes: 1
      device:
        name: rank
        memory: {size: 1 GiB}
        processor: {kernels: [{kernel: copy, ranks: 1, active: 1, start: 1 us}]}
      node: {devices: 1, link: {name: memory, bandwidth: 1 GB/s, latency: 1 us}}
      """
    let cluster = try Cluster(Document(text: text, name: "here.yaml"))
    do {
      _ = try ProcessorStep(Self.plan(), on: cluster)
      Issue.record("nothing but copies was measured")
    } catch { #expect("\(error)".contains("lacks step")) }
  }
}
