import Clusters
import Costs
import Documents
import Testing

/// The constants of cost formulas come from cluster files, and faults in them are located.
@Suite struct ConstantsTests {
  func device(_ overrides: String...) throws -> DeviceModel {
    try DeviceModel(Cluster.shipped("h800-2048", overrides: overrides).device)
  }

  @Test(arguments: Cluster.shippedNames) func everyShippedClusterHasAllConstants(_ name: String)
    throws
  {
    let cluster = try Cluster.shipped(name)
    let device = try DeviceModel(cluster.device)
    #expect(Set(device.table.entries.map(\.name)).count == device.table.entries.count)
    for entry in device.table.entries { #expect(!entry.source.isEmpty, "\(entry.name)") }
    _ = try ExchangeConstants(cluster)
    _ = try CollectiveConstants(cluster)
  }

  /// Path, value, and what the message must say.
  static let faults = [
    ("device.kernels.matmul.bf16.kneee", "2", "unknown key"),
    ("device.kernels.matmul.fp8-2026-01", "{}", "unknown key"),
    ("device.kernels.streaming.rope", "-1 TB/s", "streaming.rope"),
    ("device.kernels.streaming.rope", "3", "unit"),
    ("device.kernels.matmul.bf16.knee", "0", "must be from 1.0 to 16.0"),
    ("device.kernels.matmul.bf16.maximum-tile-columns", "8", "must be from 64 to 4096"),
    ("device.kernels.attention.block-rows", "1.5", "whole number"),
    ("device.kernels.attention.forward-share", "1.01", "must be from 0.001 to 1.0"),
    ("device.kernels.attention.backward-share-wide", "0", "must be from 0.001 to 1.0"),
    ("device.kernels.matmul", "{}", "needs the constants of at least one of cublaslt-fp8"),
    ("device.kernels", "null", "h800-2048"),
  ]

  @Test(arguments: faults) func faultsAreLocated(path: String, value: String, rule: String) throws {
    let error = #expect(throws: ConfigurationError.self) { try device("\(path)=\(value)") }
    #expect(error.map { "\($0)".contains(rule) } == true, "\(String(describing: error))")
  }

  /// Constants of another chip give more than the peak: the copied file of an L40S had 733 TFLOPS.
  static let impossible = [
    (["device.peak.bf16=900 TFLOPS"], "device.kernels.matmul.bf16.flops-per-clock"),
    (["device.peak.fp8=1 PFLOPS"], "device.kernels.matmul.fp8-2025-02.flops-per-clock"),
    (["device.multiprocessors=142"], "device.kernels.matmul.fp8-2025-02.flops-per-clock"),
    (["device.clock.boost=2.5 GHz"], "device.kernels.matmul.fp8-2025-02.flops-per-clock"),
    (
      ["device.kernels.attention.flops-per-clock=8192"],
      "device.kernels.attention.flops-per-clock"
    ),
    (
      [
        "device.multiprocessors=142", "device.clock={boost: 2520 MHz, loaded: 2400 MHz}",
        "device.peak={bf16: 362 TFLOPS}",
      ], "device.kernels.matmul.bf16.flops-per-clock"
    ),
  ]

  @Test(arguments: impossible)
  func moreThanThePeakIsRefused(overrides: [String], keyPath: String) throws {
    let error = #expect(throws: ConfigurationError.self) {
      try DeviceModel(Cluster.shipped("h800-2048", overrides: overrides).device)
    }
    #expect(error?.keyPath == keyPath)
    #expect(error?.rule.contains("more than device.peak") == true)
    #expect(error?.line != nil || error?.file == "--set", "\(String(describing: error))")
  }

  @Test(arguments: ["network-share", "link-share"], ["exchange", "collectives"])
  func sharesAreParts(name: String, section: String) throws {
    for value in ["1.001", "0", "-0.5"] {
      let cluster = try Cluster.shipped(
        "h800-2048", overrides: ["node.\(section).\(name)=\(value)"])
      #expect(throws: ConfigurationError.self) {
        if section == "exchange" {
          _ = try ExchangeConstants(cluster)
        } else {
          _ = try CollectiveConstants(cluster)
        }
      }
    }
  }

  /// A product never runs above the peak of its format: what constants give more is cut.
  @Test func thePeakBoundsProducts() throws {
    let shape = MatmulShape(m: 16_384, n: 16_384, k: 16_384)
    func rate(_ library: MatmulLibrary, _ overrides: String...) throws -> Double {
      let device = try DeviceModel(Cluster.shipped("h800-2048", overrides: overrides).device)
      let cost = try #require(MatmulCost(device, library: library))
      return shape.flops / cost.cost(shape, clock: .boost).seconds
    }
    let bf16 = try rate(.bf16)
    #expect(bf16 < 989e12)
    #expect(try rate(.bf16, "device.peak.bf16=980 TFLOPS") < bf16)
    #expect(try rate(.bf16, "device.peak.bf16=2000 TFLOPS") > bf16 * (1 - 1e-3))
    let ideal = [
      "step-overhead=0", "step-floor=0", "tile-overhead=0 s", "output-rate=100000 TB/s",
      "start=0 s", "knee=16",
    ].map { "device.kernels.matmul.bf16.\($0)" }
    let device = try DeviceModel(
      Cluster.shipped("h800-2048", overrides: ideal + ["device.peak.bf16=975 TFLOPS"]).device)
    let cost = try #require(MatmulCost(device, library: .bf16))
    #expect(shape.flops / cost.cost(shape, clock: .boost).seconds <= 975e12)
    #expect(try rate(.fp8April2025, "device.peak.fp8=1945 TFLOPS") < rate(.fp8April2025))
  }

  /// Streaming kernels follow what the memory reaches, up to its nominal bandwidth.
  @Test func theNominalBandwidthBoundsStreaming() throws {
    let own = try device()
    let reached = try Cluster.shipped("h800-2048").device.memory.reached.value
    let capped = try device(
      "device.memory.bandwidth=3.1 TB/s", "device.memory.reached=\(reached.exactDescription)")
    for (rate, full) in zip(capped.streaming.rates, own.streaming.rates) {
      #expect(rate == min(full, 3.1e12))
    }
    #expect(own.streaming.rates.contains { $0 > 3.1e12 })
    let fast = try device("device.memory.bandwidth=6 TB/s", "device.memory.reached=6 TB/s")
    #expect(fast.streaming.rates.allSatisfy { $0 <= 6e12 })
    #expect(zip(fast.streaming.rates, own.streaming.rates).allSatisfy { $0 > $1 })
  }

  /// Tiles of which two steps do not fit into shared memory are not taken.
  @Test func sharedMemoryBoundsTiles() throws {
    let shape = MatmulShape(m: 8_192, n: 8_192, k: 8_192)
    func tile(_ overrides: String...) throws -> (rows: Int, columns: Int, seconds: Double) {
      let device = try DeviceModel(Cluster.shipped("h800-2048", overrides: overrides).device)
      let cost = try #require(MatmulCost(device, library: .bf16))
      let tile = cost.tiling(shape, multiprocessors: 132)
      return (tile.rows, tile.columns, cost.cost(shape).seconds)
    }
    let whole = try tile()
    let half = try tile("device.shared-memory=64 KiB")
    #expect(whole.rows + whole.columns > 256)
    // (rows + columns) x 64 of K x 2 bytes x 2 steps
    #expect((half.rows + half.columns) * 256 <= 64 << 10)
    #expect(half.seconds > whole.seconds)
    #expect(try tile("device.shared-memory=null") == whole)
    let least = try tile("device.shared-memory=1 KiB")
    #expect(least.rows == 64 && least.columns == 64)
  }

  @Test func aSectionMayBeNamed() throws {
    let named = try device("device.kernels=a100-pcie")
    let selene = try DeviceModel(Cluster.shipped("a100-selene").device)
    #expect(named.attention == selene.attention)
    #expect(named.matmuls == selene.matmuls)
    #expect(named.library(for: .fp8) == nil)
  }

  @Test func theNewestLibraryMultipliesUnlessOneIsChosen() throws {
    let device = try device()
    #expect(device.library(for: .fp8) == .fp8April2025)
    #expect(device.library(for: .fp8, chosen: .fp8February2025) == .fp8February2025)
    #expect(device.library(for: .bf16, chosen: .fp8February2025) == .bf16)
    let without = try DeviceModel(Cluster.shipped("a100-selene").device)
    #expect(without.library(for: .fp8, chosen: .fp8April2025) == nil)
  }

  @Test func streamingFollowsTheMemory() throws {
    let wide = try device("device.memory.bandwidth=6.7 TB/s", "device.memory.reached=6 TB/s")
    let own = try device()
    for (wide, own) in zip(wide.streaming.rates, own.streaming.rates) {
      #expect(abs(wide / own - 2) < 1e-12)
    }
  }

  @Test func theFormulasRefuseABadTable() throws {
    let table = try device().table
    let wrong = NumberTable([.init("matmul.fp8-2025-04.kneee", 2, source: "test")])
    #expect(throws: NumberTableError.self) {
      try DeviceModel(name: "x", table: table.overridden(by: wrong))
    }
    let without = NumberTable(table.entries.filter { $0.name != "clock.loaded" })
    #expect(
      throws: NumberTableError(
        name: "clock.loaded", rule: "is missing from the device's constants")
    ) { try DeviceModel(name: "x", table: without) }
  }
}
