import RealModule

/// A small seeded generator (Steele, Lea and Flood, OOPSLA 2014); chance enters only through it.
public struct SplitMix64: RandomNumberGenerator, Sendable {
  private var state: UInt64

  public init(seed: UInt64) { state = seed }

  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  /// A number of the standard normal distribution, by Box and Muller.
  public mutating func nextNormal() -> Double {
    let first = (Double(next() >> 11) + 1) / 9_007_199_254_740_994
    let second = Double(next() >> 11) / 9_007_199_254_740_992
    return (-2 * Double.log(first)).squareRoot() * Double.cos(2 * .pi * second)
  }
}
