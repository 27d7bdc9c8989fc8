import Clusters
import Costs
import Documents
import Models
import Plans
import Simulation
import Testing

/// Messages between CPU ranks while other ranks of their machine compute.
@Suite struct ProcessorMessageTests {
  private static let state = "way: node, ranks: 4, active: 4, start: 1 ms, bytes: 10 MB/s"

  /// Four ranks of a machine, on one node or on two; kernels take a microsecond.
  private static func cluster(
    nodes: Int = 1, messages: [String] = [], overrides: [String] = []
  ) throws -> Cluster {
    var text = "name: here\nnodes: \(nodes)\ndevice:\n  name: rank\n  memory: {size: 1 GiB}\n"
    text += "  processor:\n    nodes-on-machine: \(nodes)\n    kernels:\n"
    for kernel in ProcessorKernel.allCases {
      text += "      - {kernel: \(kernel.rawValue), ranks: 4, active: 4, start: 1 us}\n"
    }
    if !messages.isEmpty { text += "    messages:\n" }
    for entry in messages { text += "      - {\(entry)}\n" }
    text += "node:\n  devices: \(4 / nodes)\n"
    text += "  link: {name: memory, bandwidth: 1 GB/s, latency: 10 us}\n"
    if nodes > 1 {
      text += "  adapters: {name: cable, count: 1, bandwidth: 100 MB/s}\n"
      text += "network: {name: lab, planes: 1, attachment: node, layers: [{radix: 4}], "
      text += "latency: {same-leaf: 20 us}}\n"
    }
    return try Cluster(Document(text: text, name: "here.yaml"), overrides: overrides)
  }

  /// Two stages on two halves of the sequences: while one stage works, messages reach the other.
  private static func seconds(_ cluster: Cluster) throws -> Double {
    let architecture = Architecture.gpt(
      name: "gpt", hidden: 32, layers: 4, heads: 2, vocabulary: 64, positions: 16)
    var plan = Plan()
    plan.precision = .float32
    plan.zeroStage = .optimizer
    (plan.dataParallel, plan.pipelineParallel) = (2, 2)
    (plan.globalBatch, plan.microbatchSize, plan.sequenceLength) = (16, 1, 16)
    let placed = try plan.validated(for: architecture, on: .ranks(4))
    return try ProcessorStep(placed, on: cluster).run().seconds
  }

  /// Between what was measured a message lies on a straight line, above it stays.
  @Test func linesBetweenStates() throws {
    let entries = ["way: node, ranks: 4, active: 3, start: 30 us", Self.state]
    let crowded = try #require(try Self.cluster(messages: entries).device.processor).messages
    let cost = ProcessorMessageCost(start: 10e-6, rate: 1e9, crowded: crowded)
    func near(_ found: Double, _ expected: Double) -> Bool {
      abs(found - expected) <= 1e-12
    }
    #expect(near(cost.seconds(1000, computing: 0), 11e-6))
    #expect(near(cost.seconds(1000, computing: 1), 30e-6))
    #expect(near(cost.seconds(1000, computing: 2), 1100e-6))
    #expect(near(cost.seconds(1000, computing: 9), 1100e-6))
    // One that lies between none and two of them.
    let two = ProcessorMessageCost(start: 10e-6, rate: 1e9, crowded: [crowded[1]])
    #expect(near(two.seconds(1000, computing: 1), (11e-6 + 1100e-6) / 2))
  }

  static let keys = Cluster.keyReference.leaves.map(\.path)
    .filter { $0.hasPrefix("device.processor.messages.") }
  private static let changes = [
    "way": "network", "ranks": "5", "active": "3", "start": "2 ms", "bytes": "1 MB/s",
  ]

  /// Every value of an entry moves the step, or is refused.
  @Test(arguments: keys) func valuesAct(path: String) throws {
    let key = String(try #require(path.split(separator: ".").last))
    let value = try #require(Self.changes[key], "nothing says what \(path) may be changed to")
    let base = try Self.seconds(Self.cluster(messages: [Self.state]))
    let override = "device.processor.messages[0].\(key)=\(value)"
    do {
      let changed = try Self.seconds(
        Self.cluster(messages: [Self.state], overrides: [override]))
      #expect(abs(changed / base - 1) > 1e-6, "\(override)")
    } catch { #expect(error is ConfigurationError, "\(override): \(error)") }
  }

  /// A message takes longer while others compute, inside a node and between nodes, and no other does.
  @Test func crowdedMessagesTakeLonger() throws {
    for (nodes, way, other) in [(1, "node", 5), (2, "network", 5), (2, "node", 5)] {
      let quiet = try Self.seconds(Self.cluster(nodes: nodes))
      let entry = "way: \(way), ranks: 4, active: 4, start: 1 ms"
      let crowded = try Self.seconds(Self.cluster(nodes: nodes, messages: [entry]))
      // With one of the two others at work a message takes half of what the millisecond adds.
      #expect(crowded > quiet + 0.5e-3, "\(way): \(crowded) \(quiet)")
      // As many ranks were not started.
      let elsewhere = "way: \(way), ranks: \(other), active: 4, start: 1 ms"
      #expect(try Self.seconds(Self.cluster(nodes: nodes, messages: [elsewhere])) == quiet)
    }
    // As long as while all wait: nothing changes.
    let same = "way: node, ranks: 4, active: 4, start: 10 us, bytes: 1 GB/s"
    let (one, two) = (
      try Self.seconds(Self.cluster()), try Self.seconds(Self.cluster(messages: [same]))
    )
    #expect(abs(one / two - 1) < 1e-9)
  }

  /// What no message of the cluster meets is refused, and what is there twice.
  @Test func idleStates() throws {
    let refused = [
      (1, ["way: network, ranks: 4, active: 4, start: 1 ms"], "no messages between nodes"),
      (4, [Self.state], "no messages inside"),
      (1, [Self.state, Self.state], "is there twice"),
      (1, ["way: node, ranks: 4, active: 5, start: 1 ms"], "must not exceed the 4 ranks"),
      (1, ["way: node, ranks: 4, active: 2, start: 1 ms"], "3 to 4"),
    ]
    for (nodes, messages, words) in refused {
      do {
        _ = try Self.cluster(nodes: nodes, messages: messages)
        Issue.record("was read: \(messages)")
      } catch { #expect("\(error)".contains(words), "\(error)") }
    }
  }
}
