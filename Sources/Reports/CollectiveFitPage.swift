import Calibration
import Costs
import Foundation

/// A fit of collectives as a page: constants shipped and fitted, and what the formulas miss.
public struct CollectiveFitPage {
  private let fit: ShippedFit
  private let outcome: ShippedFit.Outcome

  public init(_ fit: ShippedFit, _ outcome: ShippedFit.Outcome) {
    self.fit = fit
    self.outcome = outcome
  }

  /// The page, with a line break at its end.
  public var text: String {
    var constants = TextTable([.left, .right, .right])
    constants.add(["node.collectives of \(fit.cluster)", "shipped", "fitted again"])
    for parameter in outcome.parameters {
      constants.add([
        parameter.name, printed(parameter(outcome.shipped), parameter.unit),
        printed(parameter(outcome.fitted), parameter.unit),
      ])
    }
    let page = constants.text() + "\n" + residuals
    if outcome.cells.predicted.isEmpty { return page }
    return page + "\n" + series("ranks") { "\($0.ranks)" } + "\n"
      + series("bytes") { decade($0.bytes) }
  }

  private var residuals: String {
    var table = TextTable([.left, .right, .right, .right, .right, .right])
    table.add(["of the shipped", "cells", "mean", "mean error", "over 25 %", "from 64 MiB"])
    for (name, cells) in [
      ("fitted", outcome.cells.fitted), ("predicted", outcome.cells.predicted),
    ] where !cells.isEmpty {
      let errors = cells.map(error)
      let large = cells.filter { $0.bytes >= Double(64 << 20) }.map { abs(error($0)) }
      table.add([
        name, "\(cells.count)", percent(mean(errors.map(abs))), percent(mean(errors), signed: true),
        "\(errors.count { abs($0) > 0.25 })", large.isEmpty ? "-" : percent(mean(large)),
      ])
    }
    return table.text()
  }

  /// The signed mean of the errors of predicted cells by something, which would show a trend.
  private func series(_ name: String, _ key: (CollectiveCell) -> String) -> String {
    var table = TextTable([.right, .right, .right])
    table.add([name, "predicted cells", "mean error"])
    var names: [String] = []
    for cell in outcome.cells.predicted.sorted(by: { ($0.ranks, $0.bytes) < ($1.ranks, $1.bytes) })
    where !names.contains(key(cell)) {
      names.append(key(cell))
    }
    for name in names.sorted(by: { $0.count == $1.count ? $0 < $1 : $0.count < $1.count }) {
      let errors = outcome.cells.predicted.filter { key($0) == name }.map(error)
      table.add([name, "\(errors.count)", percent(mean(errors), signed: true)])
    }
    return table.text()
  }

  private func decade(_ bytes: Double) -> String {
    "1e\(Int(log10(max(bytes, 1))))"
  }

  private func error(_ cell: CollectiveCell) -> Double {
    cell.predictedSeconds(outcome.shipped) / cell.measuredSeconds - 1
  }

  private func mean(_ values: [Double]) -> Double {
    values.isEmpty ? 0 : values.reduce(0, +) / Double(values.count)
  }

  private func percent(_ value: Double, signed: Bool = false) -> String {
    String(format: signed ? "%+.1f %%" : "%.1f %%", value * 100)
  }

  private func printed(_ value: Double, _ unit: CollectiveFit.Parameter.Unit) -> String {
    switch unit {
    case .seconds: String(format: "%.3g us", value * 1e6)
    case .bytes: String(format: "%.0f KiB", value / 1024)
    case .rate: String(format: "%.3g GB/s", value / 1e9)
    case .share, .cycles, .exponent, .multiple: String(format: "%.3g", value)
    }
  }
}
