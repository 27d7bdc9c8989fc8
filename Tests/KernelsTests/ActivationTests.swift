import Foundation
import Kernels
import Testing

@Suite struct ActivationTests {
  @Test func exponentialIsWithinTwoUnitsOfTheLastPlace() {
    let x = stride(from: Float(-87), through: 88, by: 0.0137).map { $0 }
    let y = filled(x.count) { exponential($0, x, count: x.count) }
    let worst = zip(x, y).reduce(0) { worst, pair in
      let exact = exp(Double(pair.0))
      return max(worst, abs(Double(pair.1) - exact) / exact)
    }
    #expect(worst < 2.4e-7, "\(worst)")
  }

  @Test func exponentialKeepsNaNAndStaysInRange() {
    let x: [Float] = [.nan, .infinity, -.infinity, 1000, -1000, 0, 1]
    let y = filled(x.count) { exponential($0, x, count: x.count) }
    #expect(y[0].isNaN)
    #expect(y[1] > 2e38 && y[3] > 2e38)
    #expect(y[2] < 2e-38 && y[4] < 2e-38)
    #expect(y[5] == 1)
    #expect(abs(y[6] - 2.7182817) < 3e-7)
  }

  /// Vectors of 512 bits and of 256 give the same bits, in range, beyond it, and at a row's end.
  @Test(.enabled(if: Workbench().takesWideVectors), arguments: [1, 7, 8, 15, 16, 17, 41])
  func widerVectorsGiveTheSameBits(_ count: Int) {
    var numbers = Numbers(seed: 13)
    var x = numbers.floats(3 * count, limit: 30)
    let odd: [Float] = [.nan, .infinity, -.infinity, 89, -88, 0, -0.0]
    x.replaceSubrange(0..<min(count, odd.count), with: odd.prefix(count))
    let up = numbers.floats(3 * count)
    func bits(_ body: (UnsafeMutablePointer<Float>) -> Void) -> [UInt32] {
      filled(3 * count, body).map(\.bitPattern)
    }
    let runs = [false, true].map { wide in
      [
        bits { exponential($0, x, count: 3 * count, wide: wide) },
        bits { geluForward($0, x, count: 3 * count, wide: wide) },
        bits { swigluForward($0, gate: x, up: up, rows: 3, columns: count, wide: wide) },
      ]
    }
    // Which of two operands gives its NaN's sign is not said.
    for (narrow, wide) in zip(runs[0], runs[1]) {
      for (a, b) in zip(narrow, wide) {
        #expect(a == b || Float(bitPattern: a).isNaN && Float(bitPattern: b).isNaN)
      }
    }
  }

  @Test(arguments: [1, 7, 8, 41])
  func gelu(_ count: Int) {
    var numbers = Numbers(seed: 11)
    let (x, dy) = (numbers.floats(count, limit: 5), numbers.floats(count))
    let y = filled(count) { geluForward($0, x, count: count) }
    expectClose(y, doubles(x).map(Reference.gelu))
    let dx = filled(count) { geluBackward($0, dy, x, count: count) }
    let slopes = doubles(x).map { x in
      Reference.gradient(at: [x]) { Reference.gelu($0[0]) }[0]
    }
    expectClose(dx, zip(slopes, dy).map { $0 * Double($1) }, within: 2e-5)
  }

  @Test(arguments: [(1, 1, false), (3, 9, false), (4, 17, true)])
  func swiglu(_ rows: Int, _ columns: Int, _ isFused: Bool) {
    var numbers = Numbers(seed: 12)
    let stride = isFused ? 2 * columns : columns
    let both = numbers.floats(2 * rows * columns, limit: 4)
    let dy = numbers.floats(rows * columns)
    let offset = isFused ? columns : rows * columns
    let y = both.withUnsafeBufferPointer { x in
      filled(rows * columns) {
        swigluForward(
          $0, gate: x.baseAddress!, up: x.baseAddress! + offset, rows: rows, columns: columns,
          stride: stride)
      }
    }
    func index(_ i: Int) -> Int { i / columns * stride + i % columns }
    func forward(_ x: [Double]) -> [Double] {
      (0..<rows * columns).map { Reference.silu(x[index($0)]) * x[index($0) + offset] }
    }
    expectClose(y, forward(doubles(both)))
    let gradient = both.withUnsafeBufferPointer { x in
      filled(both.count) {
        swigluBackward(
          gate: $0, up: $0 + offset, dy, gate: x.baseAddress!, up: x.baseAddress! + offset,
          rows: rows, columns: columns, stride: stride)
      }
    }
    let expected = Reference.gradient(at: doubles(both)) { product(forward($0), doubles(dy)) }
    expectClose(gradient, expected, within: 2e-5)
  }
}
