import Clusters
import Costs
import Documents
import Testing

@Suite struct LowLatencyExchangeTests {
  private func cost(_ overrides: String...) throws -> LowLatencyExchangeCost {
    let cluster = try Cluster.shipped("h800-2048", overrides: overrides)
    return LowLatencyExchangeCost(try #require(try LowLatencyConstants(cluster)))
  }

  /// DeepEP's own table on H800s (README of 2025-06-05, with NVLink): the constants come from others' H100s.
  ///
  /// As they came out when they were first held against it: 8 rows, 9 % in the mean without signs, 23 % at most.
  @Test func deepEPsOwnTable() throws {
    let cost = try cost()
    let rows: [(ranks: Int, bytes: Double, published: Double)] = [
      (8, 7_456, 77), (8, 14_336, 114), (16, 7_456, 118), (16, 14_336, 195), (64, 7_456, 173),
      (64, 14_336, 314), (256, 7_456, 194), (256, 14_336, 360),
    ]
    let errors = rows.map { row in
      let seconds = cost.cost(
        rows: 128 * 8, rowBytes: row.bytes, ranks: row.ranks, ranksPerNode: 8
      ).seconds
      return abs(seconds * 1e6 / row.published - 1)
    }
    #expect(errors.reduce(0, +) / 8 < 0.10)
    #expect(errors.allSatisfy { $0 < 0.25 })
  }

  /// One expert's rows on one rank go nowhere; few cost the start, many their bytes.
  @Test func startsAndBytes() throws {
    let cost = try cost()
    #expect(cost.cost(rows: 8, rowBytes: 7_456, ranks: 1, ranksPerNode: 8).seconds == 0)
    #expect(cost.cost(rows: 0, rowBytes: 7_456, ranks: 16, ranksPerNode: 8).seconds == 0)
    let few = cost.cost(rows: 1, rowBytes: 7_456, ranks: 64, ranksPerNode: 8)
    #expect(few.limitedBy == .latency && abs(few.seconds - 24.5e-6) < 1e-6)
    let many = cost.cost(rows: 1e6, rowBytes: 7_456, ranks: 64, ranksPerNode: 8)
    #expect(many.limitedBy == .infiniBand)
    #expect(abs(many.seconds - 24.5e-6 - 1e6 * 7_456 * 0.875 / (50e9 * 0.935)) < 1e-9)
    let loaded = cost.cost(rows: 1e6, rowBytes: 7_456, ranks: 64, ranksPerNode: 8, load: 1.5)
    #expect(abs(loaded.seconds - 24.5e-6 - 1.5 * (many.seconds - 24.5e-6)) < 1e-9)
    #expect(cost.cost(rows: 1e6, rowBytes: 1, ranks: 8, ranksPerNode: 8).limitedBy == .nvlink)
  }

  /// All of its keys or none: one alone is refused by the name of the next.
  @Test func halfADescriptionIsRefused() throws {
    let cluster = try Cluster.shipped(
      "h800-2048", overrides: ["node.exchange.low-latency-network-share=null"])
    let error = #expect(throws: ConfigurationError.self) { try LowLatencyConstants(cluster) }
    #expect(error.map { "\($0)".contains("low-latency-network-share") } == true)
    let none = try Cluster.shipped(
      "h800-2048",
      overrides: ["link-start", "link-share", "network-start", "network-share"]
        .map { "node.exchange.low-latency-\($0)=null" })
    #expect(try LowLatencyConstants(none) == nil)
  }
}

/// Attention to caches against its own bounds.
@Suite struct CachedAttentionTests {
  private func cost(_ shape: CachedAttention) throws -> Cost {
    let device = try DeviceModel(Cluster.shipped("h800-2048").device)
    return AttentionCost(device).cached(shape)
  }

  /// With few heads a key the memory's rate decides: 3 TB/s, and two starts of 2 us.
  @Test func bytesOfCaches() throws {
    let shape = CachedAttention(
      sequences: 64, heads: 32, headsPerKey: 4, positions: 8_192, queryDimension: 128,
      valueDimension: 128, numbersPerPosition: 256)
    let cost = try cost(shape)
    #expect(cost.limitedBy == .memory)
    let bytes = 2.0 * 64 * 8 * 8_192 * 256
    #expect(abs(cost.seconds - 4e-6 - bytes / 3e12) < 0.001 * cost.seconds)
  }

  /// Latents serve 128 heads: FLOPs and bytes are nearly in balance (FlashMLA: 3,000 GB/s or 660 TFLOPS), and
  /// two queries of a sequence, whose rows fill tiles as well, cost arithmetic and no bytes.
  @Test func latents() throws {
    var shape = CachedAttention(
      sequences: 64, heads: 128, headsPerKey: 128, positions: 8_192, queryDimension: 576,
      valueDimension: 512, numbersPerPosition: 576)
    let one = try cost(shape).seconds
    #expect(shape.cachedNumbers * 2 == 64 * 8_192 * 576 * 2)
    shape.queries = 2
    let two = try cost(shape)
    #expect(two.limitedBy == .compute && two.seconds > 1.8 * one && two.seconds <= 2 * one)
  }

  /// Tiles of 64 rows: one query costs the arithmetic of 64.
  @Test func tilesAreWhole() throws {
    func shape(_ queries: Int) -> CachedAttention {
      CachedAttention(
        sequences: 1, heads: 1, queries: queries, positions: 1 << 20, queryDimension: 128,
        valueDimension: 128, numbersPerPosition: 1)
    }
    let (one, all, more) = (
      try cost(shape(1)), try cost(shape(64)), try cost(shape(65))
    )
    #expect(one.limitedBy == .compute && abs(one.seconds / all.seconds - 1) < 1e-3)
    #expect(more.seconds > 1.5 * all.seconds)
  }
}
