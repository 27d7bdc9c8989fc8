/// A small generator whose numbers follow from its seed alone.
///
/// SplitMix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014).
public struct SeededGenerator: RandomNumberGenerator, Hashable, Sendable {
  private var state: UInt64

  /// A generator at the beginning of a seed's sequence.
  public init(seed: UInt64) { state = seed }

  /// A generator for one of many purposes under one seed: a tensor, an epoch, a sample.
  public init(seed: UInt64, stream: UInt64) {
    state = seed
    state = next() ^ stream &* 0xD1B5_4A32_D192_ED03
    state = next()
  }

  /// The next 64 bits.
  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    return Self.mixed(state)
  }

  /// A number in 0 ..< 1 with 53 random bits.
  public mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// A number in 0 ..< 1 with 53 random bits that follows from a seed and some counters alone, in whatever
  /// order such numbers are asked for.
  ///
  /// - Parameter last: one more counter behind the others.
  package static func unit(seed: UInt64, _ counters: [Int], _ last: Int? = nil) -> Double {
    var value = mixed(seed &+ 0x9E37_79B9_7F4A_7C15)
    func take(_ counter: Int) {
      value = mixed((value &+ 0x9E37_79B9_7F4A_7C15) ^ UInt64(bitPattern: Int64(counter)))
    }
    for counter in counters { take(counter) }
    if let last { take(last) }
    return Double(mixed(value &+ 0x9E37_79B9_7F4A_7C15) >> 11) * 0x1p-53
  }

  /// The generator's output function: every bit of the result depends on every bit of `value`.
  package static func mixed(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }
}

/// An order of `0 ..< count` that follows from a seed, without a list of it.
///
/// A Feistel network of four rounds permutes the next power of four; what falls outside of the
/// range is permuted again until it falls inside, four times on average at most.
package struct SeededPermutation: Hashable, Sendable {
  package let count: Int
  private let halfBits: UInt64
  private let keys: [UInt64]

  package init(count: Int, seed: UInt64, stream: UInt64) {
    precondition(count > 0)
    self.count = count
    var bits: UInt64 = 1
    while bits < 31, 1 << (2 * bits) < count { bits += 1 }
    halfBits = bits
    var generator = SeededGenerator(seed: seed, stream: stream)
    keys = (0..<4).map { _ in generator.next() }
  }

  /// What stands at a place of the order.
  package subscript(place: Int) -> Int {
    precondition(0..<count ~= place)
    var value = UInt64(place)
    repeat { value = permuted(value) } while value >= UInt64(count)
    return Int(value)
  }

  private func permuted(_ value: UInt64) -> UInt64 {
    let mask: UInt64 = 1 << halfBits - 1
    var (left, right) = (value >> halfBits, value & mask)
    for key in keys {
      (left, right) = (right, left ^ SeededGenerator.mixed(right ^ key) & mask)
    }
    return left << halfBits | right
  }
}
