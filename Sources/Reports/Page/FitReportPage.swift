import Foundation
import Quantities

/// A fit of constants to component measurements, as its page needs it.
public protocol FitFigures: Encodable {
  var measurements: String { get }
  var cluster: String { get }
  var constants: [CollectiveFitFigures.Constant] { get }
  /// Measured against predicted, empty where a fit has no such cells.
  var fitPoints: [FitPoint] { get }
}

/// A measured duration beside what the shipped constants say.
public struct FitPoint: Sendable {
  public var name: String
  /// What series of measurements it belongs to.
  public var series: String
  public var measuredSeconds: Double
  public var predictedSeconds: Double
  public var isFitted: Bool

  /// An empty name of the series is that of all.
  public init(
    _ name: String, series: String, measured: Double, predicted: Double, isFitted: Bool
  ) {
    (self.name, self.series) = (name, series)
    (measuredSeconds, predictedSeconds, self.isFitted) = (measured, predicted, isFitted)
  }

  var error: Double { predictedSeconds / measuredSeconds - 1 }
}

extension CollectiveFitFigures: FitFigures {
  public var fitPoints: [FitPoint] {
    cells.map {
      FitPoint(
        "\($0.collective) of \(ByteCount(Int($0.bytes))) on \($0.ranks) ranks of \($0.nodes) nodes",
        series: $0.collective, measured: $0.measuredSeconds, predicted: $0.predictedSeconds,
        isFitted: $0.isFitted)
    }
  }
}

extension ProductFitFigures: FitFigures {
  public var fitPoints: [FitPoint] {
    cells.map {
      FitPoint(
        "\($0.m) x \($0.n) x \($0.k), \($0.pass)\($0.accumulates ? ", adding" : "")",
        series: $0.pass, measured: $0.measuredSeconds, predicted: $0.predictedSeconds,
        isFitted: $0.isFitted)
    }
  }
}

extension AttentionFitFigures: FitFigures {
  public var fitPoints: [FitPoint] {
    cells.map {
      FitPoint(
        "\($0.library) \($0.pass), \($0.heads) heads of \($0.queryWidth)/\($0.valueWidth), \($0.length) keys"
          + ($0.isCausal ? ", causal" : ""), series: $0.library, measured: $0.measuredSeconds,
        predicted: $0.predictedSeconds, isFitted: $0.isFitted)
    }
  }
}

extension PowerFitFigures: FitFigures {
  public var fitPoints: [FitPoint] { [] }
}

extension ReportPage {
  /// The most rows of measured cells.
  private static let mostCells = 2000

  /// A fit of constants beside its points.
  public init(fit figures: some FitFigures) throws {
    let points = figures.fitPoints.filter { $0.measuredSeconds > 0 && $0.predictedSeconds > 0 }
    let predicted = points.filter { !$0.isFitted }
    let errors = predicted.map { abs($0.error) }
    let mean = errors.isEmpty ? nil : errors.reduce(0, +) / Double(errors.count)
    let moved = figures.constants.map { $0.shipped == 0 ? 0 : abs($0.fittedAgain / $0.shipped - 1) }
    let constants = counted(figures.constants.count, "constant")
    try self.init(
      "calibrate",
      verdict: "\(constants) of \(figures.cluster) fitted to \(figures.measurements)"
        + (mean.map {
          ": they predict \(counted(predicted.count, "measurement")) within \(percent($0)) in the mean."
        } ?? "."), figures: figures)
    remarks = [
      "Fitted again, the constants move by \(percent(moved.max() ?? 0)) at most from those that ship."
    ]
    inputs = [
      .init("Measurements", figures.measurements), .init("Cluster", figures.cluster),
      .init("Points", "\(points.count - predicted.count) fitted, \(predicted.count) predicted"),
    ]
    sections = [
      Section(
        "Constants", lead: "In SI units, as they ship and as these measurements give them.",
        [.table(Self.constantTable(figures.constants))])
    ]
    guard !points.isEmpty else { return }
    sections.append(
      Section(
        "Against the points",
        lead:
          "On the line a prediction is what was measured; the others lie 25 % beside it. Pale points "
          + "were fitted, full ones only predicted.", Self.blocks(against: points)))
  }

  /// Measured durations beside predicted ones: as pictures, and as a table with the worst first.
  static func blocks(against all: [FitPoint]) -> [ReportBlock] {
    let points = all.filter { $0.measuredSeconds > 0 && $0.predictedSeconds > 0 }
    guard !points.isEmpty else { return [] }
    var table = ReportTable(
      "Measured and predicted",
      [
        .init("what", isText: true), .init("series", isText: true), .init("measured, µs"),
        .init("predicted, µs"), .init("error"), .init("used", isText: true),
      ])
    let worst = points.sorted { abs($0.error) > abs($1.error) }.prefix(Self.mostCells)
    for point in worst {
      table.add([
        ReportFigure(point.name), ReportFigure(point.series),
        ReportFigure(threeFigures(point.measuredSeconds * 1e6), point.measuredSeconds),
        ReportFigure(threeFigures(point.predictedSeconds * 1e6), point.predictedSeconds),
        ReportFigure(signedPercent(point.error), point.error),
        ReportFigure(point.isFitted ? "fitted" : "predicted"),
      ])
    }
    table.shown = 25
    if points.count > worst.count {
      table.note = "The \(grouped(worst.count)) worst of \(grouped(points.count)); --json has all."
    }
    return [.picture(scatter(points)), .picture(errorPlot(points)), .table(table)]
  }

  private static func constantTable(_ constants: [CollectiveFitFigures.Constant]) -> ReportTable {
    var table = ReportTable(
      "Constants",
      [
        .init("constant", isText: true), .init("unit", isText: true), .init("shipped"),
        .init("fitted again"), .init("difference"),
      ])
    for (index, constant) in constants.enumerated() {
      func cell(_ value: Double, _ key: String) -> ReportFigure {
        ReportFigure(String(format: "%.4g", value), value, key: "constants.\(index).\(key)")
      }
      let difference = constant.shipped == 0 ? nil : constant.fittedAgain / constant.shipped - 1
      table.add([
        ReportFigure(constant.key), ReportFigure(constant.unit), cell(constant.shipped, "shipped"),
        cell(constant.fittedAgain, "fitted_again"),
        difference.map { ReportFigure(signedPercent($0), $0) } ?? ReportFigure("–"),
      ])
    }
    return table
  }

  /// Points by series; those that were fitted hollow.
  private static func series(
    _ points: [FitPoint], _ place: (FitPoint) -> (Double, Double)
  ) -> [PlotPicture.Series] {
    var names: [String] = []
    for point in points where !names.contains(point.series) { names.append(point.series) }
    return names.prefix(PageTone.seriesCount).enumerated().flatMap { index, name in
      [false, true].compactMap { isFitted -> PlotPicture.Series? in
        let own = points.filter { $0.series == name && $0.isFitted == isFitted }
        guard !own.isEmpty else { return nil }
        return .init(
          name + (isFitted ? ", fitted" : ""), isFitted ? .rings : .points, .series(index),
          own.map { point in
            let (x, y) = place(point)
            return .init(
              x, y,
              "\(point.name)\nmeasured \(LanePicture.time(point.measuredSeconds)), predicted "
                + "\(LanePicture.time(point.predictedSeconds)): \(signedPercent(point.error))")
          })
      }
    }
  }

  /// Of many points so many that the page stays light, evenly over their durations.
  private static func thinned(_ points: [FitPoint]) -> [FitPoint] {
    let sorted = points.sorted { $0.measuredSeconds < $1.measuredSeconds }
    return StepLanes.spread(sorted.count, most: 900).map { sorted[$0] }
  }

  private static func range(_ points: [FitPoint]) -> ClosedRange<Double> {
    let values = points.flatMap { [$0.measuredSeconds, $0.predictedSeconds] }
    return (values.min() ?? 1e-6) / 1.3...(values.max() ?? 1) * 1.3
  }

  private static func scatter(_ points: [FitPoint]) -> PlotPicture {
    let range = range(points)
    let (low, high) = (range.lowerBound, range.upperBound)
    func scale(_ title: String) -> PlotPicture.Scale {
      .init(title, range, isLogarithmic: true, text: { LanePicture.time($0) })
    }
    var plot = PlotPicture(
      "Predicted over measured", description: "\(points.count) measurements with their predictions",
      x: scale("measured"), y: scale("predicted"),
      series: series(thinned(points)) { ($0.measuredSeconds, $0.predictedSeconds) })
    plot.guides = [
      ((low, low), (high, high)), ((low, low * 1.25), (high / 1.25, high)),
      ((low * 1.25, low), (high, high / 1.25)),
    ]
    plot.height = 420
    return plot
  }

  private static func errorPlot(_ points: [FitPoint]) -> PlotPicture {
    let largest = min(1, max(0.1, points.map { abs($0.error) }.max() ?? 0.1))
    var plot = PlotPicture(
      "Errors with their signs, over the duration",
      description: "Errors of \(points.count) predictions over what was measured",
      x: .init("measured", range(points), isLogarithmic: true, text: { LanePicture.time($0) }),
      y: .init("", -largest...largest, text: { signedPercent($0, decimals: 0) }),
      series: series(thinned(points)) {
        ($0.measuredSeconds, min(largest, max(-largest, $0.error)))
      })
    let range = range(points)
    plot.guides = [((range.lowerBound, 0), (range.upperBound, 0))]
    plot.height = 220
    return plot
  }
}
