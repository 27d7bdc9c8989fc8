import Clusters
import Costs
import Documents
import Testing

/// What the channels of an all-to-all inside a node wait for.
@Suite struct AllToAllFillTests {
  private static func seconds(
    _ bytes: Double, ranks: Int = 8, ranksPerNode: Int = 8, _ overrides: [String]
  ) throws -> Double {
    let cluster = try Cluster.shipped("h100-2048", overrides: overrides)
    return try CollectiveCost(CollectiveConstants(cluster))
      .allToAll(bytes: bytes, group: CollectiveGroup(ranks: ranks, ranksPerNode: ranksPerNode))
      .seconds
  }

  private static func fill(_ seconds: String, _ bytes: String) -> [String] {
    let place = "node.collectives.all-to-all"
    return ["\(place).fill=\(seconds)", "\(place).fill-bytes=\(bytes)"]
  }

  /// It grows with the bytes up to its size, and stays from there; small messages and those between nodes have
  /// none of it.
  @Test func growsAndStays() throws {
    let bytes = 32.0 * 1_048_576
    let none = try Self.seconds(bytes, Self.fill("0 us", "1 MiB"))
    for (size, share) in [("64 MiB", 0.5), ("32 MiB", 1), ("1 MiB", 1)] {
      let found = try Self.seconds(bytes, Self.fill("20 us", size))
      #expect(abs(found - none - share * 20e-6) < 1e-12, "\(size)")
    }
    // 16 KiB to each of eight ranks go as words with flags.
    let small = 8.0 * 16_384
    #expect(
      try Self.seconds(small, Self.fill("20 us", "1 KiB"))
        == Self.seconds(small, Self.fill("0 us", "1 KiB")))
    #expect(
      try Self.seconds(bytes, ranks: 16, Self.fill("20 us", "1 KiB"))
        == Self.seconds(bytes, ranks: 16, Self.fill("0 us", "1 KiB")))
  }

  /// A file that was written before has none; one without the other says nothing.
  @Test func halvesAreRefused() throws {
    let place = "node.collectives.all-to-all"
    let before = ["\(place).fill=null", "\(place).fill-bytes=null"]
    #expect(
      try Self.seconds(1e8, before) == Self.seconds(1e8, Self.fill("0 us", "1 MiB")))
    for (override, words) in [
      ("\(place).fill=null", "has no effect without fill"),
      ("\(place).fill-bytes=null", "fill-bytes"),
    ] {
      do {
        _ = try Self.seconds(1e8, [override])
        Issue.record("was read: \(override)")
      } catch { #expect("\(error)".contains(words), "\(error)") }
    }
  }
}
