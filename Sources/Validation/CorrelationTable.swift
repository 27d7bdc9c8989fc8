/// How well the order of predictions follows the order of measurements, for several lists of runs.
public struct CorrelationTable: Hashable, Sendable {
  /// The runs of one model.
  public struct Row: Hashable, Sendable {
    public var name: String
    /// How many runs are put in order.
    public var runs: Int
    /// Spearman's coefficient: 1 for the same order, -1 for the reverse.
    public var coefficient: Double
    /// The same by the predictions of each column.
    public var others: [Double]
  }

  /// A stable short name: `vtrain-multi-node-order`.
  public var name: String
  public var title: String
  public var source: String
  public var basis: ValidationTable.Basis
  public var columns: [ValidationColumn]
  public var rows: [Row]
}

extension CorrelationTable {
  /// The order of each model's runs in a table of vTrain's steps.
  init(vTrain table: ValidationTable) {
    name = "\(table.name)-order"
    title = "\(table.title): order within each model"
    (source, basis, columns) = (table.source, table.basis, table.columns)
    var models: [String] = []
    for row in table.rows where !models.contains(row.model) { models.append(row.model) }
    rows = models.compactMap { model in
      let runs = table.rows.filter { $0.model == model && $0.prediction != nil }
      guard runs.count > 2 else { return nil }
      func coefficient(_ prediction: (ValidationRow) -> Double?) -> Double {
        let known = runs.filter { prediction($0) != nil }
        return RankCorrelation(known.compactMap(prediction), known.map(\.publication)).coefficient
      }
      return Row(
        name: model, runs: runs.count, coefficient: coefficient(\.prediction),
        others: table.columns.indices.map { index in coefficient { $0.others[index] } })
    }
  }
}

extension ValidationRow {
  /// The model of a vTrain row: the name without its plan.
  fileprivate var model: String { name.split(separator: " ").prefix(5).joined(separator: " ") }
}
