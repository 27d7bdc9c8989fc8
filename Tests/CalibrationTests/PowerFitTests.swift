import Calibration
import Clusters
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
}
