import Calibration
import Foundation

/// Rates of streaming kernels as they ship and as measured kernels give them: `calibrate --json`.
public struct StreamFitFigures: Encodable, Sendable {
  /// A measured kernel beside what the shipped constants say.
  public struct Cell: Encodable, Sendable {
    public var name: String
    public var kernel: String
    public var bytes: Double
    public var measuredSeconds: Double
    public var predictedSeconds: Double
    /// Whether constants were fitted to it.
    public var isFitted: Bool
  }

  public var inputs = Inputs()
  public var measurements: String
  public var cluster: String
  public var constants: [CollectiveFitFigures.Constant]
  public var cells: [Cell] = []

  public init(_ fit: StreamFit, _ outcome: StreamFit.Outcome) {
    (measurements, cluster) = (fit.measurements, fit.cluster)
    constants = outcome.constants.map {
      CollectiveFitFigures.Constant(
        key: $0.key, unit: "bytes per second", shipped: $0.shipped, fittedAgain: $0.fitted)
    }
    for (all, isFitted) in [(outcome.cells.fitted, true), (outcome.cells.predicted, false)] {
      cells += all.map {
        Cell(
          name: $0.name, kernel: $0.kernel.rawValue, bytes: $0.bytes,
          measuredSeconds: $0.measuredSeconds, predictedSeconds: outcome.predictedSeconds($0),
          isFitted: isFitted)
      }
    }
  }
}
