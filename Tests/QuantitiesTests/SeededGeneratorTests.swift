import Quantities
import Testing

/// The one generator that chance comes from.
@Suite struct SeededGeneratorTests {
  /// The first numbers of seed 1234567, as the authors' program in C gives them (prng.di.unimi.it,
  /// splitmix64.c).
  @Test func numbersAreThoseOfTheSource() {
    var generator = SeededGenerator(seed: 1_234_567)
    let expected: [UInt64] = [
      6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
      4_593_380_528_125_082_431, 16_408_922_859_458_223_821,
    ]
    #expect(expected.map { _ in generator.next() } == expected)
  }

  /// Numbers of 0 ..< 1 are the upper 53 bits.
  @Test func unitsAreUpperBits() {
    var (bits, units) = (SeededGenerator(seed: 9), SeededGenerator(seed: 9))
    for _ in 0..<1000 { #expect(units.unit() == Double(bits.next() >> 11) * 0x1p-53) }
  }

  /// A number that follows from counters: the last one may be given by itself.
  @Test func numbersFollowFromCounters() {
    var seen: Set<Double> = []
    for counters in [[], [0], [0, 0], [1], [0, 1], [1, 0], [-1]] {
      let unit = SeededGenerator.unit(seed: 3, counters)
      #expect((0..<1).contains(unit) && seen.insert(unit).inserted)
      if let last = counters.last {
        #expect(SeededGenerator.unit(seed: 3, Array(counters.dropLast()), last) == unit)
      }
    }
    #expect(SeededGenerator.unit(seed: 4, [0]) != SeededGenerator.unit(seed: 3, [0]))
  }
}
