/// Further predictions of the figures of a table, by another reading or with a choice undone.
public struct ValidationColumn: Hashable, Sendable {
  public enum Kind: String, Hashable, Sendable {
    /// A choice that was made after a look is undone.
    case before
    /// The same figures read or assumed otherwise, where nobody published which is right.
    case reading
  }

  public var kind: Kind
  /// What the column shows: `before: the loss in one kernel`.
  public var title: String
  /// What was decided since; nil for a reading.
  public var choice: String?
  /// The overrides that give the column: `plan.fused-loss=true`; empty for another reading of the same
  /// steps.
  public var overrides: [String]
  /// How many steps each figure of the column is the mean of.
  public var steps: Int

  public init(
    kind: Kind, title: String, choice: String?, overrides: [String], steps: Int = 1
  ) {
    self.kind = kind
    self.title = title
    self.choice = choice
    self.overrides = overrides
    self.steps = steps
  }
}

/// What is simulated beside a published run: the run with overrides, or the mean of several such runs.
struct Variant: Sendable {
  var column: ValidationColumn
  /// The overrides of every step whose mean the column shows.
  var settings: [[String]]

  /// One step with overrides.
  init(_ kind: ValidationColumn.Kind, _ title: String, choice: String? = nil, _ overrides: [String])
  {
    column = ValidationColumn(kind: kind, title: title, choice: choice, overrides: overrides)
    settings = [overrides]
  }

  /// The mean over seeds of the expert load, with overrides.
  init(_ title: String, seeds: ClosedRange<Int>, _ overrides: [String]) {
    settings = seeds.map { overrides + ["plan.expert-load.seed=\($0)"] }
    column = ValidationColumn(
      kind: .reading,
      title: "\(title), the mean of seeds \(seeds.lowerBound) to \(seeds.upperBound)",
      choice: nil,
      overrides: overrides
        + ["plan.expert-load.seed=\(seeds.lowerBound) to \(seeds.upperBound)"],
      steps: settings.count)
  }

  /// The mean over seeds of the expert load.
  init(seeds: ClosedRange<Int>, choice: String) {
    settings = seeds.map { ["plan.expert-load.seed=\($0)"] }
    column = ValidationColumn(
      kind: .before, title: "the mean of seeds \(seeds.lowerBound) to \(seeds.upperBound)",
      choice: choice, overrides: settings[0], steps: settings.count)
    column.overrides = [
      "plan.expert-load.seed=\(seeds.lowerBound) to \(seeds.upperBound)"
    ]
  }
}
