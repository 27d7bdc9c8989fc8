import RealModule

/// A fit of those parameters that measurements decide: the others stay as they are.
///
/// Measurements of one machine at a few sizes see some constants only: the algorithm that is never the
/// fastest leaves no trace. Parameters are taken by how far they move the predictions, at most one for two
/// fitted measurements; after the fit those of algorithms that would then be the fastest are added, and where ways
/// compete those that leave less than half of what is missed.
struct SelectedFit {
  /// Every parameter's value, and which of them were decided.
  var values: [Double]
  var determined: [Int]

  /// The least mean movement, relative to the parameter's own, that decides a parameter.
  static let leastSensitivity = 0.02

  /// How many times the base's a value may become: beyond, its term has gone, and the value means nothing.
  private static let mostMove = 1e5

  /// - Parameters:
  ///   - start: the base's values; those of zero have no logarithm and stay, unless they have a seed.
  ///   - seeds: with what those begin that the base has none of; nil for none.
  ///   - ranges: what the keys of the values may be.
  ///   - measurements: how many are fitted.
  ///   - ways: of each parameter, where several ways compete; none otherwise.
  ///   - residuals: log(predicted / measured) of every fitted measurement for some values.
  init(
    from start: [Double], seeds: [Double]? = nil, within ranges: [ClosedRange<Double>],
    measurements: Int, ways: [SeveralStarts.Way] = [], _ residuals: ([Double]) -> [Double]
  ) {
    let seeds = zip(start, seeds ?? start).map { $0 > 0 ? $0 : $1 }
    // Beyond mostMove a term has gone, at the end of a range its key ends.
    let reach = zip(seeds, ranges).map { value, range in
      let (least, most) = (range.lowerBound, range.upperBound)
      return max(
        least, min(value / Self.mostMove, most))...min(
          most, max(value * Self.mostMove, least))
    }
    let most = max(1, measurements / 2)
    values = start
    determined = []
    var search = SeveralStarts()
    var chosen = Self.chosen(start, seeds, most, residuals)
    for _ in 0..<4 where !chosen.isEmpty {
      var own = start
      let found = search.least(
        from: chosen.map { seeds[$0] }, within: chosen.map { reach[$0] },
        ways: ways.isEmpty ? [] : chosen.map { ways[$0] }
      ) { moved in
        for (place, value) in zip(chosen, moved) { own[place] = value }
        return residuals(own)
      }
      values = start
      for (place, value) in zip(chosen, found) { values[place] = value }
      determined = chosen
      // What is the fastest now has to be as slow as what was.
      let next = Self.chosen(values, seeds, most, residuals).filter { !chosen.contains($0) }
      let room = max(3, measurements) - chosen.count
      if next.isEmpty || room < 1 { break }
      chosen += next.prefix(room)
    }
    if !ways.isEmpty {
      let room = max(3, measurements) - determined.count
      values = search.grown(values, &determined, from: seeds, within: reach, most: room, residuals)
    }
    var sensitive = Self.chosen(values, seeds, Int.max, residuals)
    if !ways.isEmpty {
      values = SeveralStarts.nearest(
        values, to: start, determined.filter { !sensitive.contains($0) }, residuals)
      sensitive = Self.chosen(values, seeds, Int.max, residuals)
    }
    determined = determined.filter {
      sensitive.contains($0) || start[$0] > 0 && abs(values[$0] / start[$0] - 1) > 1e-3
    }
    // What turned out to decide nothing is the base's again.
    for place in values.indices where !determined.contains(place) { values[place] = start[place] }
  }

  /// The places of parameters that move predictions, most first.
  private static func chosen(
    _ values: [Double], _ seeds: [Double], _ most: Int, _ residuals: ([Double]) -> [Double]
  ) -> [Int] {
    let here = residuals(values)
    guard !here.isEmpty else { return [] }
    let step = 1e-3
    var sensitivities: [(place: Int, value: Double)] = []
    for place in values.indices where seeds[place] > 0 {
      var moved = values
      var slopes: [Double]
      if values[place] > 0 {
        moved[place] *= Double.exp(step)
        let up = residuals(moved)
        moved[place] = values[place] * Double.exp(-step)
        let down = residuals(moved)
        slopes = zip(up, down).map { ($0 - $1) / (2 * step) }
      } else {
        // What the base has none of counts by what its seed moves.
        moved[place] = seeds[place]
        slopes = zip(residuals(moved), here).map { $0 - $1 }
      }
      let mean = (slopes.reduce(0) { $0 + $1 * $1 } / Double(slopes.count)).squareRoot()
      if mean > leastSensitivity, mean.isFinite { sensitivities.append((place, mean)) }
    }
    sensitivities.sort { ($1.value, $0.place) < ($0.value, $1.place) }
    return sensitivities.prefix(most).map(\.place)
  }
}

/// Every second of a series and its last one are fitted, so that none of the others is extrapolated.
func halved<Element>(_ series: [Element]) -> [(element: Element, isFitted: Bool)] {
  let last = series.count > 2 ? series.count - 1 : 0
  return series.enumerated().map {
    ($0.element, $0.offset.isMultiple(of: 2) || $0.offset == last)
  }
}
