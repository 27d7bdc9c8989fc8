import Foundation

/// Along what the rows of a table differ: ranks, length, size.
public struct ValidationAxis: Hashable, Sendable {
  /// What the places count: `ranks`.
  public var name: String
  /// Where each row lies; nil where it lies nowhere.
  public var places: [Double?]
  /// What each row has in common with those that it may be compared with: rows that differ along the
  /// axis alone, batch and degrees that follow it apart.
  public var series: [String]

  public init(_ name: String, places: [Double?], series: [String]) {
    precondition(places.count == series.count, "Every row has a place and a series.")
    (self.name, self.places, self.series) = (name, places, series)
  }
}

/// How the errors of a table go along an axis.
///
/// A wrong trend ranks plans wrongly even where the mean is right.
public struct ValidationTrend: Hashable, Sendable {
  /// The mean error where an axis begins or ends.
  public struct End: Hashable, Sendable {
    public var place: Double
    public var error: Double
  }

  /// The axis: `ranks`.
  public var axis: String
  /// The least place that a compared row has, and the greatest.
  public var least: End
  public var greatest: End
  /// What the error gains where the place doubles, by least squares within the series.
  public var perDoubling: Double
  /// How many series were compared, and how many rows.
  public var seriesCount: Int
  public var rowCount: Int

  /// Only rows with an error count, and only series that lie at two places at least; nil without one.
  public init?(of rows: [ValidationRow], along axis: ValidationAxis) {
    typealias Point = (place: Double, error: Double)
    var names: [String] = []
    var points: [[Point]] = []
    for (index, row) in rows.enumerated() {
      guard let error = row.error, error.isFinite, let place = axis.places[index] else { continue }
      if let series = names.firstIndex(of: axis.series[index]) {
        points[series].append((place, error))
      } else {
        names.append(axis.series[index])
        points.append([(place, error)])
      }
    }
    let compared = points.filter { Set($0.map(\.place)).count > 1 }
    let all = compared.joined()
    guard let least = all.map(\.place).min(), let greatest = all.map(\.place).max() else {
      return nil
    }
    func end(_ place: Double) -> End {
      let errors = all.filter { $0.place == place }.map(\.error)
      return End(place: place, error: errors.reduce(0, +) / Double(errors.count))
    }
    self.axis = axis.name
    (self.least, self.greatest) = (end(least), end(greatest))
    (seriesCount, rowCount) = (compared.count, all.count)
    var (products, squares) = (0.0, 0.0)
    for series in compared {
      let count = Double(series.count)
      let places = series.map { log2($0.place) }
      let meanPlace = places.reduce(0, +) / count
      let meanError = series.reduce(0) { $0 + $1.error } / count
      for (place, point) in zip(places, series) {
        products += (place - meanPlace) * (point.error - meanError)
        squares += (place - meanPlace) * (place - meanPlace)
      }
    }
    perDoubling = products / squares
  }

  /// `over ranks: +3.0 % at 8, -12.0 % at 2048; -1.9 % a doubling within 2 series`.
  package func text(_ measure: ValidationRow.Measure) -> String {
    func text(_ end: End) -> String { "\(signed(end.error, measure)) at \(Int(end.place))" }
    return "over \(axis): \(text(least)), \(text(greatest)); "
      + "\(signed(perDoubling, measure)) a doubling within \(seriesCount) series"
  }
}

extension ValidationTrend: Encodable {
  private enum Keys: String, CodingKey {
    case axis, least, greatest, series, rows
    case leastError = "error_at_least"
    case greatestError = "error_at_greatest"
    case perDoubling = "error_per_doubling"
  }

  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Keys.self)
    try values.encode(axis, forKey: .axis)
    try values.encode(least.place, forKey: .least)
    try values.encode(least.error, forKey: .leastError)
    try values.encode(greatest.place, forKey: .greatest)
    try values.encode(greatest.error, forKey: .greatestError)
    try values.encode(perDoubling, forKey: .perDoubling)
    try values.encode(seriesCount, forKey: .series)
    try values.encode(rowCount, forKey: .rows)
  }
}
