import Documents

/// Rows that measure the same thing and do not agree: their mean would describe neither.
///
/// Single ones are noise, of small messages above all, and are said. Where many things differ the files are of other
/// machines, settings or states, and nothing tells which of them is meant.
struct Contradictions {
  /// A line for each kind of measurement whose rows differ by more than noise does.
  private(set) var remarks: [String] = []

  /// The longest over the shortest time of one thing, from which on it is said, and from which on it counts.
  private static let noise = 1.1
  private static let most = 1.25
  /// One in so many things of which there are several rows may differ by more.
  private static let one = 4

  /// - Throws: `ConfigurationError` that names the two rows which differ most.
  mutating func check<Row: MeasuredRow>(_ rows: [Row]) throws(ConfigurationError) {
    let repeated = rows.byThing.filter { $0.rows.count > 1 }.compactMap { Extremes($0) }
    guard let worst = repeated.max(by: { $0.ratio < $1.ratio }), worst.ratio > Self.noise else {
      return
    }
    let far = repeated.count { $0.ratio > Self.most }
    guard far * Self.one < repeated.count || far == 0 else {
      throw ConfigurationError(
        file: worst.longest.place.file, line: worst.longest.place.line,
        rule: "contradicts \(worst.text): of \(counted(repeated.count, "thing")) with several rows "
          + "\(far) differ\(far == 1 ? "s" : "") by more than a quarter: calibrate each file by itself, "
          + "or leave out the one that does not hold")
    }
    remarks.append(
      "\(worst.longest.place.file):\(worst.longest.place.line): differs from \(worst.text), the most of "
        + "\(counted(repeated.count, "thing")) with several rows: their mean is fitted")
  }

  /// The two rows of a thing that differ most.
  private struct Extremes<Row: MeasuredRow> {
    var shortest: Row
    var longest: Row

    init?(_ equal: EqualRows<Row>) {
      guard let shortest = equal.rows.min(by: { $0.seconds < $1.seconds }),
        let longest = equal.rows.max(by: { $0.seconds < $1.seconds }), shortest.seconds > 0
      else { return nil }
      (self.shortest, self.longest) = (shortest, longest)
    }

    var ratio: Double { longest.seconds / shortest.seconds }

    var text: String {
      "\(shortest.place.file):\(shortest.place.line) (\(shortest.thingName): "
        + "\(figures(longest.seconds * 1e6)) us, there \(figures(shortest.seconds * 1e6)))"
    }
  }
}

extension Contradictions {
  /// What is to be said of rows that differ, of every kind of measurement.
  static func remarks(of all: Measurements) throws(ConfigurationError) -> [String] {
    var found = Contradictions()
    try found.check(all.collectives)
    try found.check(all.messages)
    try found.check(all.products)
    try found.check(all.attention)
    try found.check(all.exchanges)
    try found.check(all.streams)
    return found.remarks
  }

  /// One value for each key, the first one that was read, and lines about others.
  static func distinct(
    _ values: [MeasuredValue]
  ) -> (values: [MeasuredValue], remarks: [String]) {
    var kept: [MeasuredValue] = []
    var remarks: [String] = []
    for value in values {
      guard let first = kept.first(where: { $0.path == value.path }) else {
        kept.append(value)
        continue
      }
      if first.text == value.text { continue }
      remarks.append(
        "\(value.path): \(value.text) of \(value.source) left out, \(first.text) of \(first.source) "
          + "stands")
    }
    return (kept, remarks)
  }
}
