import Costs
import Testing

@Suite struct LargestOfNormalsTests {
  /// The quantile undoes the probability, in both tails and far out.
  @Test(arguments: [-8, -3, -1, -1e-3, 0, 0.5, 2, 5, 9, 20, 37])
  func quantileUndoesProbability(value: Double) {
    // Below, 1 less a small probability has lost its digits.
    guard value > -6 else {
      #expect(NormalTail.probability(above: value) > 1 - 1e-14)
      return
    }
    let again = NormalTail.quantile(NormalTail.probability(above: value))
    #expect(abs(again - value) < 1e-6 * max(1, abs(value)), "\(again)")
  }

  /// Known points of the distribution.
  @Test func knownQuantiles() {
    #expect(abs(NormalTail.quantile(0.025) - 1.959963984540054) < 1e-12)
    #expect(abs(NormalTail.quantile(0.9) + 1.2815515655446004) < 1e-12)
  }

  /// Means of the largest of few in closed form, of many from tables of order statistics
  /// (Harter, Biometrika 48, 1961: 1.02938, 1.42360, 2.50759 of 4, 8, 100).
  @Test(
    arguments: [
      (1, 0), (2, 0.5641895835477563), (3, 0.8462843753216345), (4, 1.02938), (8, 1.42360),
      (100, 2.50759),
    ] as [(Int, Double)])
  func meansOfTheLargest(count: Int, mean: Double) {
    #expect(abs(LargestOfNormals(of: count).mean - mean) < 1e-5)
  }

  /// The mean of the quantiles over all probabilities is the mean: two ways to the same number.
  @Test(arguments: [1, 2, 7, 64, 2048]) func quantilesHaveTheMean(count: Int) {
    let largest = LargestOfNormals(of: count)
    let points = 20_000
    let sum = (0..<points).reduce(0.0) { sum, point in
      sum + largest.quantile((Double(point) + 0.5) / Double(points))
    }
    #expect(abs(sum / Double(points) - largest.mean) < 2e-3)
  }

  /// All of `count` draws lie below the quantile with the probability that was asked for.
  @Test(arguments: [2, 5, 1000]) func quantileOfTheLargest(count: Int) {
    for tail in [0.999, 0.5, 0.1, 1e-9] {
      let above = NormalTail.probability(above: LargestOfNormals(of: count).quantile(tail))
      let none = 1 - tail
      let found = (0..<count).reduce(1.0) { product, _ in product * (1 - above) }
      #expect(abs(found - none) < 1e-9)
    }
  }
}
