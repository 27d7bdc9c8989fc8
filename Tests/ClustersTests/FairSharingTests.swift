import Clusters
import Quantities
import TestSupport
import Testing

@Suite struct FairSharingTests {
  private static let unit = BytesPerSecond(1e9)

  private func sharing(_ capacities: [Double]) -> FairSharing {
    FairSharing { BytesPerSecond(capacities[$0.index] * 1e9) }
  }

  private func links(_ indices: Int...) -> [LinkID] { indices.map { LinkID($0) } }

  @Test func oneFlowTakesBytesOverBandwidth() {
    var sharing = sharing([2, 4])
    sharing.begin(bytes: ByteCount(4_000_000), over: links(0, 1))
    #expect(sharing.finish().map(\.time) == [Instant(picoseconds: 2_000_000_000)])
    #expect(sharing.activeCount == 0)
  }

  /// n flows on a link take n times as long; one that leaves gives its share to the others.
  @Test func equalSharesAndRelease() {
    var sharing = sharing([1])
    let short = sharing.begin(bytes: ByteCount(1000), over: links(0))
    let long = sharing.begin(bytes: ByteCount(3000), over: links(0))
    let ends = sharing.finish()
    #expect(ends.map(\.flow) == [short, long])
    // 1000 bytes at half a byte per ns: 2 us; then 2000 left at the full rate: 4 us in all.
    #expect(ends.map(\.time.picoseconds) == [2_000_000, 4_000_000])
  }

  /// The textbook chain: A uses both links, B the first, C the wider second.
  @Test func maxMinOnAChain() {
    var sharing = sharing([1, 2])
    let both = sharing.begin(bytes: ByteCount(1 << 40), over: links(0, 1))
    let first = sharing.begin(bytes: ByteCount(1 << 40), over: links(0))
    let second = sharing.begin(bytes: ByteCount(1 << 40), over: links(1))
    #expect(sharing.rate(of: both) == Self.unit * 0.5)
    #expect(sharing.rate(of: first) == Self.unit * 0.5)
    #expect(sharing.rate(of: second) == Self.unit * 1.5)
  }

  @Test func flowsBeginLater() {
    var sharing = sharing([1])
    sharing.begin(bytes: ByteCount(4000), over: links(0))
    #expect(sharing.nextCompletion() == Instant(picoseconds: 4_000_000))
    #expect(sharing.advance(to: Instant(picoseconds: 2_000_000)).isEmpty)
    sharing.begin(bytes: ByteCount(1000), over: links(0))
    #expect(sharing.nextCompletion() == Instant(picoseconds: 4_000_000))
    #expect(sharing.finish().map(\.time.picoseconds) == [4_000_000, 5_000_000])
  }

  @Test func nothingToCarryEndsAtOnce() {
    var sharing = FairSharing { _ in BytesPerSecond(.infinity) }
    _ = sharing.advance(to: Instant(picoseconds: 7))
    sharing.begin(bytes: .zero, over: links(0))
    sharing.begin(bytes: ByteCount(5), over: links(0))
    sharing.begin(bytes: ByteCount(5), over: [])
    let ends = sharing.finish()
    #expect(ends.map(\.time.picoseconds) == [7, 7, 7])
    #expect(ends.map(\.flow.number) == [0, 1, 2])
  }

  /// Against progressive filling written the plain way, on random flows over random links.
  @Test(arguments: 0..<60)
  func ratesEqualPlainFilling(seed: Int) {
    var generator = SplitMix64(state: UInt64(seed))
    let capacities = (0..<8).map { _ in Double(Int.random(in: 1...20, using: &generator)) }
    var sharing = sharing(capacities)
    var paths: [Int: [Int]] = [:]
    for step in 0..<40 {
      let path = Array(
        (0..<8).shuffled(using: &generator).prefix(Int.random(in: 1...4, using: &generator)))
      let bytes = ByteCount(Int.random(in: 1...100_000, using: &generator))
      let id = sharing.begin(bytes: bytes, over: path.map { LinkID($0) })
      paths[id.number] = path
      if step % 3 == 2, let next = sharing.nextCompletion() {
        for end in sharing.advance(to: next) { paths[end.flow.number] = nil }
      }
      let expected = plainFilling(paths, capacities)
      for (number, rate) in expected {
        let found = sharing.rate(of: FairSharing.FlowID(number: number))?.value ?? 0
        #expect((found / 1e9 - rate).magnitude < 1e-6 * rate, "flow \(number)")
      }
    }
    #expect(sharing.finish().count == paths.count)
  }

  private func plainFilling(_ paths: [Int: [Int]], _ capacities: [Double]) -> [(Int, Double)] {
    var spare = capacities
    var open = paths.keys.sorted()
    var rates: [(Int, Double)] = []
    while !open.isEmpty {
      let shares = capacities.indices.map { link in
        let users = open.count { paths[$0, default: []].contains(link) }
        return users == 0 ? .infinity : spare[link] / Double(users)
      }
      guard let rate = shares.min(), let link = shares.firstIndex(of: rate) else { break }
      for flow in open where paths[flow, default: []].contains(link) {
        rates.append((flow, rate))
        for link in paths[flow, default: []] { spare[link] -= rate }
      }
      open.removeAll { paths[$0, default: []].contains(link) }
    }
    return rates
  }

  /// The work of a hierarchical all-reduce over 2,048 ranks with an oversubscribed layer: every rank
  /// exchanges with its node, then with its rail, then with its node again.
  @Test func hierarchicalAllReduce() throws {
    let cluster = try Cluster.shipped(
      "h800-2048",
      overrides: [
        "network.layers[0].oversubscription=1.5", "nodes=256",
        "degraded=[{what: leaf-uplinks, plane: 2, leaf: 1, share: 0.5}]",
      ])
    var time = Instant.start
    let elapsed = processorSeconds {
      var sharing = FairSharing(cluster)
      for phase in 0..<3 {
        for rank in 0..<cluster.rankCount {
          let peer = phase == 1 ? (rank + 8 * 64) % 2048 : rank / 8 * 8 + (rank + 1) % 8
          let path = cluster.path(from: rank, to: peer)
          sharing.begin(bytes: ByteCount(1 << 27), over: path.hops.map(\.id))
        }
        time = sharing.finish().last?.time ?? time
      }
    }
    #expect(time > .start)
    // About 10 ms.
    #expect(elapsed < 1)
  }

  /// The same flows give the same completions, bit for bit.
  @Test func isDeterministic() {
    func run() -> [FairSharing.Completion] {
      var generator = SplitMix64(state: 5)
      var sharing = sharing((0..<50).map { Double($0 % 7 + 1) })
      var ends: [FairSharing.Completion] = []
      for _ in 0..<500 {
        let path = Set((0..<3).map { _ in Int.random(in: 0..<50, using: &generator) }).sorted()
        sharing.begin(
          bytes: ByteCount(Int.random(in: 1...1_000_000, using: &generator)),
          over: path.map { LinkID($0) })
        ends += sharing.advance(
          to: sharing.now + Picoseconds(Int64.random(in: 0...1_000_000, using: &generator)))
      }
      return ends + sharing.finish()
    }
    let first = run()
    #expect(first == run())
    #expect(first.count == 500)
    #expect(first == first.sorted { ($0.time, $0.flow) < ($1.time, $1.flow) })
  }

  /// What a link has carried never exceeds what it can carry, and nothing is lost.
  @Test func conservation() {
    var generator = SplitMix64(state: 9)
    var sharing = sharing([3])
    var total = ByteCount.zero
    for _ in 0..<200 {
      let bytes = ByteCount(Int.random(in: 1...1_000_000, using: &generator))
      total += bytes
      sharing.begin(bytes: bytes, over: links(0))
    }
    let end = sharing.finish().last?.time ?? .start
    let ideal = Picoseconds(total / BytesPerSecond(3e9))
    #expect((end.picoseconds - ideal.count).magnitude <= 400)
  }
}
