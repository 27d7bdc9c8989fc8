import Quantities

/// Chance for one question: numbers that follow from a seed, the name of what they are for, and an index
/// alone, whichever others were drawn before.
struct TaskChance: RandomNumberGenerator {
  private var generator: SeededGenerator

  init(seed: UInt64, purpose: String, index: Int) {
    let state = SeededGenerator.mixed(seed ^ Self.hash(purpose))
    generator = SeededGenerator(
      seed: SeededGenerator.mixed(state ^ UInt64(index) &* 0xD1B5_4A32_D192_ED03))
  }

  mutating func next() -> UInt64 { generator.next() }

  /// A number in 0 ..< 1 with 53 random bits.
  mutating func unit() -> Double { generator.unit() }

  /// A number below `bound`; the high half of a product, whose bias is below 1e-17 for such bounds.
  mutating func below(_ bound: Int) -> Int {
    Int(next().multipliedFullWidth(by: UInt64(bound)).high)
  }

  /// A number of a range.
  mutating func number(in range: ClosedRange<Int>) -> Int {
    range.lowerBound + below(range.count)
  }

  /// One of some values.
  mutating func element<Value>(of values: [Value]) -> Value { values[below(values.count)] }

  /// Some of different values, in an order of chance.
  ///
  /// The order does not depend on how the standard library shuffles.
  mutating func some<Value>(_ count: Int, of values: [Value]) -> [Value] {
    precondition(count <= values.count)
    var values = values
    for place in 0..<count { values.swapAt(place, place + below(values.count - place)) }
    return Array(values[..<count])
  }

  /// A number that a text always has: FNV-1a, mixed.
  static func hash(_ text: String) -> UInt64 {
    var sum: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in text.utf8 { sum = (sum ^ UInt64(byte)) &* 0x100_0000_01B3 }
    return SeededGenerator.mixed(sum)
  }
}
