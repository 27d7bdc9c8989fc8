import Foundation
import Quantities
import Validation

extension ReportPage {
  /// What was published, beside what is computed for it.
  ///
  /// - Parameter rows: longer tables show their worst rows, that many, before anybody asks for the others.
  public init(validation report: ValidationReport, rows: Int = 24) throws {
    try self.init("validate", verdict: report.verdict, figures: report)
    remarks = [report.remark]
    inputs = [.init("Parts", report.parts.joined(separator: ", "))]
    for override in report.overrides {
      inputs.append(
        .init(
          "--set", "\(override.text) acts on \(counted(override.uses, "published run"))", in: .head)
      )
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
                (
                  name: "\(table.title)  [\(table.name)]",
                  blocks: table.blocks(key: "tables.\(index)", shown: rows)
                )
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
    guard !report.choices.isEmpty else { return }
    sections.append(
      Section(
        "Layouts chosen",
        lead:
          "Of sweeps that differ in the layout alone: Spearman's coefficient, the place of the measured "
          + "best among the predicted, what the predicted best costs more than it.",
        report.choices.enumerated().map { index, table in
          .table(table.pageTable(key: "choices.\(index)"))
        }))
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
    table.isAside = true
    for (index, one) in tables.enumerated() {
      let errors = one.errors
      let key = "tables.\(index).errors"
      func cell(_ value: Double?, _ name: String) -> ReportFigure {
        guard let value, value.isFinite else { return ReportFigure("–") }
        let text =
          name == "mean_absolute" ? unsigned(value, one.measure) : signed(value, one.measure)
        return ReportFigure(text, value, key: "\(key).\(name)")
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

extension ValidationTable {
  /// A scatter where numbers can be held against each other, and the rows.
  fileprivate func blocks(key: String, shown: Int) -> [ReportBlock] {
    var blocks: [ReportBlock] = []
    if let scatter { blocks.append(.picture(scatter)) }
    blocks.append(.text(["source: \(source)", basisText]))
    blocks.append(.folded("assumed", assumptions))
    blocks.append(.folded("chosen after a look", columns.compactMap(\.choice)))
    blocks.append(.folded("chosen after a look, undone by no key", recordedChoices))
    blocks.append(
      .text(
        ["\(counted(rows.count, "row"))\(absent): \(errors.text(measure))"]
          + trends.map { $0.text(measure) }
          + columns.enumerated().map { index, column in
            "[\(letter(index))] \(column.text): \(self.errors(inColumn: index).text(measure))"
          } + findings))
    blocks.append(.table(rowTable("Rows", rows, key: "\(key).rows", shown: shown)))
    if !derivedRows.isEmpty {
      blocks.append(
        .table(
          rowTable(
            "follows from these and other tables, counted nowhere", derivedRows,
            key: "\(key).derived_rows", shown: shown)))
    }
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

  /// Rows with every reading of them; the worst first where not all are shown.
  private func rowTable(
    _ title: String, _ rows: [ValidationRow], key: String, shown: Int
  ) -> ReportTable {
    let width = rows.map(\.others.count).max() ?? 0
    var table = ReportTable(
      title,
      [
        .init("row", isText: true), .init("sluice"), .init("published"),
        .init("unit", short: "", isText: true), .init("error"),
      ] + (0..<width).flatMap { [.init("[\(letter($0))]"), .init("error")] }
        + [.init("note", isText: true, isAside: rows.allSatisfy { $0.note == nil })])
    for (index, row) in Self.order(rows, shown: shown) {
      func cell(_ value: Double?, _ key: String, absent: String) -> ReportFigure {
        value.map { ReportFigure(threeFigures($0), $0, key: key) } ?? ReportFigure(absent)
      }
      func errorCell(_ error: Double?, _ key: String) -> ReportFigure {
        guard let error else { return ReportFigure("–") }
        let isFinite = error.isFinite
        return ReportFigure(
          signed(error, row.measure), isFinite ? error : nil, key: isFinite ? key : nil)
      }
      let place = "\(key).\(index)"
      var cells = [
        ReportFigure(row.name),
        cell(
          row.prediction, "\(place).prediction", absent: row.isUndescribed ? "not yet" : "refused"),
        cell(row.publication, "\(place).publication", absent: ""), ReportFigure(row.unit),
        errorCell(row.error, "\(place).error"),
      ]
      for column in 0..<width {
        let other = column < row.others.count ? row.others[column] : nil
        let place = "\(place).columns.\(column)"
        cells += [
          cell(other, "\(place).prediction", absent: "–"),
          errorCell(row.error(of: other), "\(place).error"),
        ]
      }
      table.add(cells + [ReportFigure(row.note ?? "")])
    }
    table.shown = shown
    return table
  }

  private static func order(
    _ rows: [ValidationRow], shown: Int
  ) -> [(index: Int, row: ValidationRow)] {
    let all = rows.enumerated().map { (index: $0, row: $1) }
    guard rows.count > shown else { return all }
    return all.sorted { left, right in
      let (a, b) = (left.row.error.map(abs), right.row.error.map(abs))
      return (-(a ?? .infinity), left.index) < (-(b ?? .infinity), right.index)
    }
  }
}

extension CorrelationTable {
  fileprivate func pageTable(key: String) -> ReportTable {
    var table = ReportTable(
      "\(title)  [\(name)]",
      [.init("what", isText: true), .init("runs"), .init("Spearman's coefficient")]
        + columns.map { .init($0.text) })
    for (index, row) in rows.enumerated() {
      table.add(
        [
          ReportFigure(row.name), .count(row.runs, key: "\(key).rows.\(index).runs"),
          ReportFigure(
            fixed(row.coefficient, decimals: 2), row.coefficient,
            key: "\(key).rows.\(index).coefficient"),
        ] + row.others.map { ReportFigure(fixed($0, decimals: 2), $0) })
    }
    table.note = "source: \(source); \(basis.rawValue)"
    return table
  }
}

extension ChoiceTable {
  fileprivate func pageTable(key: String) -> ReportTable {
    var table = ReportTable(
      "\(title)  [\(name)]",
      [
        .init("what", isText: true), .init("coefficient"), .init("place"),
        .init("best named", isText: true), .init("regret"), .init("at worst"), .init("layouts"),
        .init("first had failed"),
      ])
    for row in rows {
      table.add([
        ReportFigure(row.name), ReportFigure(fixed(row.coefficient, decimals: 2), row.coefficient),
        ReportFigure(fixed(row.place, decimals: 1), row.place),
        ReportFigure("\(row.named) of \(row.sweeps)"), .share(row.regret),
        .share(row.worstRegret), .count(row.layouts),
        row.failedFirst.map { .count($0) } ?? ReportFigure("–"),
      ])
    }
    table.note = "source: \(source); \(basis.rawValue)"
    return table
  }
}
