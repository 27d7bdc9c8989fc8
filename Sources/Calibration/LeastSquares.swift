import RealModule

/// Fits positive parameters to measurements whose relative errors count.
///
/// Minimises the sum of soft-L1 losses of the residuals log(predicted / measured) by damped Gauss-Newton
/// steps (Levenberg and Marquardt) in the logarithms of the parameters, so that none becomes negative and
/// a measurement that contradicts the others pulls no harder than `scale`.
/// Each iteration predicts every measurement once for each parameter.
struct LeastSquares {
  /// The relative error from which on a residual counts linearly.
  var scale = 0.1
  var iterations = 200

  /// The parameters that fit best, from a start.
  ///
  /// - Parameters:
  ///   - ranges: what each parameter may be; none leaves it, though all stay positive. One that would leave its
  ///     range stays at the end of it while the others move.
  ///   - residuals: log(predicted / measured) of every measurement for some parameters.
  func fit(
    from start: [Double], within ranges: [ClosedRange<Double>]? = nil,
    _ residuals: ([Double]) -> [Double]
  ) -> [Double] {
    let ends = ranges?.map { (least: Double.log($0.lowerBound), most: Double.log($0.upperBound)) }
    // What is at an end is given back as the end itself.
    func values(_ logs: [Double]) -> [Double] {
      guard let ranges, let ends else { return logs.map { Double.exp($0) } }
      return logs.indices.map { place in
        if logs[place] >= ends[place].most { return ranges[place].upperBound }
        if logs[place] <= ends[place].least { return ranges[place].lowerBound }
        return Double.exp(logs[place])
      }
    }
    func inside(_ logs: [Double]) -> [Double] {
      guard let ends else { return logs }
      return zip(logs, ends).map { min(max($0, $1.0), $1.1) }
    }
    var logs = inside(start.map { Double.log($0) })
    func at(_ logs: [Double]) -> [Double] { residuals(values(logs)) }
    var errors = at(logs)
    var damping = 1e-2
    for _ in 0..<iterations {
      var (matrix, gradient) = normalEquations(at, logs, errors, ends)
      if let ends { Self.hold(logs, ends, &matrix, &gradient) }
      var isBetter = false
      while !isBetter, damping < 1e9 {
        let step = Self.solve(matrix, gradient, damping: damping)
        let next = inside(zip(logs, step).map { $0 + max(-1, min(1, $1)) })
        let found = at(next)
        isBetter = loss(found) < loss(errors)
        if isBetter {
          let gain = 1 - loss(found) / loss(errors)
          (logs, errors) = (next, found)
          damping = max(damping / 5, 1e-9)
          if gain < 1e-9 { return values(logs) }
        } else {
          damping *= 4
        }
      }
      if !isBetter { break }
    }
    return values(logs)
  }

  /// What is made least: a sum over the measurements.
  func loss(_ errors: [Double]) -> Double {
    errors.reduce(0) {
      $0 + 2 * scale * scale * ((1 + ($1 / scale) * ($1 / scale)).squareRoot() - 1)
    }
  }

  /// The weighted squares of the residuals' derivatives, and the downhill direction.
  private func normalEquations(
    _ at: ([Double]) -> [Double], _ logs: [Double], _ errors: [Double],
    _ ends: [(least: Double, most: Double)]?
  ) -> (matrix: [[Double]], gradient: [Double]) {
    let width = 1e-5
    let weights = errors.map { 1 / (1 + ($0 / scale) * ($0 / scale)).squareRoot() }
    let slopes = logs.indices.map { index in
      var moved = logs
      // Beyond an end nothing changes any more.
      let isHighest = ends.map { logs[index] + width > $0[index].most } ?? false
      let step = isHighest ? -width : width
      moved[index] += step
      return zip(at(moved), errors).map { ($0 - $1) / step }
    }
    let count = logs.count
    var matrix = Array(repeating: [Double](repeating: 0, count: count), count: count)
    var gradient = [Double](repeating: 0, count: count)
    for row in 0..<count {
      for place in errors.indices {
        gradient[row] -= weights[place] * slopes[row][place] * errors[place]
      }
      for column in 0...row {
        var sum = 0.0
        for place in errors.indices {
          sum += weights[place] * slopes[row][place] * slopes[column][place]
        }
        matrix[row][column] = sum
        matrix[column][row] = sum
      }
    }
    return (matrix, gradient)
  }

  /// Takes parameters out of a step that stand at an end and would go beyond it.
  private static func hold(
    _ logs: [Double], _ ends: [(least: Double, most: Double)], _ matrix: inout [[Double]],
    _ gradient: inout [Double]
  ) {
    for place in logs.indices {
      let leaves =
        logs[place] >= ends[place].most && gradient[place] > 0
        || logs[place] <= ends[place].least && gradient[place] < 0
      guard leaves else { continue }
      gradient[place] = 0
      for other in logs.indices {
        matrix[place][other] = 0
        matrix[other][place] = 0
      }
    }
  }

  /// Gauss's elimination with pivots, the diagonal raised by its own share.
  private static func solve(
    _ matrix: [[Double]], _ right: [Double], damping: Double
  ) -> [Double] {
    let count = right.count
    var rows = matrix.indices.map { row in
      var cells = matrix[row]
      // A parameter that nothing depends on stays where it is.
      cells[row] += damping * max(cells[row], 1e-9) + 1e-12
      return cells + [right[row]]
    }
    for column in 0..<count {
      let pivot = (column..<count).max { abs(rows[$0][column]) < abs(rows[$1][column]) } ?? column
      rows.swapAt(column, pivot)
      for row in column + 1..<count {
        let factor = rows[row][column] / rows[column][column]
        if factor == 0 { continue }
        for place in column...count { rows[row][place] -= factor * rows[column][place] }
      }
    }
    var solution = [Double](repeating: 0, count: count)
    for row in (0..<count).reversed() {
      var sum = rows[row][count]
      for column in row + 1..<count { sum -= rows[row][column] * solution[column] }
      solution[row] = sum / rows[row][row]
    }
    return solution
  }
}
