/// Published figures of one kind, recomputed.
public struct ValidationTable: Hashable, Sendable {
  /// What a prediction is worth: what was known of a table's figures when it was made.
  public enum Basis: String, Hashable, Sendable {
    /// No constant is involved: counts and closed forms.
    case exact
    /// Constants were fitted to these very figures, or to parts of them.
    case residual
    /// Nothing was fitted to them, but something was decided after they had been compared; the figures
    /// before it stand in columns of their own.
    case chosenAfter = "chosen-after"
    /// Nothing was fitted to them, nor decided after a look at them.
    case predicted
  }

  /// A stable short name: `megatron-table-5`.
  public var name: String
  public var title: String
  /// Where the figures were published.
  public var source: String
  public var basis: Basis
  /// Which data the constants behind the predictions were fitted to.
  public var fittedTo: String
  /// What the predictions take as given where the publication is silent.
  public var assumptions: [String] = []
  /// What was decided after a look and no override undoes, with the figures that were written down.
  public var recordedChoices: [String] = []
  /// Further predictions of every row, beside the first.
  public var columns: [ValidationColumn] = []
  /// Rows of published numbers that do not follow from each other; each number stands once.
  public var rows: [ValidationRow]
  /// The same numbers in other units, and sums of rows of other tables: shown, never counted.
  public var derivedRows: [ValidationRow] = []
  /// Along what the errors may have a trend.
  public var axes: [ValidationAxis] = []
  /// What follows from the rows together: the best of a group.
  public var findings: [String] = []

  public init(
    _ name: String, title: String, source: String, basis: Basis, fittedTo: String,
    assumptions: [String] = [], rows: [ValidationRow]
  ) {
    self.name = name
    self.title = title
    self.source = source
    self.basis = basis
    self.fittedTo = fittedTo
    self.assumptions = assumptions
    self.rows = rows
  }

  /// Rows that were refused.
  public var refusedCount: Int { rows.count { $0.prediction == nil && !$0.isUndescribed } }

  /// Rows with something that no key describes.
  public var undescribedCount: Int { rows.count(where: \.isUndescribed) }

  /// How the errors go along each axis that has at least two places.
  public var trends: [ValidationTrend] {
    axes.compactMap { ValidationTrend(of: rows, along: $0) }
  }

  /// The errors of the predictions.
  public var errors: ValidationErrors { ValidationErrors(rows.compactMap(\.error)) }

  /// The errors of the predictions in a column, by its place.
  public func errors(inColumn index: Int) -> ValidationErrors {
    ValidationErrors(rows.compactMap { $0.error(of: $0.others[index]) })
  }

  /// How the errors of this table are counted.
  public var measure: ValidationRow.Measure { rows.first?.measure ?? .share }
}

/// Errors of several predictions, each with its sign.
public struct ValidationErrors: Hashable, Sendable {
  /// How many there are.
  public var count: Int
  /// Their mean, signs kept: what all predictions have in common; zero where there are none.
  public var mean: Double
  /// The mean of their sizes; zero where there are none.
  public var meanAbsolute: Double
  /// The largest of them, with its sign; nil where there are none.
  public var worst: Double?

  public init(_ errors: [Double]) {
    count = errors.count
    let divisor = Double(max(1, errors.count))
    mean = errors.reduce(0, +) / divisor
    meanAbsolute = errors.reduce(0) { $0 + abs($1) } / divisor
    worst = errors.max { abs($0) < abs($1) }
  }
}
