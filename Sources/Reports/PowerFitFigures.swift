import Calibration
import Foundation

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

  /// The page, with a line break at its end.
  public var page: String {
    var table = TextTable([.left, .right, .right])
    table.add(["device.energy of \(cluster)", "shipped", "fitted again"])
    for constant in constants {
      func printed(_ value: Double) -> String {
        constant.unit == "watts"
          ? String(format: "%.0f W", value) : String(format: "%.4g pJ", value * 1e12)
      }
      table.add([constant.key, printed(constant.shipped), printed(constant.fittedAgain)])
    }
    return table.text()
  }
}
