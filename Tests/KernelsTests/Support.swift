import Kernels
import Testing

/// A seeded generator of numbers (SplitMix64), so that a failing case can be run again.
struct Numbers {
  var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func bits() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// Uniform in -limit ..< limit.
  mutating func floats(_ count: Int, limit: Float = 1) -> [Float] {
    (0..<count).map { _ in (Float(bits() >> 40) / 8_388_608 - 1) * limit }
  }

  mutating func below(_ limit: Int, count: Int) -> [Int32] {
    (0..<count).map { _ in Int32(bits() % UInt64(limit)) }
  }
}

func doubles(_ x: [Float]) -> [Double] { x.map(Double.init) }

func product(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }

/// Expects max |a - b| <= tolerance * max |b|.
func expectClose(
  _ a: [Float], _ b: [Double], within tolerance: Double = 1e-5,
  _ location: SourceLocation = #_sourceLocation
) {
  #expect(a.count == b.count, sourceLocation: location)
  let size = max(b.reduce(0) { max($0, abs($1)) }, 1e-6)
  let difference = zip(a, b).reduce(0) { largest, pair in
    let d = abs(Double(pair.0) - pair.1)
    return d.isNaN ? .infinity : max(largest, d)
  }
  #expect(difference <= tolerance * size, "\(difference) of \(size)", sourceLocation: location)
}

/// A buffer of `count` floats that `body` fills, preset with a value that would be noticed.
func filled(_ count: Int, preset: Float = .nan, _ body: (UnsafeMutablePointer<Float>) -> Void)
  -> [Float]
{
  [Float](unsafeUninitializedCapacity: max(count, 1)) { buffer, initialised in
    buffer.initialize(repeating: preset)
    body(buffer.baseAddress!)
    initialised = count
  }
}
