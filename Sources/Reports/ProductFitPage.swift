import Calibration
import Costs
import Foundation

/// A fit of matrix products as a page: constants shipped and fitted, and what the formulas miss by duration.
public struct ProductFitPage {
  private let fit: ProductFit
  private let outcome: ProductFit.Outcome

  public init(_ fit: ProductFit, _ outcome: ProductFit.Outcome) {
    self.fit = fit
    self.outcome = outcome
  }

  /// The page, with a line break at its end.
  public var text: String {
    let figures = ProductFitFigures(fit, outcome)
    var constants = TextTable([.left, .right, .right])
    constants.add([
      "device.kernels.matmul.\(fit.library.rawValue) of \(fit.cluster)", "shipped",
      "fitted again",
    ])
    for constant in figures.constants {
      constants.add([
        constant.key, printed(constant.shipped, constant.unit),
        printed(constant.fittedAgain, constant.unit),
      ])
    }
    var residuals = TextTable([.left, .right, .right, .right, .right])
    residuals.add(["of the shipped", "shapes", "mean", "mean error", "worst"])
    for (name, isFitted) in [("fitted", true), ("predicted", false)] {
      let errors = figures.cells.filter { $0.isFitted == isFitted }.map(\.error)
      residuals.add([
        name, "\(errors.count)", percent(mean(errors.map(abs))),
        percent(mean(errors), signed: true),
        percent(errors.map(abs).max() ?? 0),
      ])
    }
    return constants.text() + "\n" + residuals.text() + "\n" + series(figures)
  }

  /// Errors of predicted shapes by their duration, which would show a trend.
  private func series(_ figures: ProductFitFigures) -> String {
    let bounds = [0, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, .infinity]
    var table = TextTable([.right, .right, .right, .right])
    table.add(["from", "predicted shapes", "mean", "mean error"])
    for (low, high) in zip(bounds, bounds.dropFirst()) {
      let errors = figures.cells.filter {
        !$0.isFitted && $0.measuredSeconds >= low && $0.measuredSeconds < high
      }.map(\.error)
      guard !errors.isEmpty else { continue }
      table.add([
        String(format: "%.3g ms", low * 1e3), "\(errors.count)", percent(mean(errors.map(abs))),
        percent(mean(errors), signed: true),
      ])
    }
    return table.text()
  }

  private func mean(_ values: [Double]) -> Double {
    values.isEmpty ? 0 : values.reduce(0, +) / Double(values.count)
  }

  private func percent(_ value: Double, signed: Bool = false) -> String {
    String(format: signed ? "%+.1f %%" : "%.1f %%", value * 100)
  }

  private func printed(_ value: Double, _ unit: String) -> String {
    switch unit {
    case "seconds": String(format: "%.3g us", value * 1e6)
    case "bytes_per_second": String(format: "%.3g TB/s", value / 1e12)
    default: String(format: "%.3g", value)
    }
  }
}

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

    var error: Double { predictedSeconds / measuredSeconds - 1 }
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
