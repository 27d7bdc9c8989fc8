import Calibration
import Costs
import Foundation

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

    var error: Double { predictedSeconds / measuredSeconds - 1 }
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

  /// The page: constants shipped and fitted, and what the formulas miss by library and by length.
  public var page: String {
    var table = TextTable([.left, .right, .right])
    table.add(["device.kernels.attention of \(cluster)", "shipped", "fitted again"])
    for constant in constants {
      table.add([
        constant.key, String(format: "%.3g", constant.shipped),
        String(format: "%.3g", constant.fittedAgain),
      ])
    }
    let libraries = cells.map(\.library)
    let names = libraries.enumerated().filter { libraries.firstIndex(of: $1) == $0 }.map(\.element)
    let lengths = Set(cells.map(\.length)).sorted()
    return table.text() + "\n"
      + errors("predicted kernels of", names) { $0.library } + "\n"
      + errors("of a length of", lengths.map(String.init)) { "\($0.length)" }
  }

  private func errors(_ title: String, _ names: [String], _ key: (Cell) -> String) -> String {
    var table = TextTable([.left, .right, .right, .right, .right])
    table.add([title, "kernels", "mean", "mean error", "worst"])
    for name in names {
      let errors = cells.filter { !$0.isFitted && key($0) == name }.map(\.error)
      guard !errors.isEmpty else { continue }
      let count = Double(errors.count)
      table.add([
        name, "\(errors.count)", percent(errors.map(abs).reduce(0, +) / count),
        percent(errors.reduce(0, +) / count, signed: true), percent(errors.map(abs).max() ?? 0),
      ])
    }
    return table.text()
  }

  private func percent(_ value: Double, signed: Bool = false) -> String {
    String(format: signed ? "%+.1f %%" : "%.1f %%", value * 100)
  }
}
