import Clusters
import Testing

/// "Insights into DeepSeek-V3", arXiv 2505.09343v2, Table 3: endpoints, switches, links.
@Suite struct BillTests {
  @Test func twoLayerFatTree() throws {
    let bill = try #require(try Cluster.shipped("h800-2048-mrft").bill)
    #expect(bill.endpoints == 2048)
    #expect(bill.switches == 96)
    #expect(bill.links == 2048)
  }

  @Test func multiPlaneFatTree() throws {
    let bill = try #require(try Cluster.shipped("h800-2048", overrides: ["nodes=2048"]).bill)
    #expect(bill.endpoints == 16384)
    #expect(bill.switches == 768)
    #expect(bill.links == 16384)
  }

  @Test func threeLayerFatTree() throws {
    let overrides = [
      "nodes=8192", "network.layers=[{radix: 64}, {radix: 64}, {radix: 64}]",
      "network.latency.cross-pod=4.6 us",
    ]
    let bill = try #require(try Cluster.shipped("h800-2048-mrft", overrides: overrides).bill)
    #expect(bill.endpoints == 65536)
    #expect(bill.switches == 5120)
    #expect(bill.links == 131_072)
    #expect(bill.coreSwitches == 1024)
  }

  /// The published cluster itself needs as many switches as one fat tree of its endpoints.
  @Test func asDeployed() throws {
    let bill = try #require(try Cluster.shipped("h800-2048").bill)
    #expect(bill.switches == 96)
    #expect(bill.links == 2048)
  }

  @Test func oversubscribedLeaves() throws {
    let overrides = ["network.layers[0].oversubscription=3", "nodes=48"]
    let cluster = try Cluster.shipped("h800-2048", overrides: overrides)
    let bill = try #require(cluster.bill)
    // 48 ports down, 16 up: one leaf and, for its 16 uplinks, one spine per plane.
    #expect(bill.leafSwitches == 8)
    #expect(bill.spineSwitches == 8)
    #expect(bill.links == 8 * 16)
  }
}
