import Quantities

extension ValidationTable {
  /// The table for people: title, source, what it rests on, its rows and their errors.
  ///
  /// - Parameter rowLimit: longer tables show only their worst rows, that many.
  public func text(rowLimit: Int) -> String {
    var lines = ["\(title)  [\(name)]", "  source: \(source)", "  \(basisText)"]
    lines += assumptions.map { "  assumed: \($0)" }
    lines += columns.compactMap(\.choice).map { "  chosen after a look: \($0)" }
    lines += recordedChoices.map { "  chosen after a look, undone by no key: \($0)" }
    lines.append("  \(rows.count) row\(rows.count == 1 ? "" : "s")\(absent): \(text(errors))")
    lines += trends.map { "  \($0.text(measure))" }
    for (index, column) in columns.enumerated() {
      lines.append(
        "  [\(letter(index))] \(column.text): \(text(errors(inColumn: index)))")
    }
    let shown = shownRows(rowLimit)
    lines += grid(of: shown)
    if shown.count < rows.count { lines.append("    ... the worst of \(rows.count) rows") }
    if !derivedRows.isEmpty {
      lines.append("  follows from these and other tables, counted nowhere:")
      lines += grid(of: derivedRows)
    }
    lines += findings.map { "  \($0)" }
    return lines.joined(separator: "\n") + "\n"
  }

  /// How many rows have no prediction, and why: `, 2 refused, 3 not described yet`.
  private var absent: String {
    (refusedCount > 0 ? ", \(refusedCount) refused" : "")
      + (undescribedCount > 0 ? ", \(undescribedCount) not described yet" : "")
  }

  private var basisText: String {
    switch basis {
    case .exact: "exact: no constant involved (\(fittedTo))"
    default: "\(basis.rawValue); constants fitted to: \(fittedTo)"
    }
  }

  private func text(_ errors: ValidationErrors) -> String {
    guard let worst = errors.worst else { return "no error" }
    return "\(signed(errors.mean, measure)) in the mean, "
      + "\(unsigned(errors.meanAbsolute, measure)) without signs, \(signed(worst, measure)) at worst"
  }

  private func shownRows(_ limit: Int) -> [ValidationRow] {
    guard rows.count > limit else { return rows }
    let order = rows.indices.sorted { left, right in
      let (a, b) = (rows[left].error.map(abs), rows[right].error.map(abs))
      return (-(a ?? .infinity), left) < (-(b ?? .infinity), right)
    }
    return order.prefix(limit).map { rows[$0] }
  }

  /// The rows under a line of headings, one cell under the other.
  private func grid(of rows: [ValidationRow]) -> [String] {
    let width = rows.map(\.others.count).max() ?? 0
    var cells = [["", "sluice", "published", "", "error"]]
    for index in 0..<width { cells[0] += ["[\(letter(index))]", "error"] }
    for row in rows {
      var line = [
        row.name,
        row.prediction.map { threeFigures($0) } ?? (row.isUndescribed ? "not yet" : "refused"),
        threeFigures(row.publication), row.unit, row.error.map { signed($0, row.measure) } ?? "-",
      ]
      for other in row.others {
        line += [
          other.map { threeFigures($0) } ?? "-",
          row.error(of: other).map { signed($0, row.measure) } ?? "-",
        ]
      }
      cells.append(line)
    }
    let widths = cells[0].indices.map { column in
      cells.map { $0.count > column ? $0[column].count : 0 }.max() ?? 0
    }
    // Names and units begin below each other, numbers end so.
    let lines = cells.map { line in
      let padded = line.enumerated().map { column, text in
        let blanks = String(repeating: " ", count: widths[column] - text.count)
        return column == 0 || column == 3 ? text + blanks : blanks + text
      }
      return "    " + padded.joined(separator: "  ")
    }
    return zip(lines, [nil] + rows.map(\.note)).map { line, note in
      note.map { "\(line)  (\($0))" } ?? line
    }
  }
}

extension CorrelationTable {
  /// The table for people.
  public var text: String {
    var lines = [
      "\(title)  [\(name)]", "  source: \(source)", "  \(basis.rawValue); Spearman's coefficient",
    ]
    lines += columns.enumerated().map { index, column in "  [\(letter(index))] \(column.text)" }
    let names = rows.map(\.name.count).max() ?? 0
    for row in rows {
      let name = row.name + String(repeating: " ", count: names - row.name.count)
      let others = row.others.enumerated().map { index, value in
        "[\(letter(index))] \(fixed(value, decimals: 2))"
      }
      let line = [name, fixed(row.coefficient, decimals: 2)] + others
      lines.append("    \(line.joined(separator: "  ")), \(row.runs) runs")
    }
    return lines.joined(separator: "\n") + "\n"
  }
}

extension ChoiceTable {
  /// The table for people.
  public var text: String {
    var lines = [
      "\(title)  [\(name)]", "  source: \(source)",
      "  \(basis.rawValue); of sweeps that differ in the layout alone: Spearman's coefficient, the place of the "
        + "measured best among the predicted, what the predicted best costs more than it",
    ]
    let names = rows.map(\.name.count).max() ?? 0
    for row in rows {
      let name = row.name + String(repeating: " ", count: names - row.name.count)
      lines.append(
        "    \(name)  \(fixed(row.coefficient, decimals: 2)), place "
          + "\(fixed(row.place, decimals: 1)), best named \(row.named) of \(row.sweeps), regret "
          + "\(fixed(row.regret * 100, decimals: 1)) % in the mean, "
          + "\(fixed(row.worstRegret * 100, decimals: 1)) % at worst, \(row.layouts) layouts")
    }
    return lines.joined(separator: "\n") + "\n"
  }
}

extension ValidationReport {
  /// Everything for people.
  ///
  /// - Parameter rowLimit: longer tables show only their worst rows, that many.
  public func text(rowLimit: Int) -> String {
    let set = overrides.map { "--set \($0.text): acts on \($0.uses) published runs\n" }
    let lines = set.joined() + (set.isEmpty ? "" : "\n")
    return lines + tables.map { $0.text(rowLimit: rowLimit) }.joined(separator: "\n")
      + correlations.map { "\n\($0.text)" }.joined()
      + choices.map { "\n\($0.text)" }.joined()
  }
}

extension ValidationColumn {
  /// What the column shows and what gives it: `before the separate head (plan.fused-head=true)`.
  var text: String {
    overrides.isEmpty ? title : "\(title) (\(overrides.joined(separator: ", ")))"
  }
}

/// The letter of a column: `a` for the first.
func letter(_ index: Int) -> String {
  String(Character(UnicodeScalar(UInt8(ascii: "a") + UInt8(index % 26))))
}

/// An error with its sign: `-3.6 %`, `+0.2 points`.
func signed(_ error: Double, _ measure: ValidationRow.Measure) -> String {
  let text = unsigned(error, measure)
  return error > 0 && text != unsigned(0, measure) ? "+\(text)" : text
}

/// An error in percent with one digit, or in points with two.
func unsigned(_ error: Double, _ measure: ValidationRow.Measure) -> String {
  switch measure {
  case .share: "\(fixed(error * 100, decimals: 1)) %"
  case .points: "\(fixed(error, decimals: 2)) points"
  }
}
