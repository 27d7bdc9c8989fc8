extension ValidationRow: Encodable {
  private enum Keys: String, CodingKey {
    case name, prediction, publication, unit, error, note
  }

  /// `prediction` and `error` are null where the row was refused; `error` is a share.
  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Keys.self)
    try values.encode(name, forKey: .name)
    try values.encode(prediction, forKey: .prediction)
    try values.encode(publication, forKey: .publication)
    try values.encode(unit, forKey: .unit)
    try values.encode(error, forKey: .error)
    try values.encodeIfPresent(note, forKey: .note)
  }
}

extension ValidationTable: Encodable {
  private enum Keys: String, CodingKey {
    case name, title, source, basis, assumptions, rows
    case fittedTo = "fitted_to"
    case refused = "refused_rows"
    case meanError = "mean_absolute_error"
    case bias = "mean_error"
    case worstError = "worst_error"
  }

  /// Errors are shares: 0.05 is five percent too much.
  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Keys.self)
    try values.encode(name, forKey: .name)
    try values.encode(title, forKey: .title)
    try values.encode(source, forKey: .source)
    try values.encode(basis.rawValue, forKey: .basis)
    try values.encode(fittedTo, forKey: .fittedTo)
    try values.encode(assumptions, forKey: .assumptions)
    try values.encode(refusedCount, forKey: .refused)
    try values.encode(meanError, forKey: .meanError)
    try values.encode(bias, forKey: .bias)
    try values.encode(worst?.error, forKey: .worstError)
    try values.encode(rows, forKey: .rows)
  }
}
