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
