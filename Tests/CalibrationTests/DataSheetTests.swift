import Calibration
import Clusters
import Costs
import Testing

/// A probe of a device that nobody measured: kinds enough make a cluster by themselves.
@Suite struct DataSheetTests {
  /// What a truth takes, as a probe would tell: products, attention and streaming kernels.
  private static func probe(
    _ truth: DeviceModel, _ libraries: [MatmulLibrary] = [.bf16]
  ) throws -> Measurements {
    var measured = Measurements()
    func place() -> MeasuredPlace {
      MeasuredPlace(
        file: "probe.csv",
        line: measured.products.count + measured.attention.count + measured.streams.count + 2)
    }
    for library in libraries {
      let cost = try #require(MatmulCost(truth, library: library))
      for m in [512, 1024, 2048, 4096, 8192] {
        for k in [1024, 4096] {
          let shape = MatmulShape(m: m, n: 4096, k: k)
          measured.products.append(
            MeasuredProduct(
              library: library, shape: shape, seconds: cost.cost(shape, clock: .boost).seconds,
              place: place()))
        }
      }
    }
    let attention = AttentionCost(truth, library: .flash2)
    for length in [1024, 2048, 4096, 8192, 16_384] {
      let shape = AttentionShape(
        heads: 32, queriesPerKey: 4, queries: length, queryDimension: 128, valueDimension: 128,
        causal: true)
      measured.attention.append(
        MeasuredAttention(
          library: .flash2,
          cell: AttentionCell(
            pass: .forward, shape: shape,
            measuredSeconds: 1.2 * attention.forward(shape, clock: .boost).seconds),
          place: place()))
    }
    for bytes in [1e7, 3e7, 1e8, 3e8, 1e9] {
      measured.streams.append(
        MeasuredStream(
          kernel: .elementwise, bytes: bytes, seconds: 4e-6 + bytes / 0.7e12, place: place()))
    }
    return measured
  }

  private static func fit(_ measured: Measurements) throws -> Calibrator.Outcome {
    try Calibrator(
      base: Cluster.shipped("l40s-64"), named: "l40s-64", facts: MeasurementFacts()
    ).fit(measured, name: "mine", file: "mine.yaml")
  }

  private static let truth = Result {
    try DeviceModel(
      Cluster.shipped(
        "l40s-64", overrides: ["device.kernels=h100-2048", "device.kernels-scaled=true"]
      ).device)
  }

  /// The file has kernels, of the libraries that were measured alone, and its device is priced by them.
  @Test func aProbeIsEnough() throws {
    let outcome = try Self.fit(Self.probe(Self.truth.get()))
    let device = try DeviceModel(outcome.cluster.device)
    #expect(Array(device.matmuls.keys) == [.bf16] && device.attention.known == [.flash2, .triton])
    for part in outcome.parts { #expect(FittedPart.residual(part.points).mean < 0.08) }
    #expect(outcome.remarks.contains { $0.contains("has no kernels of its own") })
    #expect(outcome.remarks.contains { $0.contains("no products in FP8 were measured") })
  }

  /// FP8 that was measured is there, though what the device borrows for the rest has none.
  @Test func theLenderNeedNotHaveFP8() throws {
    let measured = try Self.probe(Self.truth.get(), [.bf16, .fp8PerTensor])
    let outcome = try Self.fit(measured)
    #expect(try DeviceModel(outcome.cluster.device).matmuls.count == 2)
    let borrowed = ["device.kernels=a100-pcie", "device.kernels-scaled=true"]
    var calibrator = Calibrator(
      base: try Cluster.shipped("l40s-64", overrides: borrowed), named: "l40s-64",
      facts: MeasurementFacts())
    calibrator.kernels = "a100-pcie"
    let other = try calibrator.fit(measured, name: "mine", file: "mine.yaml")
    let part = try #require(other.parts.first { $0.title.contains("fp8") })
    #expect(other.refused.isEmpty && FittedPart.residual(part.points).mean < 0.08)
    #expect(try DeviceModel(other.cluster.device).matmuls[.fp8PerTensor] != nil)
  }

  /// One kind alone is no device; what is missing is named.
  @Test func oneKindIsNotEnough() throws {
    var measured = try Self.probe(Self.truth.get())
    (measured.attention, measured.streams) = ([], [])
    let error = #expect(throws: (any Error).self) { try Self.fit(measured) }
    let rule = error.map { "\($0)" } ?? ""
    #expect(rule.contains("no file measures attention or streaming kernels"), "\(rule)")
  }

  /// A time of which the base has none is found where rows show it.
  @Test func whatTheBaseHasNoneOf() throws {
    let base = try Cluster.shipped("a100-pcie")
    var truth = try DeviceModel(base.device)
    #expect(truth.matmuls[.bf16]?.start == 0)
    truth.matmuls[.bf16]?.start = 15e-6
    let cost = try #require(MatmulCost(truth, library: .bf16))
    var measured = Measurements()
    for m in [128, 512, 2048, 8192] {
      for (n, k) in [(4096, 4096), (7168, 2048), (2112, 7168), (14_336, 4096)] {
        let shape = MatmulShape(m: m, n: n, k: k)
        measured.products.append(
          MeasuredProduct(
            library: .bf16, shape: shape, seconds: cost.cost(shape, clock: .boost).seconds,
            place: MeasuredPlace(file: "gemm.csv", line: measured.products.count + 2)))
      }
    }
    let outcome = try Calibrator(base: base, named: "a100-pcie", facts: MeasurementFacts()).fit(
      measured, name: "mine", file: "mine.yaml")
    let part = try #require(outcome.parts.first)
    #expect(part.constants.contains { $0.path.hasSuffix("bf16.start") })
    #expect(FittedPart.residual(part.held).worst < 0.05, "\(FittedPart.residual(part.held))")
  }
}
