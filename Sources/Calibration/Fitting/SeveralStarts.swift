import RealModule

/// Fits from several starts, one behind the other and always the same, of which the least counts.
///
/// Where several ways compete and the fastest is the time, a fit from one start may end with two or three of them equally
/// fast at some sizes: to make one slower alone changes nothing, and to make it faster is wrong. So each way is also
/// tried with all others out of its way, and then every parameter of the best fit moved up and down.
struct SeveralStarts {
  /// What a parameter belongs to, and what it is multiplied by to make that slower.
  struct Way {
    var name: String
    var slower: Double
  }

  /// How many predictions of one measurement further starts may take in all.
  private(set) var budget = 300_000

  private static let move = 8.0
  /// The root of the mean square of errors below which no better fit is sought: benchmarks print three figures.
  private static let exact = 1e-3

  /// The best fit from all starts; with fewer than two ways that from `start`.
  ///
  /// - Parameter ways: of each parameter, or none.
  mutating func least(
    from start: [Double], within ranges: [ClosedRange<Double>], ways: [Way],
    _ residuals: ([Double]) -> [Double]
  ) -> [Double] {
    let search = LeastSquares()
    var best = search.fit(from: start, within: ranges, residuals)
    let names = Set(ways.filter { $0.slower != 1 }.map(\.name)).sorted()
    guard names.count > 1 else { return best }
    let errors = residuals(best)
    var loss = search.loss(errors)
    var left = budget
    func tryFrom(_ other: [Double]) {
      let mean = loss / Double(errors.count)
      guard left > 0, mean > Self.exact * Self.exact else { return }
      let found = search.fit(from: other, within: ranges) { values in
        left -= errors.count
        return residuals(values)
      }
      let its = search.loss(residuals(found))
      if its < loss * (1 - 1e-6) { (best, loss) = (found, its) }
    }
    for name in names {
      tryFrom(zip(start, ways).map { $1.name == name ? $0 : $0 * $1.slower })
    }
    for factor in [Self.move, 1 / Self.move] {
      for place in start.indices {
        var other = best
        other[place] *= factor
        tryFrom(other)
      }
    }
    budget = left
    return best
  }

  /// Values with further parameters, one at a time, each of which leaves less than half of what was missed.
  ///
  /// Where a way is the fastest at few sizes its start hardly moves their times beside what was chosen first, and yet may
  /// be all that is wrong.
  ///
  /// - Parameters:
  ///   - chosen: places of the parameters that were fitted; those that are added are appended.
  ///   - start: the values from which a parameter that was not chosen is tried, as it is and moved up and down.
  ///   - most: how many are added.
  mutating func grown(
    _ values: [Double], _ chosen: inout [Int], from start: [Double],
    within ranges: [ClosedRange<Double>], most: Int, _ residuals: ([Double]) -> [Double]
  ) -> [Double] {
    let search = LeastSquares()
    var values = values
    for _ in 0..<max(0, most) {
      let errors = residuals(values)
      let loss = search.loss(errors)
      guard loss > Self.exact * Self.exact * Double(errors.count) else { break }
      var best: (place: Int, values: [Double], loss: Double)?
      for place in start.indices where start[place] > 0 && !chosen.contains(place) {
        let places = chosen + [place]
        for factor in [1, Self.move, 1 / Self.move] where budget > 0 {
          var other = values
          other[place] = start[place] * factor
          let found = search.fit(
            from: places.map { other[$0] }, within: places.map { ranges[$0] }
          ) { moved in
            budget -= errors.count
            for (place, value) in zip(places, moved) { other[place] = value }
            return residuals(other)
          }
          for (place, value) in zip(places, found) { other[place] = value }
          let its = search.loss(residuals(other))
          if its < (best?.loss ?? loss / 2) { best = (place, other, its) }
        }
      }
      guard let best else { break }
      values = best.values
      chosen.append(best.place)
    }
    return values
  }

  /// Values back towards where they began, as far as the fit is as good: a way that is never the fastest is
  /// made no slower than that takes.
  ///
  /// - Parameter places: of the values that may be moved back.
  static func nearest(
    _ values: [Double], to start: [Double], _ places: [Int], _ residuals: ([Double]) -> [Double]
  ) -> [Double] {
    let search = LeastSquares()
    var values = values
    let most = search.loss(residuals(values)) * (1 + 1e-6)
    for place in places where start[place] > 0 && values[place] > 0 {
      let found = values[place]
      var (near, far) = (0.0, 1.0)
      func value(_ share: Double) -> Double {
        start[place] * Double.pow(found / start[place], share)
      }
      for _ in 0..<20 {
        let middle = (near + far) / 2
        values[place] = value(middle)
        if search.loss(residuals(values)) <= most { far = middle } else { near = middle }
      }
      // Whole where a whole move was needed.
      values[place] = far == 1 ? found : value(far)
    }
    return values
  }
}
