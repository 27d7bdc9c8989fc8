import Costs
import Testing

@Suite struct ComponentResidualsTests {
  static let tables = Result { try ComponentResiduals.all() }

  /// The limits that the project set itself, by the start of a table's name: mean and worst.
  static let limits: [(String, Double, Double)] = [
    ("DeepGEMM 2025-02-25", 0.06, 0.15),
    ("DeepGEMM 2025-04-09", 0.06, 0.11),
    ("V3 trace products", 0.04, 0.12),
    ("V3 trace weight gradients", 0.04, 0.12),
    ("V3 trace streaming kernels", 0.12, 0.60),
    ("V3 trace attention", 0.01, 0.01),
    ("V3 trace router products", 0.06, 0.10),
    ("V3 trace phases", 0.04, 0.10),
    ("V3 trace exchanges", 0.10, 0.15),
    ("A100 PCIe products", 0.04, 0.30),
    ("A100 PCIe grouped products", 0.06, 0.15),
    ("A100 PCIe attention", 0.04, 0.10),
    ("DeepEP 2025-04-22", 0.10, 0.10),
    ("DeepEP on the production cluster", 0.10, 0.15),
    ("DeepEP in a node of H100s", 0.10, 0.16),
    // Its kernels are priced as the fastest that are plausible; over 16 ranks something else limits them.
    ("HybridEP on H100", 0.10, 0.23),
    ("All-to-all on H100, dispatch", 0.12, 0.20),
    ("All-to-all on H100, combine", 0.12, 0.20),
    ("NCCL all-reduce", 0.06, 0.20),
    ("22B layer", 0.04, 0.06),
    // Nothing is fitted to these: they are held to what stands now, and the fused ones are other mechanisms.
    ("Tensor products with NCCL, H100", 0.16, 0.25),
    ("Tensor products in chunks, H100", 0.25, 0.45),
    ("Tensor products in fused kernels, H100", 0.25, 0.65),
    ("Gains of fused tensor products, H800", 0.13, 0.40),
  ]

  @Test(arguments: limits) func residualsStayWithin(name: String, mean: Double, worst: Double)
    throws
  {
    let table = try #require(try Self.tables.get().first { $0.name.hasPrefix(name) })
    let row = try #require(table.worst)
    #expect(table.mean <= mean, "\(table.name): mean \(table.mean)")
    #expect(abs(row.error) <= worst, "\(table.name): \(row.row) \(row.error)")
  }

  @Test func everyTableIsHeldToALimit() throws {
    for table in try Self.tables.get() {
      #expect(Self.limits.contains { table.name.hasPrefix($0.0) }, "\(table.name)")
    }
  }

  @Test func everyRowOfTheTablesIsRecomputed() throws {
    let counts = Dictionary(
      try Self.tables.get().map { ($0.name, $0.rows.count) }, uniquingKeysWith: +)
    #expect(counts["DeepGEMM 2025-04-09, H800"] == 20)
    #expect(counts["A100 PCIe products"] == 183)
    #expect(counts["A100 PCIe grouped products"] == 12)
    #expect(counts["A100 PCIe attention"] == 24)
    #expect(counts["NCCL all-reduce over NVLink, A100"] == 77)
    #expect(counts["All-to-all on H100, dispatch"] == 2)
    #expect(counts["All-to-all on H100, combine"] == 2)
    #expect(counts["Tensor products with NCCL, H100"] == 13)
    #expect(counts["Tensor products in chunks, H100"] == 14)
    #expect(counts["Tensor products in fused kernels, H100"] == 13)
    #expect(counts["Gains of fused tensor products, H800"] == 22)
    #expect(counts["V3 trace products"] == 80)
    #expect(counts["V3 trace weight gradients"] == 28)
    #expect(counts["V3 trace phases, four layers"] == 6)
  }
}
