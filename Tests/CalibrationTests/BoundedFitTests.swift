import Calibration
import Clusters
import Costs
import Documents
import Testing

/// Constants stay within what their keys may be, whatever was measured.
@Suite struct BoundedFitTests {
  /// Products as a user wrote them down, of a roofline with waves: the joint of compute and memory is as sharp as can
  /// be, so that a free fit goes on to an exponent of 53.
  private static let sharp = """
    m,n,k,dtype,time_us
    512,2048,1024,bf16,18.25
    512,2048,2048,bf16,31.36
    512,2048,7168,bf16,95.36
    512,4096,1024,bf16,18.47
    512,4096,2048,bf16,31.45
    512,4096,7168,bf16,94.24
    512,7168,1024,bf16,18.13
    512,7168,2048,bf16,31.68
    512,7168,7168,bf16,94.95
    1024,2048,1024,bf16,18.25
    1024,2048,2048,bf16,31.85
    1024,2048,7168,bf16,95.73
    1024,4096,1024,bf16,18.60
    1024,4096,2048,bf16,31.29
    1024,4096,7168,bf16,96.35
    1024,7168,1024,bf16,32.41
    1024,7168,2048,bf16,58.92
    1024,7168,7168,bf16,190.38
    2048,2048,1024,bf16,18.42
    2048,2048,2048,bf16,31.57
    2048,2048,7168,bf16,96.47
    2048,4096,1024,bf16,32.31
    2048,4096,2048,bf16,59.19
    2048,4096,7168,bf16,188.35
    2048,7168,1024,bf16,61.16
    2048,7168,2048,bf16,111.20
    2048,7168,7168,bf16,376.73
    4096,2048,1024,bf16,32.78
    4096,2048,2048,bf16,59.10
    4096,2048,7168,bf16,190.46
    4096,4096,1024,bf16,62.12
    4096,4096,2048,bf16,115.08
    4096,4096,7168,bf16,369.81
    4096,7168,1024,bf16,106.05
    4096,7168,2048,bf16,194.75
    4096,7168,7168,bf16,658.07
    8192,2048,1024,bf16,62.50
    8192,2048,2048,bf16,111.49
    8192,2048,7168,bf16,366.01
    8192,4096,1024,bf16,117.94
    8192,4096,2048,bf16,226.56
    8192,4096,7168,bf16,736.83
    8192,7168,1024,bf16,206.70
    8192,7168,2048,bf16,383.31
    8192,7168,7168,bf16,1290.12
    """

  private func fit(_ measured: Measurements) throws -> Calibrator.Outcome {
    let base = try Cluster.shipped("h100-2048")
    return try Calibrator(base: base, named: "h100-2048", facts: MeasurementFacts()).fit(
      measured, name: "mine", file: "mine.yaml")
  }

  /// The fit reads its own file, and says which key's range it has come to the end of.
  @Test func theJointOfARooflineIsTheSharpest() throws {
    let read = try BenchmarkFormat.read(text: Self.sharp, file: "products.csv").measurements
    let outcome = try fit(read)
    let part = try #require(outcome.parts.first)
    let knee = try #require(part.constants.first { $0.path.hasSuffix(".knee") })
    #expect(knee.text == "16" && knee.source.hasSuffix("the most that the key takes"))
    #expect(FittedPart.residual(part.points).mean < 0.1)
  }

  /// A link of which a thousandth is not reached, and starts of seconds: no link of a cluster, and no key takes them.
  @Test func slowMessages() throws {
    var measured = Measurements()
    for exponent in 0...20 {
      let bytes = Double(1 << exponent)
      let place = MeasuredPlace(file: "osu.txt", line: exponent)
      measured.messages += [
        MeasuredMessage(
          quantity: .latency, way: .insideNode, bytes: bytes, value: 3 + bytes / 1e9, place: place),
        MeasuredMessage(
          quantity: .bandwidth, way: .insideNode, bytes: bytes, value: min(bytes * 1e3, 1e7),
          place: place),
      ]
    }
    let error = #expect(throws: ConfigurationError.self) { try fit(measured) }
    #expect(error?.description.contains("is in another unit") == true)
  }

  /// Rates of streaming kernels do not pass the memory's: rows that do are not described, and nothing is written.
  @Test func fastStreams() throws {
    var measured = Measurements()
    measured.streams = (16...28).map { exponent in
      let bytes = Double(1 << exponent)
      return MeasuredStream(
        kernel: .rope, bytes: bytes, seconds: 1e-6 + bytes / 1e14,
        place: MeasuredPlace(file: "streams.csv", line: exponent))
    }
    let error = #expect(throws: ConfigurationError.self) { try fit(measured) }
    #expect(error?.description.contains("no constants describe them") == true)
  }

  /// All-reduces of 22 us and a rate have one exact answer, by rings or by the switch.
  ///
  /// Small ones are about as fast by four ways in the base, and a search from there alone ends between them, 1.5 % off.
  @Test(arguments: [nil, 20] as [Int?]) func aLineIsFoundWithAnyRow(without: Int?) throws {
    var measured = Measurements()
    measured.collectives = (10...33).filter { $0 != without }.map { exponent in
      let bytes = Double(1 << exponent)
      return MeasuredCollective(
        kind: .allReduce, ranks: 8, nodes: 1, bytes: bytes, seconds: 22e-6 + bytes * 1.75 / 450e9,
        place: MeasuredPlace(file: "nccl.txt", line: exponent))
    }
    let part = try #require(fit(measured).parts.first)
    #expect(FittedPart.residual(part.points).mean < 0.003, "\(FittedPart.residual(part.points))")
  }
}
