import Calibration
import Clusters
import Costs
import Testing

/// What a written cluster says of collectives is what was measured, whatever else was: over the paths and latencies
/// that it has.
@Suite struct LinkOrderTests {
  /// A start and a rate on the bus, without noise.
  private static func line(
    _ start: Double, _ bus: Double, nodes: Int, _ sizes: [Int]
  ) -> [MeasuredCollective] {
    let ranks = 8 * nodes
    let share = 2 * Double(ranks - 1) / Double(ranks)
    return sizes.map { exponent in
      let bytes = Double(1 << exponent)
      return MeasuredCollective(
        kind: .allReduce, ranks: ranks, nodes: nodes, bytes: bytes,
        seconds: start + bytes * share / bus,
        place: MeasuredPlace(file: "nccl.txt", line: exponent))
    }
  }

  private static func latencies(_ seconds: Double) -> [MeasuredMessage] {
    (1...13).map { exponent in
      MeasuredMessage(
        quantity: .latency, way: .adapter, bytes: Double(1 << exponent),
        value: seconds + Double(1 << exponent) / 46e9,
        place: MeasuredPlace(file: "lat.txt", line: exponent))
    }
  }

  private static func fit(
    _ measured: Measurements, layers: Int? = nil
  ) throws -> Calibrator.Outcome {
    var facts = MeasurementFacts()
    facts.switchLayers = layers
    return try Calibrator(
      base: Cluster.shipped("h100-2048"), named: "h100-2048", facts: facts
    ).fit(measured, name: "mine", file: "mine.yaml")
  }

  /// What `cost all-reduce` says of the first ranks.
  private static func cost(_ cluster: Cluster, ranks: Int, _ bytes: Double) throws -> Double {
    let contention = CollectiveContention(cluster, try CollectiveConstants(cluster))
    return try #require(contention.time(.allReduce, bytes: bytes, over: Array(0..<ranks))).cost
      .seconds
  }

  /// Latencies of adapters beside collectives: each is fitted to its rows, as if it had been measured alone.
  @Test(arguments: [1, 2, nil]) func latenciesComeFirst(layers: Int?) throws {
    var measured = Measurements()
    measured.collectives = Self.line(90e-6, 320e9, nodes: 8, Array(3...33))
    if layers != nil { measured.messages = Self.latencies(2e-6) }
    let outcome = try Self.fit(measured, layers: layers)
    let part = try #require(outcome.parts.first { $0.title == "collectives between nodes" })
    #expect(FittedPart.residual(part.points).worst < 0.01)
    for exponent in [3, 10, 17, 18, 24, 33] {
      let bytes = Double(1 << exponent)
      let truth = 90e-6 + bytes * 2 * 63 / 64 / 320e9
      let cost = try Self.cost(outcome.cluster, ranks: 64, bytes)
      #expect(abs(cost / truth - 1) < 0.01, "2^\(exponent): \(cost), not \(truth)")
    }
  }

  /// A few nodes lie under one leaf, where a hop takes less than between two.
  @Test(arguments: [2, 4, 16]) func pagesSayWhatCostSays(nodes: Int) throws {
    var measured = Measurements()
    measured.collectives = Self.line(45e-6, 330e9, nodes: nodes, Array(3...33))
    let outcome = try Self.fit(measured)
    for point in try #require(outcome.parts.first).points {
      let cost = try Self.cost(outcome.cluster, ranks: 8 * nodes, point.size)
      #expect(abs(cost / point.predicted - 1) < 1e-9, "\(point.size)")
      #expect(abs(point.error) < 0.01)
    }
  }

  /// Messages between two nodes are priced by their path, too.
  @Test func messagesGoOverTheirPath() throws {
    var measured = Measurements()
    measured.collectives = (3...28).map { exponent in
      let bytes = Double(1 << exponent)
      return MeasuredCollective(
        kind: .send, ranks: 2, nodes: 2, bytes: bytes, seconds: 12e-6 + bytes / 40e9,
        place: MeasuredPlace(file: "send.txt", line: exponent))
    }
    let outcome = try Self.fit(measured)
    let cost = CollectiveCost(try CollectiveConstants(outcome.cluster))
    let latency = outcome.cluster.latency(from: 0, to: 8)
    let seconds = cost.send(bytes: 8, insideNode: false, latency: latency).seconds
    #expect(abs(seconds / 12e-6 - 1) < 0.01, "\(seconds)")
  }

  /// The order in which files are named changes no constant.
  @Test func orderDoesNotMatter() throws {
    var measured = Measurements()
    measured.collectives = Self.line(90e-6, 320e9, nodes: 8, Array(3...33))
    measured.messages = Self.latencies(2e-6)
    var turned = measured
    turned.collectives.reverse()
    turned.messages.reverse()
    let (first, second) = (try Self.fit(measured, layers: 2), try Self.fit(turned, layers: 2))
    #expect(
      first.parts.flatMap(\.constants).map { "\($0.path) \($0.text ?? "")" }
        == second.parts.flatMap(\.constants).map { "\($0.path) \($0.text ?? "")" })
  }

  // MARK: Few sizes

  /// Of fewer than eight sizes all are fitted, and that none is left to check is said.
  @Test(arguments: [[10, 14, 18, 22, 26, 30], [3, 13, 23, 33], [12, 20, 28, 32]])
  func fewSizesAreAllFitted(sizes: [Int]) throws {
    var measured = Measurements()
    measured.collectives = Self.line(45e-6, 220e9, nodes: 2, sizes)
    let outcome = try Self.fit(measured)
    let part = try #require(outcome.parts.first)
    #expect(part.held.isEmpty && part.points.count == sizes.count)
    let mean = FittedPart.residual(part.points).mean
    #expect(mean < (sizes.count < 6 ? 0.12 : 0.03), "\(mean)")
    #expect(outcome.remarks.contains { $0.contains("all are fitted, and none is left to check") })
  }

  /// Rows that no start and rate describe: nothing is written of them, and the worst are named.
  @Test func whatConstantsDoNotDescribeIsRefused() throws {
    var measured = Measurements()
    measured.collectives = Self.line(45e-6, 220e9, nodes: 2, Array(10...30))
    for place in measured.collectives.indices {
      measured.collectives[place].seconds *= place.isMultiple(of: 4) ? 6 : 1
    }
    let error = #expect(throws: (any Error).self) { try Self.fit(measured) }
    let rule = "\(error.map { "\($0)" } ?? "")"
    #expect(rule.contains("off on average, nccl.txt:"), "\(rule)")
    #expect(rule.contains("no constants describe them"), "\(rule)")
  }
}
