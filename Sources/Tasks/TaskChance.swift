/// Chance for one question: numbers that follow from a seed, the name of what they are for, and an index
/// alone, whichever others were drawn before.
///
/// The state counts, and each number is the mixed state: SplitMix64 (Steele, Lea, Flood: "Fast Splittable
/// Pseudorandom Number Generators", OOPSLA 2014).
struct TaskChance: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64, purpose: String, index: Int) {
    state = Self.mixed(seed ^ Self.hash(purpose))
    state = Self.mixed(state ^ UInt64(index) &* 0xD1B5_4A32_D192_ED03)
  }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    return Self.mixed(state)
  }

  /// A number in 0 ..< 1 with 53 random bits.
  mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }

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
    return mixed(sum)
  }

  private static func mixed(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }
}
