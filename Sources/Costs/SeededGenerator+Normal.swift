import Quantities
import RealModule

extension SeededGenerator {
  /// A number of the standard normal distribution (Box and Muller, Annals of Mathematical Statistics 29,
  /// 1958).
  public mutating func normal() -> Double {
    let first = (Double(next() >> 11) + 1) / 9_007_199_254_740_994
    let second = Double(next() >> 11) / 9_007_199_254_740_992
    return (-2 * Double.log(first)).squareRoot() * Double.cos(2 * .pi * second)
  }
}
