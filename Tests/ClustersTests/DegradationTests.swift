import Clusters
import Documents
import Quantities
import Testing

@Suite struct DegradationTests {
  private func cluster(_ degraded: String, base: String = "h800-2048") throws -> Cluster {
    try Cluster.shipped(base, overrides: ["degraded=[\(degraded)]"])
  }

  @Test func slowDeviceAndLinks() throws {
    let cluster = try cluster(
      """
      {what: device, rank: 17, share: 0.8}, {what: node-link, rank: 3, share: 0.5}, \
      {what: adapter, node: 2, index: 1, share: 0.25}, \
      {what: leaf-uplinks, plane: 4, leaf: 7, share: 0.75}
      """)
    #expect(!cluster.isUniform)
    #expect(cluster.speed(of: 17) == 0.8)
    #expect(cluster.speed(of: 16) == 1)
    #expect(cluster.capacity(of: .deviceIn(rank: 3)) == BytesPerSecond(80e9))
    #expect(cluster.capacity(of: .adapterOut(node: 2, index: 1)) == BytesPerSecond(11e9))
    #expect(cluster.capacity(of: .leafUp(plane: 4, leaf: 7)) == BytesPerSecond(24 * 44e9))
    #expect(cluster.degradedRanks == [3, 17])
  }

  /// 64 ranks are 8 nodes, whose adapters go to the first leaf of each plane.
  @Test func whatAPlanOfFewRanksHas() throws {
    let places: [(degraded: String, isAmong: Bool)] = [
      ("{what: device, rank: 63, share: 0.5}", true),
      ("{what: device, rank: 64, share: 0.5}", false),
      ("{what: node-link, rank: 500, share: 0.5}", false),
      ("{what: adapter, node: 7, index: 0, share: 0}", true),
      ("{what: adapter, node: 8, index: 0, share: 0}", false),
      ("{what: leaf-uplinks, plane: 4, leaf: 0, share: 0.5}", true),
      ("{what: leaf-uplinks, plane: 4, leaf: 7, share: 0.5}", false),
    ]
    for (degraded, isAmong) in places {
      let cluster = try cluster(degraded)
      let degradation = try #require(cluster.degradations.first)
      #expect(cluster.isAmong(ranks: 64, degradation) == isAmong, "\(degraded)")
      #expect(cluster.isAmong(ranks: cluster.rankCount, degradation), "\(degraded)")
    }
  }

  /// Another adapter of the node, and of the plane that both ends reach, takes over.
  @Test func failedAdapter() throws {
    let cluster = try cluster("{what: adapter, node: 1, index: 5, share: 0}")
    let path = cluster.path(from: 5, to: 13)
    #expect(
      path.hops.map(\.link) == [
        .deviceOut(rank: 5), .deviceIn(rank: 6), .adapterOut(node: 0, index: 6),
        .adapterIn(node: 1, index: 6), .deviceOut(rank: 14), .deviceIn(rank: 13),
      ])
    #expect(path.isForwarded)
    let back = cluster.path(from: 13, to: 5)
    #expect(back.hops.map(\.link).contains(.adapterOut(node: 1, index: 6)))
    #expect(cluster.path(from: 4, to: 12).isForwarded == false)
    #expect(cluster.degradedRanks == [13])
  }

  static let shares: [(String, Double)] = [
    ("", 1), ("{what: device, rank: 17, share: 0.5}", 0.5),
    (
      "{what: node-link, rank: 3, share: 0.5}, {what: leaf-uplinks, plane: 4, leaf: 7, share: 0.4}",
      0.4
    ),
    // A failed adapter's flows go over another one, at either end.
    ("{what: adapter, node: 1, index: 5, share: 0}", 1.0 / 3),
    ("{what: adapter, node: 1, index: 5, share: 0}, {what: device, rank: 3, share: 0.1}", 0.1),
    (
      "{what: adapter, node: 1, index: 5, share: 0}, {what: adapter, node: 2, index: 5, share: 0.3}",
      0.1
    ),
  ]

  /// What is left at least is that of the worst kind, not of all kinds together.
  @Test(arguments: shares) func theWorstKindBoundsWhatIsLeft(degraded: String, share: Double) throws
  {
    #expect(try abs(cluster(degraded).leastShare - share) < 1e-12)
  }

  @Test func whatCannotWorkIsRefused() {
    let all = (0..<8).map { "{what: adapter, node: 1, index: \($0), share: 0}" }
    #expect(throws: ConfigurationError.self) { try cluster(all.joined(separator: ", ")) }
    let low = (0..<4).map { "{what: adapter, node: 1, index: \($0), share: 0}" }
    let high = (4..<8).map { "{what: adapter, node: 2, index: \($0), share: 0}" }
    let error = #expect(throws: ConfigurationError.self) {
      try cluster((low + high).joined(separator: ", "))
    }
    #expect(error?.rule == "leaves nodes 1 and 2 without a plane in common")
  }

  @Test(arguments: [
    ("{what: device, rank: 2048, share: 0.5}", "must be less than 2048"),
    ("{what: device, rank: 0, share: 0}", "only an adapter may fail"),
    ("{what: device, rank: 0, share: 0.0001}", "must be 0 or at least 0.001"),
    ("{what: device, rank: 0, share: 1.5}", "must be from 0.0 to 1.0"),
    ("{what: devise, rank: 0, share: 1}", "expected one of device, node-link"),
    ("{what: device, node: 0, share: 1}", "required key is missing"),
    ("{what: device, rank: 0, share: 1, index: 3}", "unknown key"),
    ("{what: leaf-uplinks, plane: 8, leaf: 0, share: 1}", "must be less than 8"),
    ("{what: leaf-uplinks, plane: 0, leaf: 8, share: 1}", "must be less than 8"),
    ("{what: spine-uplinks, plane: 0, pod: 0, share: 1}", "must be less than 0"),
    ("17", "expected a table"),
  ])
  func badEntries(entry: String, rule: String) {
    let error = #expect(throws: ConfigurationError.self) { try cluster(entry) }
    #expect(error?.rule.contains(rule) == true, "\(error.map(String.init(describing:)) ?? "")")
    #expect(error?.file == "--set")
    #expect(error?.keyPath.hasPrefix("degraded[0]") == true)
  }
}
