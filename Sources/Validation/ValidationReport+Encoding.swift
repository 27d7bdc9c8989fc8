import Documents

extension ValidationReport: Encodable {
  private enum Keys: String, CodingKey { case inputs, tables, correlations, choices }
  private enum InputKeys: String, CodingKey { case version, parts, overrides }
  private enum OverrideKeys: String, CodingKey {
    case override
    case runs = "acts_on_runs"
  }

  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Keys.self)
    var inputs = values.nestedContainer(keyedBy: InputKeys.self, forKey: .inputs)
    try inputs.encode(Version.current, forKey: .version)
    try inputs.encode(parts, forKey: .parts)
    var list = inputs.nestedUnkeyedContainer(forKey: .overrides)
    for (text, uses) in overrides {
      var override = list.nestedContainer(keyedBy: OverrideKeys.self)
      try override.encode(text, forKey: .override)
      try override.encode(uses, forKey: .runs)
    }
    try values.encode(tables, forKey: .tables)
    try values.encode(correlations, forKey: .correlations)
    try values.encode(choices, forKey: .choices)
  }
}

/// What tables of rows and of correlations have in common.
private struct TableHeading: Encodable {
  var name: String
  var title: String
  var source: String
  var kind: String
}

extension ValidationTable: Encodable {
  private enum Keys: String, CodingKey {
    case assumptions, columns, rows, trends, findings
    case fittedTo = "fitted_to"
    case recordedChoices = "recorded_choices"
    case measure = "errors_are"
    case refused = "refused_rows"
    case undescribed = "not_described_rows"
    case errors
    case derived = "derived_rows"
  }

  /// Errors are shares, 0.05 is five percent too much, or points of percent.
  public func encode(to encoder: any Encoder) throws {
    try TableHeading(name: name, title: title, source: source, kind: basis.rawValue)
      .encode(to: encoder)
    var values = encoder.container(keyedBy: Keys.self)
    try values.encode(fittedTo, forKey: .fittedTo)
    try values.encode(assumptions, forKey: .assumptions)
    try values.encode(recordedChoices, forKey: .recordedChoices)
    try values.encode(measure.rawValue, forKey: .measure)
    try values.encode(refusedCount, forKey: .refused)
    try values.encode(undescribedCount, forKey: .undescribed)
    try values.encode(errors, forKey: .errors)
    try values.encode(trends, forKey: .trends)
    try values.encode(findings, forKey: .findings)
    try values.encode(
      columns.indices.map { ColumnErrors(column: columns[$0], errors: errors(inColumn: $0)) },
      forKey: .columns)
    try values.encode(rows, forKey: .rows)
    try values.encode(derivedRows, forKey: .derived)
  }
}

/// A column with the errors of its predictions.
private struct ColumnErrors: Encodable {
  var column: ValidationColumn
  var errors: ValidationErrors

  private enum Keys: String, CodingKey { case errors }

  func encode(to encoder: any Encoder) throws {
    try column.encode(to: encoder)
    var values = encoder.container(keyedBy: Keys.self)
    try values.encode(errors, forKey: .errors)
  }
}

extension ValidationColumn: Encodable {
  private enum Keys: String, CodingKey { case kind, title, choice, overrides, steps }

  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Keys.self)
    try values.encode(kind.rawValue, forKey: .kind)
    try values.encode(title, forKey: .title)
    try values.encodeIfPresent(choice, forKey: .choice)
    try values.encode(overrides, forKey: .overrides)
    try values.encode(steps, forKey: .steps)
  }
}

extension ValidationErrors: Encodable {
  private enum Keys: String, CodingKey {
    case count, mean, worst
    case meanAbsolute = "mean_absolute"
  }

  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Keys.self)
    try values.encode(count, forKey: .count)
    try values.encode(finite(mean), forKey: .mean)
    try values.encode(finite(meanAbsolute), forKey: .meanAbsolute)
    try values.encode(finite(worst), forKey: .worst)
  }
}

extension ValidationRow: Encodable {
  private enum Keys: String, CodingKey {
    case name, prediction, publication, unit, error, columns, inputs, note
    case isUndescribed = "not_described"
  }
  private enum ColumnKeys: String, CodingKey { case prediction, error }

  /// `prediction` and `error` are null where the row was refused, `error` also where it is infinite.
  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Keys.self)
    try values.encode(name, forKey: .name)
    try values.encode(prediction, forKey: .prediction)
    try values.encode(publication, forKey: .publication)
    try values.encode(unit, forKey: .unit)
    try values.encode(finite(error), forKey: .error)
    if !others.isEmpty {
      var columns = values.nestedUnkeyedContainer(forKey: .columns)
      for other in others {
        var column = columns.nestedContainer(keyedBy: ColumnKeys.self)
        try column.encode(other, forKey: .prediction)
        try column.encode(finite(error(of: other)), forKey: .error)
      }
    }
    if isUndescribed { try values.encode(true, forKey: .isUndescribed) }
    try values.encodeIfPresent(inputs, forKey: .inputs)
    try values.encodeIfPresent(note, forKey: .note)
  }
}

extension CorrelationTable: Encodable {
  private enum Keys: String, CodingKey { case columns, rows }

  public func encode(to encoder: any Encoder) throws {
    try TableHeading(name: name, title: title, source: source, kind: basis.rawValue)
      .encode(to: encoder)
    var values = encoder.container(keyedBy: Keys.self)
    try values.encode(columns, forKey: .columns)
    try values.encode(rows, forKey: .rows)
  }
}

extension CorrelationTable.Row: Encodable {
  private enum Keys: String, CodingKey { case name, runs, coefficient, columns }

  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Keys.self)
    try values.encode(name, forKey: .name)
    try values.encode(runs, forKey: .runs)
    try values.encode(coefficient, forKey: .coefficient)
    try values.encode(others, forKey: .columns)
  }
}

extension ChoiceTable: Encodable {
  private enum Keys: String, CodingKey { case rows }

  public func encode(to encoder: any Encoder) throws {
    try TableHeading(name: name, title: title, source: source, kind: basis.rawValue)
      .encode(to: encoder)
    var values = encoder.container(keyedBy: Keys.self)
    try values.encode(rows, forKey: .rows)
  }
}

/// JSON has no infinity: the error of a prediction where nothing was published.
private func finite(_ number: Double?) -> Double? {
  number.flatMap { $0.isFinite ? $0 : nil }
}
