/// One published figure beside what sluice computes for it.
public struct ValidationRow: Hashable, Sendable {
  /// How an error is counted.
  public enum Measure: String, Hashable, Sendable {
    /// Prediction over publication, less one.
    case share
    /// Prediction less publication, for figures that are shares in percent themselves.
    case points
  }

  /// What was published: run, part or shape.
  public var name: String
  /// What sluice computes; nil where it refuses the row, with the reason in `note`.
  public var prediction: Double?
  /// What was published.
  public var publication: Double
  /// The unit of both numbers.
  public var unit: String
  public var measure: Measure
  /// What the columns of the table hold for this row, in their order; nil where they refuse it.
  public var others: [Double?] = []
  /// The files behind the prediction; nil where it is no simulated step.
  public var inputs: RunInputs?
  /// What a reader should know of this row.
  public var note: String?
  /// Whether the run has something that no key describes, said in `note`: it was not tried.
  public var isUndescribed = false

  public init(
    _ name: String, prediction: Double?, publication: Double, unit: String,
    measure: Measure = .share, note: String? = nil
  ) {
    self.name = name
    self.prediction = prediction
    self.publication = publication
    self.unit = unit
    self.measure = measure
    self.note = note
  }

  /// The error of the prediction with its sign; nil where the row was refused.
  public var error: Double? { error(of: prediction) }

  /// The error of another prediction of the same figure.
  package func error(of prediction: Double?) -> Double? {
    guard let prediction else { return nil }
    switch measure {
    case .points: return prediction - publication
    case .share:
      guard publication != 0 else { return prediction == 0 ? 0 : .infinity }
      return prediction / publication - 1
    }
  }
}

/// What a person types after `sluice simulate` to see the step behind a row.
public struct RunInputs: Hashable, Encodable, Sendable {
  public var model: String
  public var cluster: String
  public var plan: String
  /// Each `model.`, `plan.` or `cluster.` with key and value.
  public var overrides: [String]
}
