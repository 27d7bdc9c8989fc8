import Quantities

extension ValidationTable {
  /// The table for people: title, source, what it rests on, its rows and their errors.
  ///
  /// - Parameter rowLimit: longer tables show only their worst rows, that many.
  public func text(rowLimit: Int) -> String {
    var lines = ["\(title)  [\(name)]", "  source: \(source)", "  \(basisText)"]
    lines += assumptions.map { "  assumed: \($0)" }
    lines.append("  \(summaryText)")
    let shown = shownRows(rowLimit)
    let names = shown.map(\.name.count).max() ?? 0
    lines += shown.map { row in
      let name = row.name + String(repeating: " ", count: names - row.name.count)
      return "    \(name)  \(row.text)"
    }
    if shown.count < rows.count { lines.append("    ... the worst of \(rows.count) rows") }
    return lines.joined(separator: "\n") + "\n"
  }

  private var basisText: String {
    switch basis {
    case .predicted: "predicted; constants fitted to: \(fittedTo)"
    case .residual: "residual; constants fitted to: \(fittedTo)"
    case .exact: "no constant involved (\(fittedTo))"
    }
  }

  private var summaryText: String {
    let refused = refusedCount > 0 ? ", \(refusedCount) refused" : ""
    let worst = worst?.error.map { percent($0) } ?? "-"
    return
      "\(rows.count) rows\(refused): error \(percent(meanError, isSigned: false)) in the mean, "
      + "\(percent(bias)) with its sign, \(worst) at worst"
  }

  private func shownRows(_ limit: Int) -> [ValidationRow] {
    guard rows.count > limit else { return rows }
    let order = rows.indices.sorted { left, right in
      let (a, b) = (rows[left].error.map(abs), rows[right].error.map(abs))
      return (-(a ?? .infinity), left) < (-(b ?? .infinity), right)
    }
    return order.prefix(limit).map { rows[$0] }
  }

  /// One line of a Markdown table with the summary of every table.
  public var markdown: String {
    let worst = worst?.error.map { percent($0) } ?? "-"
    let refused = refusedCount > 0 ? " (\(refusedCount) refused)" : ""
    return "| \(title) | \(source) | \(rows.count)\(refused) | \(basis.rawValue) | "
      + "\(percent(meanError, isSigned: false)) | \(worst) |"
  }

  /// The first lines of that Markdown table.
  public static let markdownHeader = """
    | what | source | rows | kind | mean error | worst error |
    |---|---|---|---|---|---|
    """
}

extension ValidationRow {
  fileprivate var text: String {
    let made = prediction.map { threeFigures($0) } ?? "refused"
    let error = error.map { ", \(percent($0))" } ?? ""
    return "\(made) against \(threeFigures(publication)) \(unit)\(error)"
      + (note.map { " (\($0))" } ?? "")
  }
}

/// A share in percent with one digit: `-3.6 %`.
private func percent(_ share: Double, isSigned: Bool = true) -> String {
  let text = fixed(share * 100, decimals: 1)
  return (isSigned && share >= 0 && text != "0.0" ? "+" : "") + text + " %"
}
