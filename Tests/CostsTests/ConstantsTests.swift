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
    ("device.kernels.matmul.bf16.knee", "0", "must be more than zero"),
    ("device.kernels.attention.block-rows", "1.5", "whole number"),
    ("device.kernels", "null", "h800-2048"),
  ]

  @Test(arguments: faults) func faultsAreLocated(path: String, value: String, rule: String) throws {
    let error = #expect(throws: ConfigurationError.self) { try device("\(path)=\(value)") }
    #expect(error.map { "\($0)".contains(rule) } == true, "\(String(describing: error))")
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
