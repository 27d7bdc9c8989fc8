import Calibration
import Costs

/// A fit of collectives as data: `calibrate --json`.
public struct CollectiveFitFigures: Encodable, Sendable {
  /// A constant of `node.collectives`, in SI units.
  public struct Constant: Encodable, Sendable {
    public var key: String
    public var unit: String
    public var shipped: Double
    public var fittedAgain: Double
  }

  /// A measured collective beside what the shipped constants say.
  public struct Cell: Encodable, Sendable {
    public var collective: String
    public var nodes: Int
    public var ranks: Int
    public var bytes: Double
    public var measuredSeconds: Double
    public var predictedSeconds: Double
    /// Whether constants were fitted to it.
    public var isFitted: Bool
  }

  public var inputs = Inputs()
  public var measurements: String
  public var cluster: String
  public var constants: [Constant]
  public var cells: [Cell]

  public init(_ fit: ShippedFit, _ outcome: ShippedFit.Outcome) {
    measurements = fit.machine
    cluster = fit.cluster
    constants = outcome.parameters.map {
      Constant(
        key: $0.name, unit: $0.unit.rawValue, shipped: $0(outcome.shipped),
        fittedAgain: $0(outcome.fitted))
    }
    func cells(_ all: [CollectiveCell], isFitted: Bool) -> [Cell] {
      all.map {
        Cell(
          collective: $0.kind.rawValue, nodes: $0.nodes, ranks: $0.ranks, bytes: $0.bytes,
          measuredSeconds: $0.measuredSeconds,
          predictedSeconds: $0.predictedSeconds(outcome.shipped), isFitted: isFitted)
      }
    }
    self.cells =
      cells(outcome.cells.fitted, isFitted: true)
      + cells(outcome.cells.predicted, isFitted: false)
  }
}
