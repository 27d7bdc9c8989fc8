import Clusters
import Quantities
import TestSupport
import Testing

@Suite struct PathTests {
  let planes: Cluster
  let rails: Cluster

  init() throws {
    planes = try Cluster.shipped("h800-2048")
    rails = try Cluster.shipped("h800-2048-mrft")
  }

  @Test func insideANode() {
    let path = planes.path(from: 8, to: 15)
    #expect(path.hops.map(\.link) == [.deviceOut(rank: 8), .deviceIn(rank: 15)])
    #expect(path.reach == .sameNode)
    #expect(path.bandwidth == BytesPerSecond(160e9))
    #expect(path.latency.value.isNear(3.33e-6))
    #expect(planes.latency(from: 8, to: 15) == path.latency.value)
    #expect(planes.path(from: 9, to: 9).hops.isEmpty)
    #expect(planes.path(from: 9, to: 9).reach == .sameRank)
  }

  /// 32 nodes share a leaf switch of each plane.
  @Test func insideAPlane() {
    let near = planes.path(from: 3, to: 31 * 8 + 3)
    #expect(near.reach == .sameLeaf)
    #expect(
      near.hops.map(\.link) == [.adapterOut(node: 0, index: 3), .adapterIn(node: 31, index: 3)])
    #expect(near.latency.value.isNear(2.8e-6))
    let far = planes.path(from: 3, to: 32 * 8 + 3)
    #expect(far.reach == .crossLeaf)
    #expect(
      far.hops.map(\.link) == [
        .adapterOut(node: 0, index: 3), .leafUp(plane: 3, leaf: 0), .leafDown(plane: 3, leaf: 1),
        .adapterIn(node: 32, index: 3),
      ])
    #expect(far.latency.value.isNear(3.7e-6))
    #expect(planes.latency(from: 3, to: 32 * 8 + 3) == far.latency.value)
    #expect(far.bandwidth == BytesPerSecond(44e9))
    #expect(far.hops[1].bandwidth == BytesPerSecond(32 * 44e9))
  }

  /// "Cross-plane traffic is forwarded inside the node" (arXiv 2505.09343, section 5.1).
  @Test func acrossPlanes() {
    let path = planes.path(from: 0, to: 8 + 5)
    #expect(path.isForwarded)
    #expect(
      path.hops.map(\.link) == [
        .deviceOut(rank: 0), .deviceIn(rank: 5), .adapterOut(node: 0, index: 5),
        .adapterIn(node: 1, index: 5),
      ])
    #expect(path.latency.value.isNear(3.33e-6 + 2.8e-6))
  }

  /// Rails of one fabric meet at the spine.
  @Test func acrossRails() {
    let path = rails.path(from: 0, to: 8 + 5)
    #expect(!path.isForwarded)
    #expect(
      path.hops.map(\.link) == [
        .adapterOut(node: 0, index: 0), .leafUp(plane: 0, leaf: 0), .leafDown(plane: 0, leaf: 5),
        .adapterIn(node: 1, index: 5),
      ])
    #expect(rails.path(from: 0, to: 8).reach == .sameLeaf)
  }

  @Test func threeLayers() throws {
    let cluster = try Cluster.shipped("a100-selene")
    // A leaf joins 20 nodes of a rail, a pod 20 leaves: the third group of nodes lies beyond it.
    #expect(cluster.path(from: 0, to: 19 * 8).reach == .sameLeaf)
    #expect(cluster.path(from: 0, to: 20 * 8).reach == .crossLeaf)
    let far = cluster.path(from: 0, to: 60 * 8)
    #expect(far.reach == .crossPod)
    #expect(far.hops.count == 6)
    #expect(far.latency.value.isNear(4.6e-6))
  }

  /// Two devices share each of four adapters.
  @Test func sharedAdapters() throws {
    let cluster = try Cluster.shipped("a100-vtrain-512")
    #expect((0..<8).map { cluster.adapter(ofLocalIndex: $0) } == [0, 0, 1, 1, 2, 2, 3, 3])
    let path = cluster.path(from: 1, to: 8)
    #expect(
      path.hops.map(\.link) == [.adapterOut(node: 0, index: 0), .adapterIn(node: 1, index: 0)])
  }

  @Test(arguments: Cluster.shippedNames)
  func identitiesAreConsecutive(_ name: String) throws {
    let cluster = try Cluster.shipped(name)
    for index in 0..<cluster.linkCount {
      #expect(cluster.id(of: cluster.link(LinkID(index))) == LinkID(index))
    }
  }

  /// Every path leaves where it should, enters where it should, and repeats no link.
  @Test(arguments: Cluster.shippedNames)
  func pathsAreWellFormed(_ name: String) throws {
    let cluster = try Cluster.shipped(name)
    var generator = SplitMix64(state: 11)
    for _ in 0..<2000 {
      let source = Int.random(in: 0..<cluster.rankCount, using: &generator)
      let destination = Int.random(in: 0..<cluster.rankCount, using: &generator)
      let path = cluster.path(from: source, to: destination)
      #expect(Set(path.hops.map(\.id)).count == path.hops.count)
      #expect(path.hops.allSatisfy { $0.bandwidth.value > 0 && $0.latency >= .zero })
      #expect(path.reach == cluster.reach(from: source, to: destination).reach)
      let back = cluster.path(from: destination, to: source)
      #expect(back.reach == path.reach)
      #expect(back.bandwidth == path.bandwidth)
    }
  }

  /// A described network of 131,072 ranks: nothing is stored per rank or link.
  @Test func manyRanks() throws {
    let cluster = try Cluster.shipped(
      "h800-2048",
      overrides: [
        "nodes=16384",
        "network.layers=[{radix: 64}, {radix: 64}, {radix: 64}]",
        "network.latency.cross-pod=4.6 us",
      ])
    #expect(cluster.rankCount == 131_072)
    let elapsed = processorSeconds {
      var latency = Seconds.zero
      for rank in 0..<131_072 {
        latency += cluster.path(from: rank, to: 131_071 - rank).latency
      }
      #expect(latency > .zero)
    }
    #expect(elapsed < 2)
  }
}

extension Double {
  func isNear(_ other: Double) -> Bool { (self - other).magnitude <= 1e-12 * other.magnitude }
}
