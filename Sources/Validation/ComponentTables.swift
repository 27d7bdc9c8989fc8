import Costs

extension ValidationTable {
  /// Every table of component measurements with its residuals.
  static func components() throws -> [ValidationTable] {
    try ComponentResiduals.all().enumerated().map { index, residuals in
      ValidationTable(
        "component-\(index + 1)", title: residuals.name, source: residuals.source,
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
