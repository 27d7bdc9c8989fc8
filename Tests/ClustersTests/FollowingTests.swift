import Clusters
import Documents
import Quantities
import Testing

/// What is reached of a bandwidth goes with it where the command line gives the bandwidth alone.
@Suite struct FollowingTests {
  @Test(arguments: [0.25, 0.5, 2])
  func theSameShareIsReached(_ factor: Double) throws {
    let plain = try Cluster.shipped("h800-2048")
    let changed = try Cluster.shipped(
      "h800-2048",
      overrides: [
        "node.link.bandwidth=\(200 * factor) GB/s",
        "device.memory.bandwidth=\(3.35 * factor) TB/s",
      ])
    func share(_ cluster: Cluster) -> [Double] {
      let (link, memory) = (cluster.node.link.rate, cluster.device.memory)
      return [
        link.reached.value / link.bandwidth.value, memory.reached.value / memory.bandwidth.value,
      ]
    }
    for (own, other) in zip(share(plain), share(changed)) { #expect(abs(own - other) < 1e-12) }
    #expect(changed.node.adapters == plain.node.adapters)
    #expect(plain.followings.isEmpty)
    #expect(changed.followings.map(\.key) == ["device.memory.reached", "node.link.reached"])
    guard case .assumption = changed.node.link.rate.reached.origin else {
      Issue.record("what goes along is nobody's measurement")
      return
    }
  }

  /// Whoever says what is reached is taken at their word, as is a file of one's own.
  @Test func whatIsSaidStays() throws {
    for overrides in [
      ["node.link.bandwidth=400 GB/s", "node.link.reached=100 GB/s"],
      ["node.link.bandwidth=400 GB/s", "node.link.reached.value=100 GB/s"],
    ] {
      let cluster = try Cluster.shipped("h800-2048", overrides: overrides)
      #expect(cluster.node.link.rate.reached.value == BytesPerSecond(100e9))
      #expect(cluster.followings.isEmpty)
    }
    let text = try #require(Cluster.shippedText("h800-2048"))
    #expect(try Cluster(Document(text: text, name: "f")).followings.isEmpty)
    // Where nothing is said of it, all of the bandwidth is reached.
    let port = try Cluster.shipped("h800-2048", overrides: ["network.port={bandwidth: 40 GB/s}"])
    #expect(port.network?.port.reached.value == BytesPerSecond(40e9) && port.followings.isEmpty)
  }

  @Test func faultsAreTheBandwidths() {
    for value in ["450", "fast", "0 B/s", "1e30 GB/s"] {
      let error = #expect(throws: ConfigurationError.self) {
        try Cluster.shipped("h800-2048", overrides: ["node.link.bandwidth=\(value)"])
      }
      #expect(error?.keyPath == "node.link.bandwidth", "\(value)")
    }
  }
}
