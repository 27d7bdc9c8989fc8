import Calibration
import Costs

/// A fit of matrix products as data: `calibrate --json`.
public struct ProductFitFigures: Encodable, Sendable {
  /// A measured product beside what the shipped constants say.
  public struct Cell: Encodable, Sendable {
    public var m: Int
    public var n: Int
    public var k: Int
    /// Which product of a linear layer it is (m, n and k are those of the product itself): `forward`, `input-gradient` or `weight-gradient`.
    public var pass: String
    /// Whether it adds to sums in 32 bits.
    public var accumulates: Bool
    public var measuredSeconds: Double
    public var predictedSeconds: Double
    /// Whether constants were fitted to it.
    public var isFitted: Bool
  }

  public var inputs = Inputs()
  public var measurements: String
  public var cluster: String
  public var constants: [CollectiveFitFigures.Constant]
  public var cells: [Cell]

  public init(_ fit: ProductFit, _ outcome: ProductFit.Outcome) {
    measurements = fit.measurements
    cluster = fit.cluster
    constants = fit.parameters.map {
      CollectiveFitFigures.Constant(
        key: $0.name, unit: $0.unit.rawValue, shipped: $0(outcome.shipped),
        fittedAgain: $0(outcome.fitted))
    }
    func cells(_ all: [ProductCell], isFitted: Bool) -> [Cell] {
      all.map {
        Cell(
          m: $0.shape.rows[0], n: $0.shape.columns, k: $0.shape.depth,
          pass: Self.word($0.shape.pass), accumulates: $0.shape.accumulates,
          measuredSeconds: $0.measuredSeconds, predictedSeconds: outcome.predictedSeconds($0),
          isFitted: isFitted)
      }
    }
    self.cells =
      cells(outcome.cells.fitted, isFitted: true)
      + cells(outcome.cells.predicted, isFitted: false)
  }

  private static func word(_ pass: MatmulPass) -> String {
    switch pass {
    case .forward: "forward"
    case .backwardInput: "input-gradient"
    case .backwardWeight: "weight-gradient"
    }
  }
}
