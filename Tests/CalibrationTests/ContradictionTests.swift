import Calibration
import Clusters
import Costs
import Documents
import Testing

/// Files that measure the same thing: what they agree on is one measurement, and what they do not is said or refused.
@Suite struct ContradictionTests {
  /// Gathers over 16 ranks on two nodes: 60 us, and a rate on the bus.
  private static func gathers(
    _ file: String, bus: Double, times scale: Double = 1, mayWait: Bool = false
  ) -> [MeasuredCollective] {
    (10...33).map { exponent in
      let bytes = Double(1 << exponent)
      var one = MeasuredCollective(
        kind: .allGather, ranks: 16, nodes: 2, bytes: bytes,
        seconds: (60e-6 + bytes * 15 / 16 / bus) * scale,
        place: MeasuredPlace(file: file, line: exponent))
      one.mayWait = mayWait
      return one
    }
  }

  private func fit(_ measured: Measurements) throws -> Calibrator.Outcome {
    let base = try Cluster.shipped("h100-2048")
    return try Calibrator(base: base, named: "h100-2048", facts: MeasurementFacts()).fit(
      measured, name: "mine", file: "mine.yaml")
  }

  private func rule(_ measured: Measurements) -> String {
    let error = #expect(throws: ConfigurationError.self) { try fit(measured) }
    return error?.description ?? ""
  }

  /// Half the rate in a second file: no constant fits both, and their mean none of them.
  @Test func aSecondFileOfHalfTheRate() {
    var measured = Measurements()
    measured.collectives =
      Self.gathers("one.txt", bus: 250e9) + Self.gathers("two.txt", bus: 125e9)
    let rule = rule(measured)
    #expect(rule.hasPrefix("two.txt:33: contradicts one.txt:33"), "\(rule)")
    #expect(rule.contains("all-gather over 16 ranks, 8 GiB"), "\(rule)")
  }

  /// Two runs that agree: each row is a point, and both files stand behind each constant.
  @Test func filesThatAgree() throws {
    var measured = Measurements()
    measured.collectives =
      Self.gathers("one.txt", bus: 250e9) + Self.gathers("two.txt", bus: 250e9, times: 1.06)
    let outcome = try fit(measured)
    let part = try #require(outcome.parts.first)
    #expect(part.points.count == 48 && part.held.count == 22)
    #expect(part.constants.allSatisfy { $0.source.contains("one.txt, two.txt") })
    // Of 1 and 1.06 the mean is 3 % from each.
    let (mean, _) = FittedPart.residual(part.points)
    #expect(mean > 0.02 && mean < 0.05, "\(mean)")
    #expect(outcome.remarks.isEmpty, "\(outcome.remarks)")
  }

  /// One size that took longer in the second run is noise, and is named.
  @Test func oneSizeThatDiffers() throws {
    var measured = Measurements()
    measured.collectives =
      Self.gathers("one.txt", bus: 250e9) + Self.gathers("two.txt", bus: 250e9)
    measured.collectives[30].seconds *= 1.4
    let outcome = try fit(measured)
    #expect(outcome.remarks.contains { $0.hasPrefix("two.txt:16: differs from one.txt:16") })
  }

  /// Of traces of several ranks the shortest counts, since kernels wait for peers.
  @Test func tracesOfSeveralRanks() throws {
    var measured = Measurements()
    measured.collectives =
      Self.gathers("k1.json", bus: 250e9, times: 1.5, mayWait: true)
      + Self.gathers("k0.json", bus: 250e9, mayWait: true)
    let points = try #require(fit(measured).parts.first).points
    #expect(points.count == 24 && points.allSatisfy { $0.place.file == "k0.json" })
    // A benchmark starts all ranks together.
    measured.collectives += Self.gathers("nccl.txt", bus: 260e9)
    let beside = try #require(fit(measured).parts.first).points
    #expect(beside.allSatisfy { $0.place.file == "nccl.txt" })
  }

  @Test func productsOfTwiceTheTime() {
    var measured = Measurements()
    for (file, scale) in [("one.csv", 1.0), ("one.csv", 2.0)] {
      for side in [1024, 2048, 4096, 8192] {
        let shape = MatmulShape(m: side, n: 4096, k: 4096)
        measured.products.append(
          MeasuredProduct(
            library: .bf16, shape: shape, seconds: (shape.flops / 650e12 + 6e-6) * scale,
            place: MeasuredPlace(file: file, line: measured.products.count + 2)))
      }
    }
    let rule = rule(measured)
    #expect(rule.contains("contradicts one.csv:"), "\(rule)")
    #expect(rule.contains("of 4 things with several rows 4 differ"), "\(rule)")
  }

  private static func rates(_ file: String, _ rate: Double) -> [MeasuredMessage] {
    (12...23).map { exponent in
      let bytes = Double(1 << exponent)
      return MeasuredMessage(
        quantity: .bandwidth, way: .adapter, bytes: bytes, value: bytes / (1e-8 + bytes / rate),
        place: MeasuredPlace(file: file, line: exponent))
    }
  }

  /// The order in which files are named decides nothing.
  @Test func theOrderOfFiles() throws {
    func reached(_ messages: [MeasuredMessage]) throws -> String? {
      var measured = Measurements()
      measured.messages = messages
      return try fit(measured).parts.first?.constants.first?.text
    }
    let (one, two) = (Self.rates("one.txt", 46e9), Self.rates("two.txt", 40e9))
    let both = try reached(one + two)
    #expect(both == (try reached(two + one)))
    let alone = try [reached(one), reached(two)]
    #expect(!alone.contains(both), "\(alone)")
    var measured = Measurements()
    measured.messages = one + Self.rates("two.txt", 23e9)
    #expect(rule(measured).contains("two.txt:23: contradicts one.txt:23"))
  }

  /// A key that two files give a value for has the first one's, and the other is said.
  @Test func valuesOfOneKey() throws {
    var measured = Measurements()
    measured.values = [("one.csv", "1.2 us"), ("two.csv", "2.4 us")].map {
      MeasuredValue(path: "device.launch.gap", text: $0.1, source: "a graph: \($0.0)")
    }
    let outcome = try fit(measured)
    #expect(outcome.cluster.device.launch.gap.value.value == 1.2e-6)
    #expect(outcome.remarks.contains { $0.contains("2.4 us of a graph: two.csv left out") })
  }
}
