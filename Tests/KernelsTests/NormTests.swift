import Kernels
import Testing

@Suite struct NormTests {
  static let sides = [(1, 1), (2, 7), (3, 8), (5, 45)]

  @Test(arguments: sides)
  func layerNorm(_ sides: (Int, Int)) {
    let (rows, columns) = sides
    var numbers = Numbers(seed: 5)
    let x = numbers.floats(rows * columns, limit: 2)
    let (gain, bias) = (numbers.floats(columns), numbers.floats(columns))
    let dy = numbers.floats(rows * columns)
    var mean = [Float](repeating: 0, count: rows)
    var reciprocal = mean
    let y = filled(x.count) {
      layerNormForward(
        $0, mean: &mean, reciprocal: &reciprocal, x, gain: gain, bias: bias, rows: rows,
        columns: columns, epsilon: 0.1)
    }
    let (g, b) = (doubles(gain), doubles(bias))
    let epsilon = Double(Float(0.1))
    expectClose(y, Reference.layerNorm(doubles(x), gain: g, bias: b, epsilon: epsilon))

    var dgain = [Float](repeating: 1, count: columns)
    var dbias = [Float](repeating: 1, count: columns)
    let dx = filled(x.count, preset: 2) {
      layerNormBackward(
        $0, gain: &dgain, bias: &dbias, dy, x, gain: gain, mean: mean, reciprocal: reciprocal,
        rows: rows, columns: columns, accumulate: true)
    }
    func loss(_ x: [Double], _ g: [Double], _ b: [Double]) -> Double {
      product(Reference.layerNorm(x, gain: g, bias: b, epsilon: epsilon), doubles(dy))
    }
    let inputs = Reference.gradient(at: doubles(x)) { loss($0, g, b) }
    expectClose(dx, inputs.map { $0 + 2 }, within: 2e-5)
    let gains = Reference.gradient(at: g) { loss(doubles(x), $0, b) }
    expectClose(dgain, gains.map { $0 + 1 }, within: 2e-5)
    let biases = Reference.gradient(at: b) { loss(doubles(x), g, $0) }
    expectClose(dbias, biases.map { $0 + 1 }, within: 2e-5)
  }

  /// Rows that are taken together have the bits that each has by itself.
  @Test(arguments: [8, 24, 32, 72, 45]) func aRowOfRMSNormIsAlone(columns: Int) {
    var numbers = Numbers(seed: 6)
    let (rows, stride) = (19, columns + 3)
    let x = numbers.floats(rows * stride, limit: 2)
    let gain = numbers.floats(columns)
    var reciprocal = [Float](repeating: .nan, count: rows)
    let y = filled(rows * columns) {
      rmsNormForward(
        $0, reciprocal: &reciprocal, x, gain: gain, rows: rows, columns: columns, stride: stride,
        epsilon: 1e-3)
    }
    for row in 0..<rows {
      let own = Array(x[row * stride..<row * stride + columns])
      var factor: Float = .nan
      let alone = filled(columns) {
        rmsNormForward(
          $0, reciprocal: &factor, own, gain: gain, rows: 1, columns: columns, epsilon: 1e-3)
      }
      #expect(alone == Array(y[row * columns..<(row + 1) * columns]) && factor == reciprocal[row])
    }
  }

  @Test(arguments: sides, [0, 3])
  func rmsNorm(_ sides: (Int, Int), _ gap: Int) {
    let (rows, columns) = sides
    let stride = columns + gap
    var numbers = Numbers(seed: 6)
    let wide = numbers.floats(rows * stride, limit: 2)
    let gain = numbers.floats(columns)
    let dy = numbers.floats(rows * columns)
    func dense(_ x: [Float]) -> [Float] {
      (0..<rows).flatMap { x[$0 * stride..<$0 * stride + columns] }
    }
    var reciprocal = [Float](repeating: 0, count: rows)
    let y = filled(dy.count) {
      rmsNormForward(
        $0, reciprocal: &reciprocal, wide, gain: gain, rows: rows, columns: columns,
        stride: stride, epsilon: 1e-3)
    }
    let (x, g) = (doubles(dense(wide)), doubles(gain))
    let epsilon = Double(Float(1e-3))
    expectClose(y, Reference.rmsNorm(x, gain: g, epsilon: epsilon))

    var dgain = [Float](repeating: 1, count: columns)
    let dx = filled(wide.count, preset: 2) {
      rmsNormBackward(
        $0, gain: &dgain, dy, wide, gain: gain, reciprocal: reciprocal, rows: rows,
        columns: columns, stride: stride, accumulate: true)
    }
    let inputs = Reference.gradient(at: x) {
      product(Reference.rmsNorm($0, gain: g, epsilon: epsilon), doubles(dy))
    }
    expectClose(dense(dx), inputs.map { $0 + 2 }, within: 2e-5)
    let gains = Reference.gradient(at: g) {
      product(Reference.rmsNorm(x, gain: $0, epsilon: epsilon), doubles(dy))
    }
    expectClose(dgain, gains.map { $0 + 1 }, within: 2e-5)
  }

  @Test func nothingToNormaliseTraps() async {
    await #expect(processExitsWith: .failure) {
      var (out, mean): ([Float], [Float]) = ([0], [0])
      rmsNormForward(&out, reciprocal: &mean, [1], gain: [1], rows: 1, columns: 0, epsilon: 1)
    }
  }
}
