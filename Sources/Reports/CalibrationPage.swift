import Calibration
import Clusters
import Quantities

/// A cluster calibrated from benchmark outputs, as a page: constants, how well they predict, what is left.
public struct CalibrationPage {
  private let figures: CalibrationFigures

  public init(_ figures: CalibrationFigures) { self.figures = figures }

  /// The page, with a line break at its end.
  public var text: String {
    var sections: [String] = [heading]
    sections += figures.traces.map(trace)
    sections += figures.parts.map(part)
    if !figures.values.isEmpty { sections.append(values) }
    if !figures.refused.isEmpty {
      sections.append(
        "Not fitted\n" + figures.refused.map { line("\($0.what): \($0.reason)") }.joined())
    }
    if !figures.remarks.isEmpty {
      sections.append("Of the files\n" + figures.remarks.map(line).joined())
    }
    return sections.joined(separator: "\n")
  }

  private func line(_ text: String) -> String {
    var table = TextTable([.left, .left])
    table.add("-", text)
    return table.text(width: 100)
  }

  private var heading: String {
    var table = TextTable([.left, .left])
    for file in figures.files { table.add(file.path, file.format) }
    return "What is measured, on top of \(figures.base)\n" + table.text()
  }

  private func part(_ part: CalibrationFigures.Part) -> String {
    var constants = TextTable([.left, .right, .right])
    constants.add(part.title, "base", "measured")
    for constant in part.constants {
      constants.add(
        constant.key, constant.base ?? "-",
        (constant.value ?? "none") + (constant.isAssumed ? " *" : ""))
    }
    let text =
      constants.text() + "\n" + residuals(part) + "\n"
      + line("extrapolated: \(part.extrapolated)")
    guard !part.undetermined.isEmpty else { return text }
    return text
      + line(
        "as in \(figures.base), not decided by these rows: "
          + "\(part.undetermined.joined(separator: ", "))"
      )
  }

  /// Rows of each series: how many, which sizes, how far off; and the worst one.
  private func residuals(_ part: CalibrationFigures.Part) -> String {
    var table = TextTable([.left, .left, .right, .right, .right, .right])
    table.add("predicted by the written file", "", "rows", "mean error", "bias", "worst")
    var names: [String] = []
    for point in part.points where !names.contains(point.series) { names.append(point.series) }
    for name in names {
      for isFitted in [true, false] {
        let own = part.points.filter { $0.series == name && $0.isFitted == isFitted }
        guard !own.isEmpty else { continue }
        let errors = own.map { $0.predictedSeconds / $0.measuredSeconds - 1 }
        let count = Double(errors.count)
        table.add(
          name, isFitted ? "fitted" : "predicted", "\(own.count)",
          percent(errors.map(abs).reduce(0, +) / count), percent(errors.reduce(0, +) / count),
          percent(errors.max { abs($0) < abs($1) } ?? 0))
      }
    }
    let held = part.points.filter { !$0.isFitted }
    let worst = held.max {
      abs($0.predictedSeconds / $0.measuredSeconds - 1)
        < abs($1.predictedSeconds / $1.measuredSeconds - 1)
    }
    guard let worst else { return table.text() }
    return table.text() + "\n"
      + line(
        "rows that no constant saw: \(percent(part.meanError)) off on average; the worst, "
          + "\(worst.file):\(worst.line), "
          + "took \(threeFigures(worst.measuredSeconds * 1e6)) us and is put at "
          + "\(threeFigures(worst.predictedSeconds * 1e6)) us")
  }

  private var values: String {
    var table = TextTable([.left, .right, .right, .left])
    table.add("measured as they are", "base", "measured", "")
    for value in figures.values {
      table.add(value.key, value.base ?? "-", value.value ?? "none", value.source)
    }
    return table.text(width: 100)
  }

  private func trace(_ trace: CalibrationFigures.Trace) -> String {
    var table = TextTable([.left, .right, .right, .right])
    table.add("\(trace.file)\(trace.device.map { ", \($0)" } ?? "")", "kernels", "ms", "share")
    let all = trace.kernels.reduce(0) { $0 + $1.seconds }
    for kernels in trace.kernels {
      table.add(
        kernels.name, "\(kernels.count)", threeFigures(kernels.seconds * 1e3),
        percent(all > 0 ? kernels.seconds / all : 0))
    }
    let parts = [
      ("computing", trace.computingSeconds), ("messages under way", trace.communicatingSeconds),
      ("of these exposed", trace.exposedSeconds), ("first to last kernel", trace.seconds),
    ]
    for (name, seconds) in parts {
      table.add(
        name, "", threeFigures(seconds * 1e3),
        percent(trace.seconds > 0 ? seconds / trace.seconds : 0))
    }
    return table.text()
  }
}
