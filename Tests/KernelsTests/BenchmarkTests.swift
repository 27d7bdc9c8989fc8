import Foundation
import TestSupport
import Testing

@Suite struct BenchmarkTests {
  /// One line of the benchmark: kernel and sizes, and the hash of the result.
  private struct Line: Equatable {
    var kernel: String
    var hash: UInt64
  }

  private func smoke() throws -> [Line] {
    let program = Launch.program("bench-kernels", beside: Bundle.module)
    let outcome = try Launch.run([program, "--smoke"])
    #expect(outcome.status == 0, "\(outcome.output)")
    return try outcome.output.split(separator: "\n").filter { $0.contains("ms  ") }.map { line in
      let last = try #require(line.split(separator: " ").last, "\(line)")
      let hash = try #require(UInt64(last, radix: 16), "\(line)")
      // The name and the sizes stand in 62 columns in front of the rate.
      let kernel = line.prefix(62).split(separator: " ").joined(separator: " ")
      return Line(kernel: kernel, hash: hash)
    }
  }

  /// FNV-1a over the bits of floats, as the benchmark hashes.
  private func hash(_ values: some Sequence<Float>) -> UInt64 {
    values.reduce(0xCBF2_9CE4_8422_2325) {
      ($0 ^ UInt64($1.bitPattern)) &* 0x0000_0100_0000_01B3
    }
  }

  /// The benchmark's seeded numbers between -1 and 1.
  private func numbers(_ count: Int, seed: UInt64 = 1) -> [Float] {
    var state = seed
    return (0..<count).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Float(state >> 40) / 8_388_608 - 1
    }
  }

  /// Every kernel runs and gives the same bits again; those of plain streams are known.
  @Test func theBenchmarkRepeats() throws {
    let lines = try smoke()
    #expect(lines.count > 20)
    #expect(try smoke() == lines)
    func found(_ kernel: String) throws -> UInt64 {
      try #require(lines.first { $0.kernel == kernel }, "\(kernel)").hash
    }
    let x = numbers(10_000)
    // Each body runs twice: once unmeasured. Two changes of the sign are none.
    #expect(try found("copy 10000") == hash(x.prefix(1000)))
    #expect(try found("scale in place 10000") == hash(x.prefix(1000)))
    #expect(try found("add scaled 10000") == hash(x.prefix(1000).map { $0 + 0.5 * $0 + 0.5 * $0 }))
    let squares = x.reduce(0.0) { $0 + Double($1) * Double($1) }
    let sum = try found("sum of squares 10000")
    // The kernel adds in another order: the sum is one of the neighbouring floats.
    let near = (-4...4).map { Float(bitPattern: UInt32(Int(Float(squares).bitPattern) + $0)) }
    #expect(near.contains { hash([$0]) == sum })
  }
}
