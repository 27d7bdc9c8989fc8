import Calibration
import Costs

/// The fit of attention kernels as data: `calibrate --json`.
public struct AttentionFitFigures: Encodable, Sendable {
  /// A measured kernel beside what the shipped constants say.
  public struct Cell: Encodable, Sendable {
    public var library: String
    public var pass: String
    public var isCausal: Bool
    public var heads: Int
    public var length: Int
    public var queryWidth: Int
    public var valueWidth: Int
    public var measuredSeconds: Double
    public var predictedSeconds: Double
    /// Whether constants were fitted to it.
    public var isFitted: Bool
  }

  public var inputs = Inputs()
  public var measurements: String
  public var cluster: String
  public var constants: [CollectiveFitFigures.Constant] = []
  public var cells: [Cell] = []

  public init(_ fit: AttentionFit, _ outcomes: [AttentionFit.Outcome]) {
    (measurements, cluster) = (fit.measurements, fit.cluster)
    for outcome in outcomes {
      let library = outcome.part.library.rawValue
      for parameter in outcome.part.parameters {
        constants.append(
          CollectiveFitFigures.Constant(
            key: "\(library).width-\(outcome.part.width).\(parameter.name)",
            unit: parameter.name.hasSuffix("share") ? "share" : "keys",
            shipped: outcome.shipped[keyPath: parameter.path],
            fittedAgain: outcome.fitted[keyPath: parameter.path]))
      }
      for (all, isFitted) in [(outcome.cells.fitted, true), (outcome.cells.predicted, false)] {
        for cell in all {
          cells.append(
            Cell(
              library: library, pass: cell.pass.rawValue, isCausal: cell.shape.causal,
              heads: cell.shape.heads, length: cell.shape.queries,
              queryWidth: cell.shape.queryDimension, valueWidth: cell.shape.valueDimension,
              measuredSeconds: cell.measuredSeconds,
              predictedSeconds: outcome.predictedSeconds(cell), isFitted: isFitted))
        }
      }
    }
  }
}
