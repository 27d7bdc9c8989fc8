import Quantities

extension ValidationErrors {
  /// `+1.2 % in the mean, 3.4 % without signs, -5.6 % at worst`.
  package func text(_ measure: ValidationRow.Measure) -> String {
    guard let worst else { return "no error" }
    return
      "\(signed(mean, measure)) in the mean, \(unsigned(meanAbsolute, measure)) without signs, "
      + "\(signed(worst, measure)) at worst"
  }
}

extension ValidationTable {
  /// How many rows have no prediction, and why: `, 2 refused, 3 not described yet`.
  package var absent: String {
    (refusedCount > 0 ? ", \(refusedCount) refused" : "")
      + (undescribedCount > 0 ? ", \(undescribedCount) not described yet" : "")
  }

  /// What the figures rest on.
  package var basisText: String {
    switch basis {
    case .exact: "exact: no constant involved (\(fittedTo))"
    default: "\(basis.rawValue); constants fitted to: \(fittedTo)"
    }
  }
}

extension ValidationColumn {
  /// What the column shows and what gives it: `before the separate head (plan.fused-head=true)`.
  package var text: String {
    overrides.isEmpty ? title : "\(title) (\(overrides.joined(separator: ", ")))"
  }
}

/// The letter of a column: `a` for the first.
package func letter(_ index: Int) -> String {
  String(Character(UnicodeScalar(UInt8(ascii: "a") + UInt8(index % 26))))
}

/// An error with its sign: `-3.6 %`, `+0.2 points`.
package func signed(_ error: Double, _ measure: ValidationRow.Measure) -> String {
  let text = unsigned(error, measure)
  return error > 0 && text != unsigned(0, measure) ? "+\(text)" : text
}

/// An error in percent with one digit, or in points with two.
package func unsigned(_ error: Double, _ measure: ValidationRow.Measure) -> String {
  switch measure {
  case .share: "\(fixed(error * 100, decimals: 1)) %"
  case .points: "\(fixed(error, decimals: 2)) points"
  }
}
