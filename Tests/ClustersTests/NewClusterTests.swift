import Clusters
import Documents
import Quantities
import TestSupport
import Testing

/// Files of ten lines that say what differs from parts that ship.
@Suite struct NewClusterTests {
  private func cluster(
    _ device: String, _ nodes: Int, _ change: (inout NewCluster) -> Void = { _ in }
  ) throws -> (cluster: Cluster, text: String, remarks: [String]) {
    var made = NewCluster(name: "mine", device: device, nodes: nodes)
    change(&made)
    let (text, remarks) = try made.text()
    return (try Cluster(Document(text: text, name: "mine.yaml")), text, remarks)
  }

  @Test func tenLines() throws {
    let made = try cluster("h200", 64) { $0.adapters = (8, BytesPerSecond(50e9)) }
    let lines = made.text.split(separator: "\n").filter { !$0.hasPrefix("#") }
    #expect(lines.count <= 10, "\(made.text)")
    #expect(made.cluster.rankCount == 512 && made.cluster.name == "mine")
    let shipped = try Cluster.shipped("h200-256").device
    #expect(made.cluster.device.name == shipped.name)
    #expect(made.cluster.device.kernels.entries == shipped.kernels.entries)
  }

  /// What adapters reach follows from those that ship.
  @Test func adapters() throws {
    let made = try cluster("h100", 4) { $0.adapters = (4, BytesPerSecond(25e9)) }
    let adapters = try #require(made.cluster.node.adapters)
    #expect(adapters.count.value == 4 && adapters.rate.bandwidth.value == BytesPerSecond(25e9))
    #expect(abs(adapters.rate.reached.value.value / 23.55e9 - 1) < 1e-4)
    // The rest of the node is what ships.
    #expect(made.cluster.node.link == (try Cluster.shipped("h100-2048").node.link))
  }

  /// Gigabytes for gigabits, and more uplinks saved than a switch has ports.
  @Test func whatNobodySells() throws {
    func rule(_ change: (inout NewCluster) -> Void) -> String {
      let error = #expect(throws: ConfigurationError.self) { try cluster("h100", 64, change) }
      return error?.description ?? ""
    }
    let bytes = rule { $0.adapters = (8, BytesPerSecond(400e9)) }
    #expect(
      bytes.contains("up to 800 Gb/s") && bytes.hasSuffix("did you mean 8x400Gb/s?"), "\(bytes)")
    #expect(try cluster("h100", 4) { $0.adapters = (8, BytesPerSecond(100e9)) }.remarks.isEmpty)
    let leaves = rule { $0.oversubscription = 100 }
    #expect(leaves.hasPrefix("--oversubscription: \"100\": a leaf"), "\(leaves)")
    #expect(leaves.contains("64 ports has at most 63 below one above"), "\(leaves)")
    #expect(
      try cluster("h100", 64) { $0.oversubscription = 63 }.cluster.network?.layers.first?
        .oversubscription.value == 63)
  }

  /// What a network of another cluster brings along is said, and a fault is one of the option, not of a file that
  /// is nowhere.
  @Test func partsOfOtherClusters() throws {
    let made = try cluster("h100", 8) { $0.technology = .ethernet }
    let share = made.cluster.network?.layers.first?.oversubscription.value ?? 1
    #expect(made.remarks.contains { $0.contains("times as much below as above") } == (share > 1))
    let error = #expect(throws: ConfigurationError.self) {
      try cluster("h100", 8) { $0.adapters = (3, BytesPerSecond(50e9)) }
    }
    #expect(error?.file == "--adapters" && error?.line == nil, "\(error?.description ?? "")")
  }

  /// More nodes than switches join: a layer is added and said; even more are refused.
  @Test func layers() throws {
    let some = try cluster("h100", 256)
    #expect(some.cluster.network?.layers.count == 2 && some.remarks.isEmpty)
    let many = try cluster("h100", 3000)
    #expect(many.cluster.network?.layers.count == 3)
    #expect(many.remarks.contains { $0.contains("a layer of switches added") })
    #expect(many.text.contains("# a layer of switches added"))
    let latency = try #require(many.cluster.network?.latency)
    #expect(abs((latency.crossPod?.value.value ?? 0) - 4.6e-6) < 1e-12)
    #expect(throws: ConfigurationError.self) { try cluster("h100", 1_000_000) }
  }

  @Test(arguments: NewCluster.Technology.allCases, NewCluster.Fabric.allCases)
  func networks(technology: NewCluster.Technology, fabric: NewCluster.Fabric) throws {
    let made = try cluster("b200", 32) {
      $0.technology = technology
      $0.fabric = fabric
      $0.oversubscription = 2.5
    }
    let network = try #require(made.cluster.network)
    #expect(network.attachment == (fabric == .rail ? .rail : .node))
    #expect(network.layers.count >= 2 && network.layers[0].oversubscription.value == 2.5)
  }

  @Test(arguments: NewCluster.devices.map(\.name)) func everyDevice(name: String) throws {
    let made = try cluster(name, 2)
    let isSheet = Cluster.dataSheetNames.contains { $0.hasPrefix(name) }
    #expect(made.remarks.contains { $0.contains("nobody measured") } == isSheet)
    // The price of its list comes along with its source.
    let part = try #require(NewCluster.devices.first { $0.name == name }).cluster
    #expect(made.cluster.price == (try Cluster.named(part).price))
    #expect(try cluster(name, 1).cluster.network == nil)
  }

  @Test func unknownDevices() {
    let error = #expect(throws: ConfigurationError.self) { try cluster("h20", 2) }
    #expect(error?.suggestion?.hasPrefix("h") == true)
  }
}

/// Sections that say what differs from another description's.
@Suite struct LikeTests {
  private func cluster(_ text: String) throws -> Cluster {
    try Cluster(
      Document(
        text: "nodes: 1\nnode: h100-2048\n" + text, name: "mine.yaml"))
  }

  @Test func valuesReplaceThoseOfTheOther() throws {
    let made = try cluster(
      """
      device:
        like: h200-256
        memory: {size: {value: 96 GB, source: mine}}
        jitter: null
        kernels: {attention: {start: 3 us}, streaming: b200-256}
      """)
    let other = try Cluster.shipped("h200-256").device
    #expect(made.device.memory.size == Sourced(ByteCount(96_000_000_000), .source("mine")))
    #expect(made.device.memory.bandwidth == other.memory.bandwidth)
    #expect(made.device.peaks == other.peaks && made.device.jitter == nil)
    // What was taken along stands where it was written.
    #expect(made.borrowings.contains { $0.section == "device.kernels.streaming" })
    let starts = made.device.kernels.entries.filter { $0.path == "attention.start" }
    #expect(starts.map(\.text) == ["3 us"])
  }

  @Test(arguments: [
    ("device: {like: h20-256}", "did you mean h200-256?"),
    ("device: {like: h200-256, memroy: {}}", "unknown key; did you mean memory?"),
    ("device: {like: [h200-256]}", "mine.yaml:3: device.like"),
    ("device: h200-256\nprice: {like: h800-2048}", "price"),
  ])
  func faults(text: String, message: String) throws {
    let error = #expect(throws: ConfigurationError.self) { try cluster(text) }
    #expect(error?.description.contains(message) == true, "\(String(describing: error))")
  }

  @Test func filesInACircle() throws {
    let folder = try ScratchFolder()
    _ = try folder.write("nodes: 1\nnode: h100-2048\ndevice: {like: b.yaml}\n", to: "a.yaml")
    _ = try folder.write("nodes: 1\nnode: h100-2048\ndevice: {like: a.yaml}\n", to: "b.yaml")
    let error = #expect(throws: ConfigurationError.self) {
      try Cluster(path: folder.file("a.yaml"))
    }
    #expect(error?.description.contains("in a circle") == true)
  }

  @Test func onTheCommandLine() throws {
    let error = #expect(throws: ConfigurationError.self) {
      try Cluster.shipped("h100-2048", overrides: ["device.like=b200-256"])
    }
    #expect(error?.description.contains("device=b200-256") == true)
  }
}
