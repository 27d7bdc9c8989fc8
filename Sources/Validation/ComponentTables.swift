extension ValidationTable {
  /// Every table of component measurements with its residuals.
  ///
  /// The trace's phases are sums of its kernels, which stand here one by one; they are told beside the
  /// overlapped pair.
  static func components(_ files: PublishedFiles) throws -> [ValidationTable] {
    let tables = try ComponentResiduals.all(files)
    return tables.filter { !$0.isSum }.map { residuals in
      ValidationTable(
        residuals.shortName, title: residuals.name, source: residuals.source,
        basis: residuals.isFitted ? .residual : .predicted,
        fittedTo: residuals.isFitted ? "these rows" : "other component tables",
        rows: residuals.rows.map {
          ValidationRow(
            $0.row, prediction: $0.predictedSeconds * 1e6, publication: $0.measuredSeconds * 1e6,
            unit: "us")
        })
    }
  }
}

extension ComponentResiduals {
  /// Whether the rows are sums of other tables' rows.
  fileprivate var isSum: Bool { name.hasPrefix("V3 trace phases") }

  /// The name without capitals, blanks and commas: `deepgemm-2025-02-25-h800`.
  fileprivate var shortName: String {
    name.lowercased().split { $0 == " " || $0 == "," }.joined(separator: "-")
  }
}
