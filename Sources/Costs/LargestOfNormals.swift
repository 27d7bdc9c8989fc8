import RealModule

/// The standard normal distribution, read from its upper tail: 1 less the distribution function, which keeps
/// its digits where that is close to 1.
package enum NormalTail {
  /// The probability of a number above `value`.
  package static func probability(above value: Double) -> Double {
    Double.erfc(value / 2.0.squareRoot()) / 2
  }

  /// The number above which a draw lies with probability `tail`, above 0 and below 1.
  ///
  /// A rational start (Abramowitz and Stegun, Handbook of Mathematical Functions, formula 26.2.23, off by
  /// 4.5e-4 at most) and two steps by Halley, each of which triples the digits.
  package static func quantile(_ tail: Double) -> Double {
    precondition(tail > 0 && tail < 1, "A probability is above 0 and below 1.")
    if tail > 0.5 { return -quantile(1 - tail) }
    let root = (-2 * Double.log(tail)).squareRoot()
    var value =
      root - (2.515517 + root * (0.802853 + root * 0.010328))
      / (1 + root * (1.432788 + root * (0.189269 + root * 0.001308)))
    for _ in 0..<2 {
      let density = Double.exp(-value * value / 2) / (2 * Double.pi).squareRoot()
      let step = (probability(above: value) - tail) / density
      value += step / (1 - step * value / 2)
    }
    return value
  }
}

/// The largest of independent draws from the standard normal distribution: what a group waits for whose
/// members scatter.
package struct LargestOfNormals: Hashable, Sendable {
  package let count: Int

  package init(of count: Int) {
    precondition(count > 0, "A group has members.")
    self.count = count
  }

  /// The largest of the draws that is exceeded with probability `tail`, above 0 and below 1.
  ///
  /// All draws lie below a value with the count-th power of the probability that one does.
  package func quantile(_ tail: Double) -> Double {
    if count == 1 { return NormalTail.quantile(tail) }
    let ofOne = -Double.expMinusOne(Double.log(onePlus: -tail) / Double(count))
    return NormalTail.quantile(min(max(ofOne, .leastNormalMagnitude), 1 - 1e-16))
  }

  /// Its mean: 0 for one draw, 1/√π for two, 3/(2√π) for three.
  ///
  /// The integral of the probability of a larger number above 0 less that of a smaller one below, by the
  /// trapezoidal rule, which is exact to rounding for functions as smooth as these. About 1,300 points.
  package var mean: Double { count == 1 ? 0 : integral { _ in 1 } }

  /// Its standard deviation: 1 for one draw, √(1 − 1/π) for two.
  package var deviation: Double {
    if count == 1 { return 1 }
    // The slope's own slope at 0, where both integrals end, shows in the rule (Euler and Maclaurin).
    let square = integral { 2 * $0 } + Self.step * Self.step / 6
    let mean = mean
    return (square - mean * mean).squareRoot()
  }

  private static let step = 1.0 / 64

  /// The mean of a function that is 0 at 0, from its slope.
  private func integral(_ slope: (Double) -> Double) -> Double {
    let step = Self.step
    return step
      * (-640...640).reduce(0.0) { sum, index in
        let value = Double(index) * step
        let below = Double.exp(
          Double(count) * Double.log(onePlus: -NormalTail.probability(above: value)))
        // Half of each at 0, where both integrals end.
        if index == 0 { return sum + slope(0) * ((1 - below) / 2 - below / 2) }
        return sum + slope(value) * (index > 0 ? 1 - below : -below)
      }
  }
}
