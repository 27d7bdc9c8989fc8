import Foundation
import Quantities

/// A fit of constants to component measurements, as its page needs it.
public protocol FitFigures: Encodable {
  var measurements: String { get }
  var cluster: String { get }
  /// Under which key of the cluster's file the constants are.
  var place: String { get }
  var constants: [CollectiveFitFigures.Constant] { get }
  /// Measured against predicted, empty where a fit has no such cells.
  var fitPoints: [FitPoint] { get }
  /// By what errors may have a trend: for each of `fitPoints` the group to which it belongs.
  var groups: [(title: String, names: [String])] { get }
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
  public var place: String { "node.collectives" }
  public var groups: [(title: String, names: [String])] {
    [
      ("predicted, ranks", cells.map { "\($0.ranks)" }),
      ("predicted, bytes from", cells.map { "1e\(Int(log10(max($0.bytes, 1))))" }),
    ]
  }
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
  public var place: String { "device.kernels.matmul" }
  public var groups: [(title: String, names: [String])] {
    let bounds = [0, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1]
    let names = cells.map { cell in
      String(format: "%.3g", (bounds.last { $0 <= cell.measuredSeconds } ?? 0) * 1e3)
    }
    return [("predicted, ms from", names)]
  }
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
  public var place: String { "device.kernels.attention" }
  public var groups: [(title: String, names: [String])] {
    [
      ("predicted, library", cells.map(\.library)),
      ("predicted, length", cells.map { "\($0.length)" }),
    ]
  }
  public var fitPoints: [FitPoint] {
    cells.map {
      FitPoint(
        "\($0.library) \($0.pass), \($0.heads) heads of \($0.queryWidth)/\($0.valueWidth), \($0.length) keys"
          + ($0.isCausal ? ", causal" : ""), series: $0.library, measured: $0.measuredSeconds,
        predicted: $0.predictedSeconds, isFitted: $0.isFitted)
    }
  }
}

extension StreamFitFigures: FitFigures {
  public var place: String { "device.kernels" }
  public var groups: [(title: String, names: [String])] {
    [("predicted, kernels", cells.map(\.kernel))]
  }
  public var fitPoints: [FitPoint] {
    cells.map {
      FitPoint(
        $0.name, series: $0.kernel, measured: $0.measuredSeconds, predicted: $0.predictedSeconds,
        isFitted: $0.isFitted)
    }
  }
}

extension PowerFitFigures: FitFigures {
  public var place: String { "device.energy" }
  public var groups: [(title: String, names: [String])] { [] }
  public var fitPoints: [FitPoint] { [] }
}

extension ReportPage {
  /// The most rows of measured cells.
  private static let mostCells = 2000

  /// A fit of constants beside its points.
  public init(fit figures: some FitFigures) throws {
    let all = figures.fitPoints
    let points = all.filter { $0.measuredSeconds > 0 && $0.predictedSeconds > 0 }
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
        "Constants", lead: "As they ship and as these measurements give them.",
        [
          .table(
            Self.constantTable("\(figures.place) of \(figures.cluster)", figures.constants))
        ])
    ]
    guard !points.isEmpty else { return }
    sections.append(
      Section(
        "Against the points",
        lead:
          "On the line a prediction is what was measured; the others lie 25 % beside it. Pale points "
          + "were fitted, full ones only predicted.",
        [.table(Self.residuals("of the shipped", points) { _ in "" })]
          + figures.groups.map { title, names in
            .table(Self.trend(title, zip(names, all).filter { !$1.isFitted }.map { ($0, $1) }))
          } + Self.blocks(against: points)))
  }

  /// Errors by series, fitted and predicted points apart.
  static func residuals(
    _ title: String, _ points: [FitPoint], by series: (FitPoint) -> String
  ) -> ReportTable {
    var table = ReportTable(title, [.init("points", isText: true)] + errorColumns)
    var names: [String] = []
    for point in points where !names.contains(series(point)) { names.append(series(point)) }
    for name in names {
      for isFitted in [true, false] {
        let own = points.filter { series($0) == name && $0.isFitted == isFitted }
        guard !own.isEmpty else { continue }
        let word = isFitted ? "fitted" : "predicted"
        table.add([ReportFigure(name.isEmpty ? word : "\(name), \(word)")] + cells(of: own))
      }
    }
    return table
  }

  /// Errors of points by the group to which they belong, numbers in their order.
  private static func trend(_ title: String, _ points: [(name: String, point: FitPoint)])
    -> ReportTable
  {
    var table = ReportTable(title, [.init("group", isText: true)] + errorColumns)
    var names: [String] = []
    for (name, _) in points where !names.contains(name) { names.append(name) }
    if names.allSatisfy({ Double($0) != nil }) {
      names.sort { (Double($0) ?? 0) < (Double($1) ?? 0) }
    }
    for name in names {
      table.add([ReportFigure(name)] + cells(of: points.filter { $0.name == name }.map(\.point)))
    }
    return table
  }

  private static let errorColumns: [ReportTable.Column] = [
    .init("count"), .init("mean size"), .init("mean error"), .init("over 25 %"), .init("worst"),
  ]

  private static func cells(of points: [FitPoint]) -> [ReportFigure] {
    let errors = points.map(\.error)
    let count = Double(max(1, errors.count))
    let (size, mean) = (errors.map(abs).reduce(0, +) / count, errors.reduce(0, +) / count)
    let worst = errors.max { abs($0) < abs($1) } ?? 0
    return [
      .count(errors.count), .share(size), ReportFigure(signedPercent(mean), mean),
      .count(errors.count { abs($0) > 0.25 }), ReportFigure(signedPercent(worst), worst),
    ]
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
    table.isAside = true
    if points.count > worst.count {
      table.note = "The \(grouped(worst.count)) worst of \(grouped(points.count)); --json has all."
    }
    return [.picture(scatter(points)), .picture(errorPlot(points)), .table(table)]
  }

  private static func constantTable(
    _ title: String, _ constants: [CollectiveFitFigures.Constant]
  ) -> ReportTable {
    var table = ReportTable(
      title,
      [
        .init("constant", isText: true), .init("shipped"), .init("fitted again"),
        .init("difference"),
      ])
    for (index, constant) in constants.enumerated() {
      func cell(_ value: Double, _ key: String) -> ReportFigure {
        ReportFigure(printed(value, constant.unit), value, key: "constants.\(index).\(key)")
      }
      let difference = constant.shipped == 0 ? nil : constant.fittedAgain / constant.shipped - 1
      table.add([
        ReportFigure(constant.key), cell(constant.shipped, "shipped"),
        cell(constant.fittedAgain, "fitted_again"),
        difference.map { ReportFigure(signedPercent($0), $0) } ?? ReportFigure("–"),
      ])
    }
    return table
  }

  /// A constant in the unit that people use for its size.
  private static func printed(_ value: Double, _ unit: String) -> String {
    switch unit {
    case "seconds": String(format: "%.3g us", value * 1e6)
    case "bytes": String(format: "%.0f KiB", value / 1024)
    case "bytes_per_second" where value >= 1e12: String(format: "%.3g TB/s", value / 1e12)
    case "bytes_per_second": String(format: "%.3g GB/s", value / 1e9)
    case "watts": String(format: "%.0f W", value)
    case "joules": String(format: "%.4g pJ", value * 1e12)
    default: String(format: "%.3g", value)
    }
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
