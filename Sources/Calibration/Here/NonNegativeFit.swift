/// A sum of parts, none of them negative, that comes as near to measurements as can be, relative to each or to
/// scales of their own.
///
/// Every subset of the columns is fitted by its normal equations; of those without a negative part the one with
/// the least sum of squares is taken, which is the optimum (the conditions of Karush, Kuhn and Tucker leave a
/// subset like that). Time grows with 2 to the number of columns, of which there are at most five.
struct NonNegativeFit {
  var coefficients: [Double]

  /// - Parameters:
  ///   - rows: what each part counts of every measurement.
  ///   - scales: what an error is measured by; nil for the values themselves.
  ///   - most: the most parts that may differ from 0.
  init(_ rows: [[Double]], _ values: [Double], by scales: [Double]? = nil, most: Int) {
    let scales = scales ?? values
    let count = rows.first?.count ?? 0
    coefficients = Array(repeating: 0, count: count)
    var least = Double.infinity
    for subset in 1..<(1 << count) where subset.nonzeroBitCount <= most {
      let columns = (0..<count).filter { subset >> $0 & 1 == 1 }
      guard let found = Self.solve(rows, values, scales, columns), found.allSatisfy({ $0 >= 0 })
      else {
        continue
      }
      var all = Array(repeating: 0.0, count: count)
      for (column, value) in zip(columns, found) { all[column] = value }
      let error = Self.squares(rows, values, scales, all)
      // More parts have to be worth it: rounding is not.
      if error < least * (1 - 1e-9) - 1e-24 {
        least = error
        coefficients = all
      }
    }
  }

  /// The same of measurements whose noise grows with what is expected, and not with what came out.
  ///
  /// Where ranks take turns a message takes microseconds or a turn's milliseconds, and means of few scatter by
  /// as much. Relative to the measurements a mean near the shortest comes out; relative to the expectation, which is
  /// found again and again, the mean of all (Wedderburn, Biometrika 61, 1974: a constant coefficient of variation).
  static func ofMeans(_ rows: [[Double]], _ values: [Double], most: Int) -> NonNegativeFit {
    let mean = values.reduce(0, +) / Double(max(1, values.count))
    var scales = values.map { _ in mean }
    var fit = NonNegativeFit(rows, values, by: scales, most: most)
    for _ in 0..<20 {
      let expected = rows.map { zip($0, fit.coefficients).reduce(0) { $0 + $1.0 * $1.1 } }
      guard expected.allSatisfy({ $0 > 0 }) else { break }
      scales = expected
      fit = NonNegativeFit(rows, values, by: scales, most: most)
    }
    return fit
  }

  private static func squares(
    _ rows: [[Double]], _ values: [Double], _ scales: [Double], _ coefficients: [Double]
  ) -> Double {
    rows.indices.reduce(0) { sum, row in
      let expected = zip(rows[row], coefficients).reduce(0) { $0 + $1.0 * $1.1 }
      let error = (expected - values[row]) / scales[row]
      return sum + error * error
    }
  }

  /// Least squares of the chosen columns, each scaled to its largest; nil where they depend on each other.
  private static func solve(
    _ rows: [[Double]], _ values: [Double], _ scales: [Double], _ columns: [Int]
  ) -> [Double]? {
    let largest = columns.map { column in
      zip(rows, scales).map { $0[column] / $1 }.max() ?? 0
    }
    guard largest.allSatisfy({ $0 > 0 }) else { return nil }
    let relative = zip(rows, scales).map { row, scale in
      zip(columns, largest).map { row[$0] / scale / $1 }
    }
    let wanted = zip(values, scales).map { $0 / $1 }
    var matrix = columns.indices.map { first in
      columns.indices.map { second in relative.reduce(0) { $0 + $1[first] * $1[second] } }
        + [zip(relative, wanted).reduce(0) { $0 + $1.0[first] * $1.1 }]
    }
    for column in columns.indices {
      let pivot =
        (column..<columns.count).max {
          abs(matrix[$0][column]) < abs(matrix[$1][column])
        } ?? column
      matrix.swapAt(column, pivot)
      guard abs(matrix[column][column]) > 1e-9 * Double(rows.count) else { return nil }
      for row in columns.indices where row != column {
        let factor = matrix[row][column] / matrix[column][column]
        for place in column...columns.count { matrix[row][place] -= factor * matrix[column][place] }
      }
    }
    return columns.indices.map { matrix[$0][columns.count] / matrix[$0][$0] / largest[$0] }
  }
}
