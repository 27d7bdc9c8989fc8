import Clusters
import Documents
import Quantities
import Testing

@Suite struct ShippedTests {
  @Test func names() {
    #expect(
      Cluster.shippedNames == [
        "a100-40gb-160", "a100-dgx-160", "a100-pcie", "a100-roce", "a100-selene",
        "a100-vtrain-512", "aws-p5", "b200-256", "gb200-nvl72", "h100-2048", "h200-256",
        "h800-2048", "h800-2048-mrft",
      ])
    #expect(Cluster.dataSheetNames == ["l40s-64", "mi300x-64", "rtx4090-64"])
    #expect(
      Set(Cluster.knownNames) == Set(Cluster.shippedNames).union(Cluster.dataSheetNames))
  }

  @Test(arguments: Cluster.knownNames)
  func reads(_ name: String) throws {
    let cluster = try Cluster.named(name)
    #expect(cluster.name == name)
    #expect(cluster.isUniform)
    #expect(cluster.rankCount == cluster.nodes.value * cluster.node.devices.value)
    #expect(Cluster.shippedText(name)?.contains("name: \(name)") == true)
  }

  /// Every number that ships says where it comes from, or that it is assumed and why.
  @Test(arguments: Cluster.knownNames)
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
      guard !field.isNull else { return }
      let text = try field.read(.string)
      let isWords = field.keyPath.hasSuffix("summary") || field.keyPath.hasSuffix("name")
      let looksLikeNumber = text.first?.isNumber == true && !isWords
      #expect(!looksLikeNumber, "\(field.keyPath) has no source")
    }
  }

  /// Every cluster has a price, which goes out of date: its source has a year.
  @Test(arguments: Cluster.knownNames) func pricesHaveADate(name: String) throws {
    let source = try #require(try Cluster.named(name).price).origin.description
    let years = ["May 2026", "March 2026", "read in 2026", " 2026-", "2024", "arXiv 2412"]
    #expect(years.contains(where: source.contains), "\(source)")
  }

  /// What data sheets say, and that they say nothing of kernels.
  @Test func dataSheets() throws {
    for name in Cluster.dataSheetNames {
      let device = try Cluster.named(name).device
      #expect(device.kernels.field == nil && device.clock != nil && !device.peaks.isEmpty)
      // A clock and a whole number of operations a clock and multiprocessor give the peak.
      let cycles = Double(device.multiprocessors.value) * (device.clock?.boost.value.value ?? 1)
      let perClock = (device.peak(.bf16)?.value ?? 0) / cycles
      let nearest = [512.0, 1024, 2048].min { abs($0 - perClock) < abs($1 - perClock) } ?? 0
      #expect(abs(perClock / nearest - 1) < 0.03, "\(name): \(perClock)")
    }
    let rack = try Cluster.named("gb200-nvl72")
    #expect(rack.node.devices.value == 72 && rack.reach(from: 0, to: 71).reach == .sameNode)
    let half = try Cluster.named("a100-40gb-160").device
    #expect(half.memory.size.value == ByteCount(40 << 30) && half.name == "A100 SXM4 40GB")
    // The rest of the chip is that of the larger one.
    #expect(half.peaks == (try Cluster.named("a100-dgx-160").device.peaks))
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

  /// What words say is shown as numbers are: what a cause counts and does, where adapters hang.
  @Test func wordsAreFacts() throws {
    func texts(_ overrides: [String]) throws -> [String: String] {
      let facts = try Cluster.shipped("h100-2048", overrides: overrides).facts
      return Dictionary(facts.map { ($0.path, $0.exact) }) { first, _ in first }
    }
    let plain = try texts([])
    #expect(plain["network.attachment"] == "rail")
    #expect(plain["failures.causes[0].of"] == "device")
    #expect(plain["failures.causes[0].effect"] == "stop")
    #expect(plain["failures.causes[1].effect"] == "corrupt")
    // A port is said where it is another one than an adapter's.
    #expect(plain["network.port.bandwidth"] == nil && plain["failures.at"] == nil)
    let changed = try texts([
      "network.attachment=node", "network.port={bandwidth: 25 GB/s}", "failures.causes=null",
      "failures.repair=null", "failures.at=[3 s, 1 h]",
    ])
    #expect(changed["network.attachment"] == "node")
    #expect(changed["network.port.bandwidth"] != nil && changed["network.port.reached"] != nil)
    #expect(changed["failures.at"] == "[3.0 s, 3600.0 s]")
  }

  /// Whatever a description says is shown, wherever it was taken from: names, and whether kernels are scaled.
  @Test(arguments: Cluster.knownNames)
  func everyValueIsAFact(_ name: String) throws {
    let text = try #require(Cluster.shippedText(name))
    let document = try Document(text: text, name: name)
    let cluster = try Cluster.shipped(name)
    let facts = Set(cluster.facts.map(\.path))
    let said = document.leaves.filter { $0.text != "null" }.map(\.keyPath).filter { path in
      !["name", "summary"].contains(path) && !path.hasSuffix("like")
    }
    for path in said where !path.hasSuffix(".source") && !path.hasSuffix(".assumption") {
      let key = path.hasSuffix(".value") ? String(path.dropLast(6)) : path
      // A section by its name, a list or a table of numbers: all that is shown lies below.
      #expect(
        facts.contains { $0 == key || $0.hasPrefix(key + ".") || $0.hasPrefix(key + "[") }, "\(key)"
      )
    }
    let names = Dictionary(cluster.facts.map { ($0.path, $0.exact) }) { first, _ in first }
    #expect(names["node.adapters.name"] == cluster.node.adapters?.name)
    #expect(names["device.name"] == cluster.device.name)
  }

  @Test func scaledKernelsAreShown() throws {
    func scaled(_ overrides: [String]) throws -> String? {
      try Cluster.shipped("h100-2048", overrides: overrides).facts
        .first { $0.path == "device.kernels-scaled" }?.exact
    }
    #expect(try scaled([]) == "false")
    #expect(try scaled(["device.kernels=h800-2048", "device.kernels-scaled=true"]) == "true")
  }
}
