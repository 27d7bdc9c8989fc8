import Clusters
import Documents
import Foundation
import Testing

/// One case per rule that a description can break: the change and the start of the message.
@Suite struct BadInputTests {
  @Test(arguments: [
    ("nodes=0", "nodes: \"0\": must be from 1 to 16777216"),
    ("nodes=16777216", "nodes: \"16777216\": must not exceed 16777216 devices in all"),
    ("nodes=2049", "nodes: \"2049\": must not exceed 2048, the most that the network joins"),
    ("nodes=", "nodes: expected a whole number, found nothing"),
    ("price=-2", "price: \"-2\": must be from 0.0 to 1000000.0"),
    ("device=7", "device: \"7\": expected a table, the name of a shipped cluster or a path"),
    ("device.name=[]", "device.name: expected a text, found a list"),
    ("device.multiprocessors=none", "device.multiprocessors: \"none\": expected a whole number"),
    ("device.peak={}", "device.peak: needs the peak of at least one of fp8, bf16"),
    ("device.peak={bf61: 1 TFLOPS}", "device.peak.bf61: unknown key; did you mean bf16?"),
    ("device.peak.bf16=989", "device.peak.bf16: \"989\": a unit is missing"),
    ("device.peak.bf16=0 TFLOPS", "device.peak.bf16: \"0 TFLOPS\": must be from 1 GFLOPS to"),
    ("device.clock.loaded=2 GHz", "device.clock.loaded: \"2 GHz\": must not exceed the boost"),
    ("device.memory.size=80 Gb", "device.memory.size: \"80 Gb\": unknown unit"),
    ("device.memory.size=9999999 PiB", "device.memory.size: \"9999999 PiB\": must be less than"),
    ("device.memory.reached=4 TB/s", "device.memory.reached: \"4 TB/s\": must not exceed"),
    ("device.launch.gap=-2 us", "device.launch.gap: \"-2 us\": must not be negative"),
    ("device.kernels=5", "device.kernels: \"5\": expected a table"),
    ("device.kernels={a: {value: 1, sorce: x}}", "device.kernels.a.sorce: unknown key"),
    ("node.devices=7", "node.adapters.count: must divide the 7 devices"),
    ("node.link.bandwidth=nan GB/s", "node.link.bandwidth: \"nan GB/s\": expected a bandwidth"),
    ("node.link.latency=3 d", "node.link.latency: \"3 d\": must be from 0 s to 1.00 s"),
    ("device.memory.size=0 B", "device.memory.size: \"0 B\": must be from 1 KiB to"),
    ("device.shared-memory=0 B", "device.shared-memory: \"0 B\": must be from 1 KiB to"),
    ("device.cache=50 MB", "device.cache: unknown key"),
    ("device.clock.boost=1 Hz", "device.clock.boost: \"1 Hz\": must be from 10 MHz to 100 GHz"),
    ("device.clock.loaded=1 Hz", "device.clock.loaded: \"1 Hz\": must be from 10 MHz to"),
    ("device.clock.boost=1 THz", "device.clock.boost: \"1 THz\": unknown unit"),
    ("node.link.latency=3.3", "node.link.latency: \"3.3\": a unit is missing"),
    (
      "node.link.shared-bandwidth=0 B/s",
      "node.link.shared-bandwidth: \"0 B/s\": must be from 1 MB/s"
    ),
    ("node.adapters=~", "network: a network needs node.adapters"),
    ("network=~", "network: required key is missing: 256 nodes need a network"),
    ("network.planes=3", "network.planes: \"3\": must divide the 8 adapters"),
    ("network.attachment=rails", "network.attachment: \"rails\": expected one of rail, node"),
    ("network.layers=[]", "network.layers: must have from 1 to 3 layers, has 0"),
    ("network.layers=[{radix: 1}]", "network.layers[0].radix: \"1\": must be from 2"),
    (
      "network.layers[1].oversubscription=2",
      "network.layers[1].oversubscription: \"2\": the top layer has no uplinks"
    ),
    (
      "network.layers[0].oversubscription=64",
      "network.layers[0].oversubscription: \"64\": a switch of 64 ports has at most 63 below one above"
    ),
    ("network.layers[0].oversubscription=0.5", "network.layers[0].oversubscription: \"0.5\": must"),
    ("network.latency.cross-leaf=1 us", "network.latency.cross-leaf: \"1 us\": must be at least"),
    ("network.latency.cross-pod=9 us", "network.latency.cross-pod: unknown key"),
    ("network.lattency=1", "network.lattency: unknown key; did you mean latency?"),
    ("network.port={bandwidth: 1 GB/s, reached: 2 GB/s}", "network.port.reached: \"2 GB/s\": must"),
    ("degraded=5", "degraded: \"5\": expected a list"),
    ("colour=red", "colour: unknown key"),
  ])
  func rules(change: String, message: String) throws {
    let error = try #require(throws: ConfigurationError.self) {
      try Cluster.shipped("h800-2048", overrides: [change])
    }
    let text = error.description
    let prefixes = ["--set: \(message)", "h800-2048.yaml:"]
    #expect(prefixes.contains { text.hasPrefix($0) } && text.contains(message), "\(text)")
    #expect(!text.contains("\n"))
  }

  @Test func singleLayerOfRails() {
    let error = #expect(throws: ConfigurationError.self) {
      try Cluster.shipped(
        "h800-2048", overrides: ["network.planes=1", "network.layers=[{radix: 512}]"])
    }
    #expect(error?.rule.contains("nothing joins single-layer rails") == true)
  }

  @Test func missingSections() {
    for key in ["nodes", "device", "node"] {
      let sections = ["nodes: 1", "device: a100-selene", "node: a100-selene"]
      let text = sections.filter { !$0.hasPrefix(key + ":") }.joined(separator: "\n")
      let error = #expect(throws: ConfigurationError.self) {
        try Cluster(try Document(text: text, name: "mine.yaml"))
      }
      #expect(error?.keyPath == key)
      #expect(error?.rule.hasPrefix("required key is missing") == true)
    }
  }

  @Test func overridesMayNameAnotherDescription() throws {
    let cluster = try Cluster.shipped("h800-2048", overrides: ["device=h100-2048"])
    #expect(cluster.device.name == "H100 SXM5")
    #expect(cluster.node.link.rate.bandwidth.value.value == 200e9)
  }

  @Test func composition() throws {
    let text = "nodes: 1\ndevice: h100-2048\nnode: a100-pcie\n"
    let cluster = try Cluster(try Document(text: text, name: "some/where/mine.yaml"))
    #expect(cluster.name == "mine")
    #expect(cluster.device.name == "H100 SXM5")
    #expect(cluster.node.link.name == "PCIe 4.0 x16")
    #expect(cluster.network == nil && cluster.bill == nil)
    #expect(cluster.path(from: 0, to: 7).reach == .sameNode)
    let wrong = text.replacing("h100-2048", with: "h100-2084")
    let error = #expect(throws: ConfigurationError.self) {
      try Cluster(try Document(text: wrong, name: "mine.yaml"))
    }
    #expect(
      error?.description == "mine.yaml:2: device: \"h100-2084\": expected a table, the name of a "
        + "shipped cluster or a path; did you mean h100-2048?")
  }

  /// What was measured on another cluster is known by section and by where it came from.
  @Test func borrowedConstants() throws {
    func borrowed(_ cluster: Cluster) -> [String] {
      cluster.borrowings.map { "\($0.section) \($0.source)" }
    }
    #expect(try borrowed(.shipped("h800-2048")).isEmpty)
    #expect(try borrowed(.shipped("h800-2048-mrft")).isEmpty)
    // With a change, too.
    #expect(try borrowed(.shipped("mi300x-64")).contains("node.collectives h100-2048"))
    #expect(
      try borrowed(.shipped("h100-2048")) == [
        "device.kernels.matmul.fp8-2025-02 h800-2048",
        "device.kernels.matmul.fp8-2025-04 h800-2048", "node.exchange h800-2048",
      ])
    #expect(
      try borrowed(.shipped("a100-selene")) == [
        "device.kernels a100-pcie", "device.kernels.streaming h800-2048",
        "node.exchange h800-2048",
      ])
    #expect(
      try borrowed(.shipped("a100-roce")).contains("node.collectives a100-selene"))
    // A value on the command line changes a constant, and does not say whose the others are.
    let changed = try Cluster.shipped(
      "h800-2048", overrides: ["device.kernels.streaming.rope=3 TB/s", "node.exchange=h100-2048"])
    #expect(borrowed(changed).isEmpty)
    let device = try Cluster.shipped("h800-2048", overrides: ["device.kernels.attention=a100-pcie"])
    #expect(borrowed(device) == ["device.kernels.attention a100-pcie"])
  }

  /// A description may borrow from itself by path; the circle is found.
  @Test func circles() throws {
    let fixture = try #require(Bundle.module.url(forResource: "Fixtures", withExtension: nil))
    let path = fixture.appendingPathComponent("circle.yaml").path
    let error = #expect(throws: ConfigurationError.self) { try Cluster(path: path) }
    #expect(error?.rule.hasPrefix("leads through more than 8 files") == true)
  }

  /// Kernel parameters keep their order, their sources and their lines.
  @Test func kernelParameters() throws {
    let cluster = try Cluster.shipped(
      "h800-2048",
      overrides: [
        "device.kernels={matmul: {fp8: {efficiency: {value: 0.9, source: table}}, "
          + "sizes: {value: [1, 2], assumption: why}}, rates: [3 us, 4 us]}"
      ])
    let entries = cluster.device.kernels.entries
    #expect(
      entries.map(\.path) == [
        "matmul.fp8.efficiency", "matmul.sizes[0]", "matmul.sizes[1]", "rates[0]", "rates[1]",
      ])
    #expect(entries.map(\.text) == ["0.9", "1", "2", "3 us", "4 us"])
    #expect(entries[0].origin == .source("table"))
    #expect(entries[1].origin == .assumption("why"))
    let table = try #require(try cluster.device.kernels.read())
    #expect(
      try table.table("matmul").table("fp8").required("efficiency", .sourced(.fraction)).value
        == 0.9)
  }
}
