import Costs
import Quantities
import RealModule

/// How long the answers of a policy are: log-normal, cut where generation ends.
///
/// Answers that would go on past the longest end there, and count with its length: a share of them lies at the end.
public struct LengthDistribution: Hashable, Sendable {
  /// Mean tokens of an answer, those that are cut among them.
  public let mean: Double
  /// Tokens after which generation ends.
  public let longest: Int
  /// Standard deviation of the logarithm of a length before the cut; 0 where all are alike.
  public let spread: Double
  /// The logarithm of the median.
  private let location: Double

  /// Nil where no such lengths have this mean: it lies from one token to below the longest, or is the longest
  /// itself with no spread.
  public init?(mean: Double, longest: Int, spread: Double) {
    guard mean >= 1, spread >= 0, spread <= 4, longest >= 1, mean.isFinite else { return nil }
    guard spread == 0 ? mean <= Double(longest) : mean < 0.999 * Double(longest) else { return nil }
    self.mean = mean
    self.longest = longest
    self.spread = spread
    guard spread > 0 else {
      location = Double.log(mean)
      return
    }
    // The mean behind the cut grows with the median.
    var (low, high) = (Double.log(mean) - 10, Double.log(Double(longest)) + 30)
    for _ in 0..<100 {
      let middle = (low + high) / 2
      if Self.mean(middle, spread, Double(longest)) < mean { low = middle } else { high = middle }
    }
    location = (low + high) / 2
  }

  /// E[min(X, longest)] of a log-normal X.
  private static func mean(_ location: Double, _ spread: Double, _ longest: Double) -> Double {
    let cut = (Double.log(longest) - location) / spread
    let above = NormalTail.probability(above: cut)
    let below = 1 - NormalTail.probability(above: cut - spread)
    return Double.exp(location + spread * spread / 2) * below + longest * above
  }

  /// The share of answers that reach the longest.
  public var shareCut: Double {
    guard spread > 0 else { return mean >= Double(longest) ? 1 : 0 }
    return NormalTail.probability(above: (Double.log(Double(longest)) - location) / spread)
  }

  /// So many lengths, one from the middle of each of as many equal shares of the distribution, in an order
  /// from a seed.
  public func lengths(_ count: Int, seed: UInt64) -> [Int] {
    var lengths = (0..<count).map { index in
      let tail = 1 - (Double(index) + 0.5) / Double(count)
      let drawn = Double.exp(location + spread * (spread > 0 ? NormalTail.quantile(tail) : 0))
      return max(1, Int(min(drawn, Double(longest)).rounded()))
    }
    var random = SeededGenerator(seed: seed)
    for index in lengths.indices.dropFirst().reversed() {
      lengths.swapAt(index, Int(random.next() % UInt64(index + 1)))
    }
    return lengths
  }
}
