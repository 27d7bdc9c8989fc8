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

  /// Between nodes it starts later than inside by what was measured of it, else by what a message does.
  @Test func startsBetweenNodes() throws {
    let key = "node.collectives.all-to-all.network-start"
    let direct = try CollectiveConstants(Cluster.shipped("h100-2048")).direct
    let later = direct.networkStart - direct.linkStart
    #expect(later > 5e-6)
    for bytes in [1024.0, 1e9] {
      let bare = try Self.seconds(bytes, ranks: 16, ["\(key)=0 us"])
      #expect(abs(try Self.seconds(bytes, ranks: 16, []) - bare - later) < 1e-12)
      #expect(abs(try Self.seconds(bytes, ranks: 16, ["\(key)=50 us"]) - bare - 50e-6) < 1e-12)
      #expect(try Self.seconds(bytes, ["\(key)=50 us"]) == Self.seconds(bytes, []))
    }
  }

  /// A file that was written before has none; one without the other says nothing.
  @Test func halvesAreRefused() throws {
    let place = "node.collectives.all-to-all"
    let without = ["\(place).channels=null", "\(place).channel-bytes=null"]
    let before = ["\(place).fill=null", "\(place).fill-bytes=null"] + without
    #expect(
      try Self.seconds(1e8, before) == Self.seconds(1e8, Self.fill("0 us", "1 MiB")))
    for (overrides, words) in [
      (["\(place).fill=null"] + without, "has no effect without fill"),
      (["\(place).fill-bytes=null"], "fill-bytes"),
      (before.filter { !$0.contains("channel-bytes") }, "channel-bytes: has no effect without"),
      ([without[1]], "has no effect without channel-bytes or ll-channel-bytes"),
    ] {
      do {
        _ = try Self.seconds(1e8, overrides)
        Issue.record("was read: \(overrides)")
      } catch { #expect("\(error)".contains(words), "\(error)") }
    }
  }

  /// A message takes a channel for every 64 KiB until its share of all 32 is taken: a channel of 512 KiB is a whole
  /// fill, which 16 MiB over any number of ranks are.
  @Test(arguments: [2, 4, 8])
  func channelsFill(ranks: Int) throws {
    func wait(_ part: Double) throws -> Double {
      let bytes = part * Double(ranks)
      return try Self.seconds(bytes, ranks: ranks, Self.fill("32 us", "16 MiB"))
        - Self.seconds(bytes, ranks: ranks, Self.fill("0 us", "16 MiB"))
    }
    let kibibyte = 1024.0
    // One channel each; 64 KiB on each while there are channels; then all of them alike.
    for (part, load) in [
      (32 * kibibyte, 32 * kibibyte), (64 * kibibyte, 64 * kibibyte),
      (2048 * kibibyte / Double(ranks), 64 * kibibyte),
      (8192 * kibibyte / Double(ranks), 256 * kibibyte),
      (65_536 * kibibyte / Double(ranks), 512 * kibibyte),
    ] {
      #expect(abs(try wait(part) - 32e-6 * load / (512 * kibibyte)) < 1e-12, "\(part)")
    }
  }

  /// Words with flags: NCCL 2.27 takes them up to 512 KiB a message inside a node and another channel for every 8 KiB,
  /// so that 256 KiB take as long as 8 KiB to each; between nodes from 16 KiB on whole chunks.
  @Test func wordsWithFlagsOnA100s() throws {
    let cluster = try Cluster.shipped("a100-selene")
    let constants = try CollectiveConstants(cluster)
    let cost = CollectiveCost(constants)
    func seconds(_ part: Double, _ ranks: Int, _ perNode: Int = 8) -> Double {
      let bytes = part * Double(ranks)
      let onLink = part * Double(min(ranks, perNode) - 1) / (0.689 * 300e9)
      return cost.allToAll(
        bytes: bytes, group: CollectiveGroup(ranks: ranks, ranksPerNode: perNode)
      ).seconds - onLink
    }
    for ranks in [2, 4, 8] {
      let flat = seconds(8_192, ranks)
      #expect(abs(flat - 12.2e-6 - 8_192 / 3.92e9) < 1e-11)
      #expect(abs(seconds(262_144 / Double(ranks), ranks) - flat) < 1e-11)
      // Twice as many in every channel.
      #expect(abs(seconds(524_288 / Double(ranks), ranks) - 12.2e-6 - 16_384 / 3.92e9) < 1e-11)
      // A message above it waits for its chunk and copies its own part.
      let next = 2 * 524_288.0
      let wait = 21.3e-6 * min(1, next * Double(ranks) / 16_777_216) + next / 929e9
      #expect(abs(seconds(next, ranks) - 19.7e-6 - wait) < 1e-11)
    }
    #expect(constants.exchange.lowLatencyBytes == 16_384)
  }
}
