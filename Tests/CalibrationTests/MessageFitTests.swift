import Calibration
import Clusters
import Costs
import Documents
import Foundation
import Testing

/// Messages between two ends: what is compared with them is what the written file says.
@Suite struct MessageFitTests {
  private func messages(
    _ quantity: MeasuredMessage.Quantity, _ way: MeasuredMessage.Way, upTo most: Int,
    start: Double, rate: Double
  ) -> [MeasuredMessage] {
    (0...most).map { exponent in
      let bytes = Double(1 << exponent)
      let seconds = start + bytes / rate
      return MeasuredMessage(
        quantity: quantity, way: way, bytes: bytes,
        value: quantity == .latency ? seconds : bytes / max(start / 20, bytes / rate),
        place: MeasuredPlace(file: "\(quantity.rawValue).txt", line: exponent + 3))
    }
  }

  private func fit(
    _ messages: [MeasuredMessage], base name: String = "h100-2048", layers: Int? = nil
  ) throws -> Calibrator.Outcome {
    var measured = Measurements()
    measured.messages = messages
    var facts = MeasurementFacts()
    facts.switchLayers = layers
    return try Calibrator(base: try Cluster.shipped(name), named: name, facts: facts).fit(
      measured, name: "mine", file: "mine.yaml")
  }

  private func price(_ cluster: Cluster, _ bytes: Double, insideNode: Bool) throws -> Double {
    // Two neighbours, as a step has them.
    let latency =
      insideNode
      ? nil : cluster.latency(from: 0, to: cluster.node.devices.value)
    return CollectiveCost(try CollectiveConstants(cluster)).send(
      bytes: bytes, insideNode: insideNode, latency: latency
    ).seconds
  }

  /// A latency test alone, of a link that carries a fifteenth of the base's: large messages decide the rate, and the
  /// file prices what nobody measured.
  @Test(arguments: [("h100-2048", 3e-6), ("a100-pcie", 15e-6)], [3e9, 30e9])
  func latenciesDecideARate(of link: (base: String, start: Double), rate: Double) throws {
    let (base, start) = link
    let measured = messages(.latency, .insideNode, upTo: 27, start: start, rate: rate)
    let outcome = try fit(measured, base: base)
    let part = try #require(outcome.parts.first)
    #expect(part.points.count == 28 && FittedPart.residual(part.points).worst < 0.01)
    let price = try price(outcome.cluster, 0x1p30, insideNode: true)
    #expect(abs(price / (start + 0x1p30 / rate) - 1) < 0.01, "\(price)")
  }

  /// A start below what the base's link alone takes: the link's latency is no more than that, and gives way.
  @Test func aStartBelowTheLink() throws {
    let outcome = try fit(
      messages(.latency, .insideNode, upTo: 27, start: 3e-6, rate: 20e9), base: "a100-pcie")
    let part = try #require(outcome.parts.first)
    let latency = try #require(part.constants.first { $0.path == "node.link.latency" })
    #expect(latency.source.hasPrefix("no more than a message's start"))
    #expect(abs(outcome.cluster.node.link.latency.value.value / 3e-6 - 1) < 0.01)
    let point = try #require(part.points.first { $0.size == 1 })
    let price = try price(outcome.cluster, 1, insideNode: true)
    #expect(abs(price / 3e-6 - 1) < 0.01 && abs(point.predicted / price - 1) < 1e-9)
  }

  /// Every error is one of the written file, whichever keys it has.
  @Test(arguments: [12, 18, 22, 27]) func errorsAreOfTheFile(most: Int) throws {
    for way in [MeasuredMessage.Way.insideNode, .betweenNodes] {
      let outcome = try fit(messages(.latency, way, upTo: most, start: 4e-6, rate: 20e9))
      for point in outcome.parts.flatMap(\.points) {
        let price = try price(outcome.cluster, point.size, insideNode: way == .insideNode)
        #expect(abs(point.predicted / price - 1) < 1e-9)
        // Where nobody measured a rate, bytes may take up to an eighth of the start.
        #expect(abs(point.error) < (most < 16 ? 0.05 : 0.02), "\(way) \(point.size)")
      }
    }
  }

  /// Small messages alone do not show a rate: what the base has decides larger ones, which are left out.
  @Test func sizesThatRatesDecideAreLeftOut() throws {
    let outcome = try fit(messages(.latency, .insideNode, upTo: 16, start: 3e-6, rate: 30e9))
    let part = try #require(outcome.parts.first)
    #expect(part.constants.map(\.path) == ["node.collectives.direct.link-start"])
    #expect(part.points.allSatisfy { $0.size <= 16_384 } && part.points.count > 10)
    #expect(outcome.remarks.contains { $0.contains("sizes above 8 KiB left out") })
    // Beside a test of rates it is that one's.
    let both = try fit(
      messages(.latency, .insideNode, upTo: 22, start: 3e-6, rate: 200e9)
        + messages(.bandwidth, .insideNode, upTo: 22, start: 3e-6, rate: 300e9))
    let price = try price(both.cluster, 0x1p22, insideNode: true)
    #expect(abs(price / (3e-6 + 0x1p22 / 300e9) - 1) < 0.02)
    #expect(both.remarks.contains { $0.contains("those of the test of bandwidth") })
  }

  /// An adapter's latency and what it reached, each compared where it decides.
  @Test func adapters() throws {
    let outcome = try fit(
      messages(.latency, .adapter, upTo: 23, start: 2e-6, rate: 40e9)
        + messages(.bandwidth, .adapter, upTo: 23, start: 2e-6, rate: 46e9), layers: 1)
    let latency = try #require(outcome.cluster.network?.latency.sameLeaf.value.value)
    let rate = try #require(outcome.cluster.node.adapters?.rate.reached.value.value)
    #expect(abs(latency / 2e-6 - 1) < 0.01 && abs(rate / 46e9 - 1) < 0.01)
    for part in outcome.parts {
      let isLatency = part.title.hasSuffix("latency")
      for point in part.points {
        // A test of bandwidth has a start of its own.
        let seconds = (isLatency ? latency : 0) + point.size / rate
        #expect(abs(point.predicted / seconds - 1) < (isLatency ? 1e-9 : 0.05))
      }
    }
    #expect(outcome.remarks.count { $0.contains("left out of the fit and of its errors") } == 2)
  }

  /// Reads start twice and carry their bytes once: the latency is that of one way, at every size.
  @Test func readsAreWholeTrips() throws {
    let measured = messages(.latency, .adapter, upTo: 23, start: 4e-6, rate: 46e9).map {
      var read = $0
      read.starts = 2
      return read
    }
    let outcome = try fit(measured, layers: 1)
    let latency = try #require(outcome.cluster.network?.latency.sameLeaf.value.value)
    #expect(abs(latency / 2e-6 - 1) < 0.01, "\(latency)")
    let points = try #require(outcome.parts.first).points
    #expect(FittedPart.residual(points).worst < 0.01)
    // A write of another time at the same sizes is no contradiction.
    let writes = messages(.latency, .adapter, upTo: 23, start: 2e-6, rate: 46e9)
    let both = try fit(measured + writes, layers: 1)
    #expect(try #require(both.parts.first).points.count == 2 * points.count)
  }

  /// Tests of bandwidth whose starts are paid beside the bytes, or hidden behind those of other messages: the rate is
  /// that of messages without an end, though no size of the test reaches it.
  @Test(arguments: [1.0, 2, 4, 12], [(1e-6, 300e9, 22), (2e-6, 40e9, 22), (2e-6, 40e9, 30)])
  func ratesWithoutTheirStarts(overlap: Double, link: (start: Double, rate: Double, most: Int))
    throws
  {
    let way = link.rate > 100e9 ? MeasuredMessage.Way.insideNode : .betweenNodes
    let measured = (0...link.most).map { exponent in
      let bytes = Double(1 << exponent)
      let seconds = pow(
        pow(link.start, overlap) + pow(bytes / link.rate, overlap), 1 / overlap)
      return MeasuredMessage(
        quantity: .bandwidth, way: way, bytes: bytes, value: bytes / seconds,
        place: MeasuredPlace(file: "bw.txt", line: exponent + 3))
    }
    let outcome = try fit(measured)
    let cost = CollectiveCost(try CollectiveConstants(outcome.cluster))
    let rate = 1 / cost.secondsOfSend(bytes: 1, insideNode: way == .insideNode)
    #expect(abs(rate / link.rate - 1) < 0.02, "\(rate)")
    #expect(FittedPart.residual(try #require(outcome.parts.first).points).worst < 0.02)
  }

  /// The same of an adapter, whose key is the rate itself.
  @Test(arguments: [0.15e-6, 1e-6]) func adaptersWithoutTheirStarts(start: Double) throws {
    let measured = (1...23).map { exponent in
      let bytes = Double(1 << exponent)
      return MeasuredMessage(
        quantity: .bandwidth, way: .adapter, bytes: bytes, value: bytes / (start + bytes / 46e9),
        place: MeasuredPlace(file: "bw.txt", line: exponent + 3))
    }
    let rate = try #require(fit(measured).cluster.node.adapters?.rate.reached.value.value)
    #expect(abs(rate / 46e9 - 1) < 0.02, "\(rate)")
  }

  /// Rates under a head in another unit, and times of milliseconds: no such link.
  @Test func unitsOfMessages() throws {
    for (quantity, factor, rule) in [
      (MeasuredMessage.Quantity.bandwidth, 1e-3, "the rate is in another unit"),
      (.latency, 1e3, "the time is in another unit"),
    ] {
      let measured = messages(quantity, .betweenNodes, upTo: 22, start: 8e-6, rate: 24e9).map {
        var one = $0
        one.value *= factor
        return one
      }
      let error = #expect(throws: ConfigurationError.self) { try fit(measured) }
      #expect(error?.description.contains(rule) == true, "\(error?.description ?? "")")
    }
  }

  /// Nodes with half as many adapters as devices: a share is one of each rank's own way.
  @Test func adaptersThatRanksShare() throws {
    let base = "a100-roce"
    let cluster = try Cluster.shipped(base)
    let share = Double(cluster.node.adapters?.count.value ?? 1) / Double(cluster.node.devices.value)
    #expect(share < 1)
    let rate = 20e9 * share
    let outcome = try fit(
      messages(.bandwidth, .betweenNodes, upTo: 27, start: 5e-6, rate: rate), base: base)
    let part = try #require(outcome.parts.first)
    #expect(FittedPart.residual(part.points).worst < 0.01)
    let cost = CollectiveCost(try CollectiveConstants(outcome.cluster))
    #expect(abs(cost.secondsOfSend(bytes: rate, insideNode: false) - 1) < 0.01)
  }

  @Test func ratesAboveTheLink() throws {
    for quantity in [MeasuredMessage.Quantity.latency, .bandwidth] {
      let error = #expect(throws: ConfigurationError.self) {
        try fit(messages(quantity, .insideNode, upTo: 27, start: 3e-6, rate: 3e12))
      }
      let rule = error?.description ?? ""
      #expect(rule.contains("GB/s are more than the link of h100-2048 has"), "\(rule)")
    }
  }
}
