import Costs
import Quantities
import Testing

/// Normal numbers of the seeded generator.
@Suite struct NormalDrawTests {
  /// Mean 0, variance 1, fourth moment 3, each within four standard errors of 100,000 numbers.
  @Test func momentsAreThoseOfTheDistribution() {
    var generator = SeededGenerator(seed: 2)
    let count = 100_000
    var (first, second, fourth) = (0.0, 0.0, 0.0)
    for _ in 0..<count {
      let number = generator.normal()
      let square = number * number
      first += number
      second += square
      fourth += square * square
    }
    let each = 1 / Double(count)
    // The variances of x, x² and x⁴ are 1, 2 and 96.
    #expect(abs(first * each) < 4 * each.squareRoot())
    #expect(abs(second * each - 1) < 4 * (2 * each).squareRoot())
    #expect(abs(fourth * each - 3) < 4 * (96 * each).squareRoot())
  }
}
