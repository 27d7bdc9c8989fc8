/// A sum of parts, none of them negative, that comes as near to measurements as can be, relative to each.
///
/// Every subset of the columns is fitted by its normal equations; of those without a negative part the one with
/// the least sum of squares is taken, which is the optimum (the conditions of Karush, Kuhn and Tucker leave a
/// subset like that). Time grows with 2 to the number of columns, of which there are at most five.
struct NonNegativeFit {
  var coefficients: [Double]

  /// - Parameters:
  ///   - rows: what each part counts of every measurement.
  ///   - most: the most parts that may differ from 0.
  init(_ rows: [[Double]], _ values: [Double], most: Int) {
    let count = rows.first?.count ?? 0
    coefficients = Array(repeating: 0, count: count)
    var least = Double.infinity
    for subset in 1..<(1 << count) where subset.nonzeroBitCount <= most {
      let columns = (0..<count).filter { subset >> $0 & 1 == 1 }
      guard let found = Self.solve(rows, values, columns), found.allSatisfy({ $0 >= 0 }) else {
        continue
      }
      var all = Array(repeating: 0.0, count: count)
      for (column, value) in zip(columns, found) { all[column] = value }
      let error = Self.squares(rows, values, all)
      // More parts have to be worth it: rounding is not.
      if error < least * (1 - 1e-9) - 1e-24 {
        least = error
        coefficients = all
      }
    }
  }

  private static func squares(
    _ rows: [[Double]], _ values: [Double], _ coefficients: [Double]
  ) -> Double {
    zip(rows, values).reduce(0) { sum, row in
      let error = zip(row.0, coefficients).reduce(0) { $0 + $1.0 * $1.1 } / row.1 - 1
      return sum + error * error
    }
  }

  /// Least squares of the chosen columns, each scaled to its largest; nil where they depend on each other.
  private static func solve(
    _ rows: [[Double]], _ values: [Double], _ columns: [Int]
  ) -> [Double]? {
    let scales = columns.map { column in
      zip(rows, values).map { $0[column] / $1 }.max() ?? 0
    }
    guard scales.allSatisfy({ $0 > 0 }) else { return nil }
    let relative = zip(rows, values).map { row, value in
      zip(columns, scales).map { row[$0] / value / $1 }
    }
    var matrix = columns.indices.map { first in
      columns.indices.map { second in relative.reduce(0) { $0 + $1[first] * $1[second] } }
        + [relative.reduce(0) { $0 + $1[first] }]
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
    return columns.indices.map { matrix[$0][columns.count] / matrix[$0][$0] / scales[$0] }
  }
}
