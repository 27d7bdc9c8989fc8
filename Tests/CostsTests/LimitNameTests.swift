import Clusters
import Costs
import Testing

/// What limits an operation is called as the cluster's own parts are.
@Suite struct LimitNameTests {
  @Test(arguments: [
    ("h100-2048", "InfiniBand", "NVLink"), ("a100-roce", "RoCE", "NVLink"),
    ("a100-pcie", "InfiniBand", "PCIe 4.0 x16"), ("aws-p5", "EFA", "NVLink"),
    ("l40s-64", "Ethernet, RoCE v2", "PCIe 4.0 x16"),
  ])
  func partsOfTheCluster(name: String, network: String, link: String) throws {
    let cluster = try Cluster.shipped(name)
    #expect(Limit.infiniBand.name(on: cluster) == network)
    #expect(Limit.nvlink.name(on: cluster) == link)
    #expect(Limit.memory.name(on: cluster) == "memory")
  }
}
