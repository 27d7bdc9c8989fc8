import Quantities

extension ValidationReport {
  /// The summary as Markdown tables: one line for each table of errors and for each of its columns,
  /// then the correlations, which are no errors.
  public var markdown: String {
    var lines = [
      "| what | source | rows | kind | mean, with signs | without | worst | trend |",
      "|---|---|---|---|---|---|---|---|",
    ]
    lines += tables.flatMap(\.markdown)
    if !correlations.isEmpty {
      lines += [
        "", "| order of steps, Spearman | runs | kind | now | before |", "|---|---|---|---|---|",
      ]
      lines += correlations.flatMap(\.markdown)
    }
    if !choices.isEmpty {
      lines += [
        "",
        "| layouts chosen | sweeps | layouts | kind | Spearman | place of the best | best named | regret "
          + "| worst | first had failed |",
        "|---|---|---|---|---|---|---|---|---|---|",
      ]
      lines += choices.flatMap(\.markdown)
    }
    return lines.joined(separator: "\n") + "\n"
  }
}

extension ValidationTable {
  fileprivate var markdown: [String] {
    let absent = [(refusedCount, "refused"), (undescribedCount, "not described yet")]
      .filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }.joined(separator: ", ")
    let trend = trends.map { $0.text(measure) }.joined(separator: "; ")
    let first =
      "| \(title) | \(source) | \(rows.count)\(absent.isEmpty ? "" : " (\(absent))") "
      + "| \(basis.rawValue) | \(cells(errors)) | \(trend) |"
    let others = columns.enumerated().map { index, column in
      let overrides = column.overrides.map { " `\($0)`" }.joined(separator: ",")
      return "| – \(column.title) |\(overrides) | | \(column.kind.rawValue) | "
        + "\(cells(errors(inColumn: index))) | |"
    }
    return [first] + others
  }

  private func cells(_ errors: ValidationErrors) -> String {
    guard let worst = errors.worst else { return "– | – | –" }
    return [
      signed(errors.mean, measure), unsigned(errors.meanAbsolute, measure), signed(worst, measure),
    ].joined(separator: " | ")
  }
}

extension ChoiceTable {
  fileprivate var markdown: [String] {
    rows.map { row in
      "| \(title): \(row.name) | \(row.sweeps) | \(row.layouts) | \(basis.rawValue) | "
        + "\(fixed(row.coefficient, decimals: 2)) | \(fixed(row.place, decimals: 1)) | "
        + "\(row.named) | \(fixed(row.regret * 100, decimals: 1)) % | "
        + "\(fixed(row.worstRegret * 100, decimals: 1)) % "
        + "| \(row.failedFirst.map(String.init) ?? "–") |"
    }
  }
}

extension CorrelationTable {
  fileprivate var markdown: [String] {
    rows.map { row in
      let before = row.others.map { fixed($0, decimals: 2) }.joined(separator: ", ")
      return "| \(title): \(row.name) | \(row.runs) | \(basis.rawValue) | "
        + "\(fixed(row.coefficient, decimals: 2)) | \(before) |"
    }
  }
}
