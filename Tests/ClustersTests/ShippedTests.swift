import Clusters
import Documents
import Quantities
import Testing

@Suite struct ShippedTests {
  @Test func names() {
    #expect(
      Cluster.shippedNames == [
        "a100-dgx-160", "a100-pcie", "a100-roce", "a100-selene", "a100-vtrain-512", "aws-p5",
        "b200-256", "h100-2048", "h200-256", "h800-2048", "h800-2048-mrft",
      ])
  }

  @Test(arguments: Cluster.shippedNames)
  func reads(_ name: String) throws {
    let cluster = try Cluster.named(name)
    #expect(cluster.name == name)
    #expect(cluster.isUniform)
    #expect(cluster.rankCount == cluster.nodes.value * cluster.node.devices.value)
    #expect(Cluster.shippedText(name)?.contains("name: \(name)") == true)
  }

  /// Every number that ships says where it comes from, or that it is assumed and why.
  @Test(arguments: Cluster.shippedNames)
  func everyNumberHasAnOrigin(_ name: String) throws {
    let text = try #require(Cluster.shippedText(name))
    let table = try Document(text: text, name: name).table(toleratesUnknownKeys: true)
    var numbers = 0
    for (_, field) in table.allFields() { try check(field, &numbers) }
    #expect(numbers > 4)
  }

  private func check(_ field: Field, _ numbers: inout Int) throws {
    if field.isList {
      for item in try field.items() { try check(item, &numbers) }
    } else if field.isTable {
      let table = try field.table(toleratesUnknownKeys: true)
      if table.contains("value") {
        #expect(table.contains("source") || table.contains("assumption"), "\(field.keyPath)")
        numbers += 1
      } else {
        for (_, inner) in table.allFields() { try check(inner, &numbers) }
      }
    } else {
      let text = try field.read(.string)
      let looksLikeNumber = text.first?.isNumber == true && !field.keyPath.contains("summary")
      #expect(!looksLikeNumber, "\(field.keyPath) has no source")
    }
  }

  @Test func publishedFigures() throws {
    let cluster = try Cluster.shipped("h800-2048")
    #expect(cluster.rankCount == 2048)
    #expect(cluster.device.multiprocessors.value == 132)
    #expect(cluster.device.peak(.bf16) == FLOPsPerSecond(989e12))
    #expect(cluster.device.loadedShare == 1600.0 / 1830)
    #expect(cluster.device.memory.size.value == ByteCount(84_943_110_144))
    #expect(cluster.node.link.rate.reached.value == BytesPerSecond(160e9))
    #expect(cluster.node.adapters?.rate.bandwidth.value == BytesPerSecond(50e9))
    #expect(cluster.price?.value == 2)
    #expect(
      try Cluster.shipped("h100-2048").node.link.rate.bandwidth.value == BytesPerSecond(450e9))
    #expect(try Cluster.shipped("a100-selene").rankCount == 3072)
    #expect(try Cluster.shipped("a100-vtrain-512").rankCount == 512)
    #expect(try Cluster.shipped("a100-roce").device.name == "A100 SXM4 80GB")
  }

  @Test func overridesReachIntoBorrowedSections() throws {
    let cluster = try Cluster.named(
      "h800-2048-mrft",
      overrides: ["node.link.bandwidth=450 GB/s", "node.link.reached.value=360 GB/s", "nodes=16"])
    #expect(cluster.node.link.rate.bandwidth == Sourced(BytesPerSecond(450e9)))
    #expect(cluster.node.link.rate.reached.value == BytesPerSecond(360e9))
    #expect(cluster.rankCount == 128)
  }

  @Test func unknownNameNamesTheNearest() {
    let error = #expect(throws: ConfigurationError.self) { try Cluster.named("h80-2048") }
    #expect(error?.description.contains("did you mean h800-2048?") == true)
    #expect(throws: ConfigurationError.self) { try Cluster.named("./no-such-file.yaml") }
  }
}
