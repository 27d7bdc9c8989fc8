import Calibration
import Clusters
import Costs
import Testing

/// Energies come from loads that went on for seconds under the cap.
@Suite struct PowerFitTests {
  @Test(arguments: PowerFit.all.map(\.measurements)) func constantsAreThoseOfTheFit(name: String)
    throws
  {
    let fit = try #require(PowerFit.all.first { $0.measurements == name })
    let constants = try fit.run()
    #expect(constants.map(\.key) == ["idle", "fp8", "bf16", "attention", "byte"])
    for constant in constants {
      #expect(
        abs(constant.shipped / constant.fitted - 1) < 0.01,
        "\(constant.key): \(constant.shipped), not \(constant.fitted)")
    }
  }

  /// Put into the model that steps use, the energies draw the cap at the measured rate of each load.
  ///
  /// Two H100s and an H200 over four seconds (benchmarks/probe), whose loads of one format lie 2.6 % apart. A fit by another power of the clock than the model's would not.
  @Test(arguments: [
    ("h100-2048", MatmulPrecision.bf16, 1_419.744e-6, 1_603.588e-6),
    ("h100-2048", .bf16, 1_456.547e-6, 1_626.354e-6),
    ("h100-2048", .fp8, 758.918e-6, 851.545e-6), ("h100-2048", .fp8, 766.121e-6, 866.351e-6),
    ("h200-256", .bf16, 1_382.445e-6, 1_646.777e-6), ("h200-256", .fp8, 726.881e-6, 877.598e-6),
  ])
  func energiesDrawTheCap(
    cluster: String, precision: MatmulPrecision, burst: Double, sustained: Double
  ) throws {
    let power = try #require(PowerModel(Cluster.shipped(cluster).device))
    let (edge, bytes) = (8192.0, precision == .bf16 ? 6.0 : 4.0)
    let work = power.work(flops: 2 * edge * edge * edge, precision, bytes: bytes * edge * edge)
    let watts = power.watts(work, seconds: sustained, clock: power.boost * burst / sustained)
    #expect(abs(watts / 700 - 1) < 0.025, "\(watts)")
    let clock = power.clock(work) { burst * power.boost / $0 }
    #expect(abs(burst * power.boost / clock / sustained - 1) < 0.01)
  }
}
