/// One published figure beside what sluice computes for it.
public struct ValidationRow: Hashable, Sendable {
  /// What was published: run, part or shape.
  public var name: String
  /// What sluice computes; nil where it refuses the row, with the reason in `note`.
  public var prediction: Double?
  /// What was published.
  public var publication: Double
  /// The unit of both numbers.
  public var unit: String
  /// What a reader should know of this row.
  public var note: String?

  public init(
    _ name: String, prediction: Double?, publication: Double, unit: String, note: String? = nil
  ) {
    self.name = name
    self.prediction = prediction
    self.publication = publication
    self.unit = unit
    self.note = note
  }

  /// Prediction over publication, less one; nil where the row was refused.
  public var error: Double? {
    prediction.map { publication == 0 ? ($0 == 0 ? 0 : .infinity) : $0 / publication - 1 }
  }
}

/// Published figures of one kind, recomputed.
public struct ValidationTable: Hashable, Sendable {
  /// Whether constants were fitted to the figures of a table.
  public enum Basis: String, Hashable, Sendable {
    /// Nothing was fitted to them, nor to other end-to-end figures.
    case predicted
    /// Constants were fitted to these very figures.
    case residual
    /// No constant is involved: counts and closed forms.
    case exact
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
  public var rows: [ValidationRow]

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

  private var errors: [Double] { rows.compactMap(\.error) }

  /// Rows that were refused.
  public var refusedCount: Int { rows.count { $0.prediction == nil } }

  /// Mean of the absolute errors; zero for an empty table.
  public var meanError: Double {
    errors.isEmpty ? 0 : errors.reduce(0) { $0 + abs($1) } / Double(errors.count)
  }

  /// Mean of the errors with their signs; zero for an empty table.
  public var bias: Double { errors.isEmpty ? 0 : errors.reduce(0, +) / Double(errors.count) }

  /// The row with the largest absolute error.
  public var worst: ValidationRow? {
    rows.filter { $0.error != nil }.max { abs($0.error ?? 0) < abs($1.error ?? 0) }
  }
}
