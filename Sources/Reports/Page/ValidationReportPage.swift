import Foundation
import Quantities
import Validation

extension ReportPage {
  /// What was published, beside what is computed for it.
  public init(validation report: ValidationReport) throws {
    try self.init("validate", verdict: report.verdict, figures: report)
    remarks = [report.remark]
    inputs = [.init("Parts", report.parts.joined(separator: ", "))]
    for override in report.overrides {
      inputs.append(.init("Set", "\(override.text), acting on \(counted(override.uses, "run"))"))
    }
    let tables = report.tables.enumerated().filter { !$0.element.rows.isEmpty }
    sections = [
      Section(
        "Errors of every table",
        lead:
          "A point for every published figure, right of the middle where the prediction is too large. "
          + "Pale points are of tables whose constants were fitted to them.",
        [.picture(report.strip), .table(report.tableOfTables)]),
      Section(
        "Predicted against published",
        lead: "On the line a prediction is what was published; the others lie 10 % beside it.",
        [
          .choice(
            ReportChoice(
              "Table",
              tables.map { index, table in
                (name: table.title, blocks: table.blocks(key: "tables.\(index)"))
              }))
        ]),
    ]
    if !report.correlations.isEmpty {
      sections.append(
        Section(
          "Orders", lead: "How well the order of predictions agrees with that of publications.",
          report.correlations.enumerated().map { index, table in
            .table(table.pageTable(key: "correlations.\(index)"))
          }))
    }
  }
}

extension ValidationReport {
  private var shares: [ValidationTable] {
    tables.filter { $0.measure == .share && !$0.rows.isEmpty }
  }

  fileprivate var verdict: String {
    let predicted = tables.filter { $0.basis == .predicted || $0.basis == .chosenAfter }
      .filter { $0.measure == .share }
    let errors = ValidationErrors(predicted.flatMap { $0.rows.compactMap(\.error) })
    guard errors.count > 0 else {
      return "\(counted(tables.reduce(0) { $0 + $1.rows.count }, "published figure")) recomputed."
    }
    return "\(counted(errors.count, "published figure")) predicted, off by "
      + "\(percent(errors.meanAbsolute)) in the mean and by \(signedPercent(errors.worst ?? 0)) at worst."
  }

  fileprivate var remark: String {
    func count(_ basis: ValidationTable.Basis) -> Int {
      tables.filter { $0.basis == basis }.reduce(0) { $0 + $1.rows.count }
    }
    let refused = tables.reduce(0) { $0 + $1.refusedCount }
    return
      "Of all rows \(count(.predicted)) are predicted, \(count(.chosenAfter)) with something chosen "
      + "after a look, \(count(.exact)) exact, \(count(.residual)) residuals of fits; "
      + "\(refused) \(refused == 1 ? "is" : "are") refused."
  }

  /// A line of points per table.
  fileprivate var strip: PlotPicture {
    let tables = shares
    var series: [(ValidationTable.Basis, [PlotPicture.Point])] = []
    for (index, table) in tables.enumerated() {
      let points = table.rows.compactMap { row -> PlotPicture.Point? in
        guard let error = row.error, error.isFinite else { return nil }
        // What lies beyond stands at the edge, with its true number.
        return .init(
          min(0.6, max(-0.6, error)), Double(tables.count - index),
          "\(table.title)\n\(row.name): \(signedPercent(error))")
      }
      series.append((table.basis, points))
    }
    func points(_ basis: ValidationTable.Basis) -> [PlotPicture.Point] {
      series.filter { $0.0 == basis }.flatMap(\.1)
    }
    let kinds: [(ValidationTable.Basis, String, PlotPicture.Shape, Int)] = [
      (.predicted, "predicted", .points, 0), (.chosenAfter, "chosen after a look", .points, 1),
      (.exact, "exact", .points, 2), (.residual, "residuals of fits", .rings, 5),
    ]
    var y = PlotPicture.Scale("", 0.5...(Double(tables.count) + 0.5), text: { _ in "" })
    y.names = tables.enumerated().map { (Double(tables.count - $0), $1.name) }
    var plot = PlotPicture(
      "Errors with their signs",
      description: "Errors of \(tables.reduce(0) { $0 + $1.rows.count }) predictions by table",
      x: .init(
        "prediction over publication, less one", -0.6...0.6,
        text: { signedPercent($0, decimals: 0) }),
      y: y,
      series: kinds.map { .init($1, $2, .series($3), points($0)) }.filter { !$0.points.isEmpty })
    plot.guides = [((0, 0.5), (0, Double(tables.count) + 0.5))]
    plot.height = max(160, Double(tables.count) * 17)
    return plot
  }

  fileprivate var tableOfTables: ReportTable {
    var table = ReportTable(
      "Tables",
      [
        .init("what", isText: true), .init("source", isText: true), .init("kind", isText: true),
        .init("rows"), .init("mean error"), .init("mean size"), .init("worst"),
      ])
    for (index, one) in tables.enumerated() {
      let errors = one.errors
      let key = "tables.\(index).errors"
      func cell(_ value: Double?, _ name: String) -> ReportFigure {
        guard let value, value.isFinite else { return ReportFigure("–") }
        return one.measure == .share
          ? ReportFigure(
            name == "mean_absolute" ? percent(value) : signedPercent(value), value,
            key: "\(key).\(name)")
          : ReportFigure("\(signedNumber(value)) points", value, key: "\(key).\(name)")
      }
      table.add([
        ReportFigure(one.title), ReportFigure(one.source), ReportFigure(one.basis.rawValue),
        .count(errors.count, key: "\(key).count"), cell(errors.mean, "mean"),
        cell(errors.meanAbsolute, "mean_absolute"), cell(errors.worst, "worst"),
      ])
    }
    return table
  }
}

/// `+1.2 %`.
func signedPercent(_ share: Double, decimals: Int = 1) -> String {
  let size = percent(abs(share), decimals: decimals)
  // What rounds to nothing has no sign.
  guard size.contains(where: { $0.isNumber && $0 != "0" }) else { return size }
  return (share > 0 ? "+" : "−") + size
}

private func signedNumber(_ value: Double) -> String {
  (value >= 0 ? "+" : "−") + threeFigures(abs(value))
}

extension ValidationTable {
  /// A scatter where numbers can be held against each other, and the rows.
  fileprivate func blocks(key: String) -> [ReportBlock] {
    var blocks: [ReportBlock] = []
    if let scatter { blocks.append(.picture(scatter)) }
    blocks.append(.text(["\(source). Fitted to: \(fittedTo)."] + findings))
    blocks.append(.table(rowTable(key: key)))
    blocks.append(.folded("Assumed where the publication is silent", assumptions))
    let chosen =
      recordedChoices
      + columns.map { "\($0.title)\($0.choice.map { ": \($0)" } ?? "")" }
    blocks.append(.folded("Decided after a look, and other readings", chosen))
    return blocks
  }

  private var scatter: PlotPicture? {
    let known = rows.filter { ($0.prediction ?? 0) > 0 && $0.publication > 0 }
    let units = Set(known.map(\.unit))
    guard known.count > 1, units.count == 1, let unit = units.first else { return nil }
    let values = known.flatMap { [$0.publication, $0.prediction ?? $0.publication] }
    guard let low = values.min(), let high = values.max() else { return nil }
    let range = low / 1.3...high * 1.3
    func scale(_ title: String) -> PlotPicture.Scale {
      var scale = PlotPicture.Scale(
        "\(title), \(unit)", range, isLogarithmic: true, text: { threeFigures($0) })
      // Within a decade powers of ten are too few.
      if high / low < 30 { scale.names = Self.marks(range).map { ($0, threeFigures($0)) } }
      return scale
    }
    var plot = PlotPicture(
      title, description: "\(counted(known.count, "row")): predicted over published \(unit)",
      x: scale("published"), y: scale("predicted"),
      series: [
        .init(
          "rows", basis == .residual ? .rings : .points, .accent,
          known.map { row in
            .init(
              row.publication, row.prediction ?? 0,
              "\(row.name)\npublished \(threeFigures(row.publication)) \(unit), predicted "
                + "\(threeFigures(row.prediction ?? 0)): \(signedPercent(row.error ?? 0))")
          })
      ])
    let ends = (range.lowerBound, range.upperBound)
    plot.guides = [
      ((ends.0, ends.0), (ends.1, ends.1)), ((ends.0, ends.0 * 1.1), (ends.1 / 1.1, ends.1)),
      ((ends.0 * 1.1, ends.0), (ends.1, ends.1 / 1.1)),
    ]
    return plot
  }

  /// 1, 2 and 5 times powers of ten.
  private static func marks(_ range: ClosedRange<Double>) -> [Double] {
    let low = Int(log10(range.lowerBound).rounded(.down))
    let high = Int(log10(range.upperBound).rounded(.up))
    return (low...max(low, high)).flatMap { power in
      [1.0, 2, 5].map { $0 * pow(10, Double(power)) }
    }.filter(range.contains)
  }

  private func rowTable(key: String) -> ReportTable {
    var table = ReportTable(
      "Rows",
      [
        .init("row", isText: true), .init("published"), .init("predicted"),
        .init("unit", isText: true), .init("error"), .init("note", isText: true),
      ])
    for (index, row) in rows.enumerated() {
      let place = "\(key).rows.\(index)"
      let error = row.error.map { error in
        ReportFigure(
          row.measure == .share ? signedPercent(error) : "\(signedNumber(error)) points",
          error.isFinite ? error : nil, key: error.isFinite ? "\(place).error" : nil)
      }
      table.add([
        ReportFigure(row.name),
        ReportFigure(threeFigures(row.publication), row.publication, key: "\(place).publication"),
        row.prediction.map {
          ReportFigure(threeFigures($0), $0, key: "\(place).prediction")
        } ?? ReportFigure("refused"), ReportFigure(row.unit), error ?? ReportFigure("–"),
        ReportFigure(row.note ?? ""),
      ])
    }
    table.shown = 40
    return table
  }
}

extension CorrelationTable {
  fileprivate func pageTable(key: String) -> ReportTable {
    var table = ReportTable(
      "\(title): \(source)",
      [.init("what", isText: true), .init("runs"), .init("agreement")]
        + columns.map { .init($0.title) })
    for (index, row) in rows.enumerated() {
      table.add(
        [
          ReportFigure(row.name), .count(row.runs, key: "\(key).rows.\(index).runs"),
          ReportFigure(
            fixed(row.coefficient, decimals: 3), row.coefficient,
            key: "\(key).rows.\(index).coefficient"),
        ] + row.others.map { ReportFigure(fixed($0, decimals: 3), $0) })
    }
    return table
  }
}
