import Calibration

/// Energies of a device as they ship and as its sustained loads give them.
public struct PowerFitFigures: Encodable, Sendable {
  public var inputs = Inputs()
  public var measurements: String
  public var cluster: String
  public var constants: [CollectiveFitFigures.Constant]

  public init(_ fit: PowerFit, _ constants: [PowerFit.Constant]) {
    measurements = fit.measurements
    cluster = fit.cluster
    self.constants = constants.map {
      CollectiveFitFigures.Constant(
        key: $0.key, unit: $0.key == "idle" ? "watts" : "joules", shipped: $0.shipped,
        fittedAgain: $0.fitted)
    }
  }
}
