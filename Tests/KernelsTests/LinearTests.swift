import Kernels
import Testing

@Suite struct LinearTests {
  static let sides = [(1, 1, 1), (3, 5, 7), (17, 33, 9), (64, 40, 130), (32, 600, 40)]

  @Test(arguments: sides, [WeightLayout.outputsFirst, .inputsFirst])
  func linearAgreesWithPlainLoops(_ sides: (Int, Int, Int), _ layout: WeightLayout) {
    var numbers = Numbers(seed: 1)
    let shape = LinearShape(rows: sides.0, inputs: sides.1, outputs: sides.2, layout: layout)
    let x = numbers.floats(shape.rows * shape.inputs)
    let w = numbers.floats(shape.inputs * shape.outputs)
    let bias = numbers.floats(shape.outputs)
    let dy = numbers.floats(shape.rows * shape.outputs)
    let bench = Workbench()
    let y = filled(dy.count) { linearForward($0, x, w, bias: bias, shape, on: bench) }
    expectClose(y, Reference.linear(doubles(x), doubles(w), bias: doubles(bias), shape))

    let dx = filled(x.count) { linearBackwardInput($0, dy, w, shape, on: bench) }
    let isFirst = layout == .outputsFirst
    let inputSize = ProductSize(m: shape.rows, n: shape.inputs, k: shape.outputs)
    expectClose(dx, Reference.matmul(doubles(dy), doubles(w), inputSize, turnedB: !isFirst))

    let dw = filled(w.count, preset: 1) { linearBackwardWeight($0, dy, x, shape, on: bench) }
    let (left, right) = isFirst ? (dy, x) : (x, dy)
    let weightSize = ProductSize(
      m: isFirst ? shape.outputs : shape.inputs, n: isFirst ? shape.inputs : shape.outputs,
      k: shape.rows)
    let expected = Reference.matmul(doubles(left), doubles(right), weightSize, turnedA: true)
    expectClose(dw, expected.map { $0 + 1 })
    #expect(bench.matmulFLOPs == 3 * 2 * shape.rows * shape.inputs * shape.outputs)
    #expect(bench.attentionFLOPs == 0)
  }

  /// Where rows are kept apart, a row's bits depend on neither its place nor how many there are.
  @Test(arguments: sides, [WeightLayout.outputsFirst, .inputsFirst])
  func rowsAreKeptApart(_ sides: (Int, Int, Int), _ layout: WeightLayout) {
    var numbers = Numbers(seed: 5)
    let shape = LinearShape(rows: sides.0, inputs: sides.1, outputs: sides.2, layout: layout)
    let x = numbers.floats(shape.rows * shape.inputs)
    let w = numbers.floats(shape.inputs * shape.outputs)
    let bias = numbers.floats(shape.outputs)
    let bench = Workbench()
    bench.keepsRowsApart = true
    let y = filled(shape.rows * shape.outputs) {
      linearForward($0, x, w, bias: bias, shape, on: bench)
    }
    expectClose(y, Reference.linear(doubles(x), doubles(w), bias: doubles(bias), shape))
    #expect(bench.matmulFLOPs == 2 * shape.rows * shape.inputs * shape.outputs)
    var alone = shape
    alone.rows = 1
    for row in 0..<shape.rows {
      let own = Array(x[row * shape.inputs..<(row + 1) * shape.inputs])
      let result = filled(shape.outputs) { linearForward($0, own, w, bias: bias, alone, on: bench) }
      #expect(result == Array(y[row * shape.outputs..<(row + 1) * shape.outputs]))
    }
  }

  /// Wider vectors give the same bits, added to what was there or not.
  @Test(.enabled(if: Workbench().takesWideVectors), arguments: sides + [(33, 300, 47)])
  func widerVectorsGiveTheSameBits(_ sides: (Int, Int, Int)) {
    var numbers = Numbers(seed: 9)
    let shape = LinearShape(rows: sides.0, inputs: sides.1, outputs: sides.2)
    let x = numbers.floats(shape.rows * shape.inputs)
    let w = numbers.floats(shape.inputs * shape.outputs)
    for accumulate in [false, true] {
      let results = [false, true].map { isWide in
        let bench = Workbench()
        bench.keepsRowsApart = true
        bench.takesWideVectors = isWide
        let y = filled(shape.rows * shape.outputs, preset: 3) {
          linearForward($0, x, w, shape, accumulate: accumulate, on: bench)
        }
        #expect(bench.matmulFLOPs == 2 * shape.rows * shape.inputs * shape.outputs)
        return y
      }
      #expect(results[0] == results[1])
    }
  }

  /// Weights that rows kept apart have been multiplied by may change, once the bench is told.
  @Test func newWeightsAreTakenWhereTheBenchIsTold() {
    var numbers = Numbers(seed: 6)
    let shape = LinearShape(rows: 9, inputs: 300, outputs: 21)
    let x = numbers.floats(shape.rows * shape.inputs)
    let bench = Workbench()
    bench.keepsRowsApart = true
    var w = numbers.floats(shape.inputs * shape.outputs)
    w.withUnsafeMutableBufferPointer { w in
      for round in 0..<2 {
        for index in w.indices { w[index] += Float(round) * 0.5 }
        bench.forgetWeights()
        let y = filled(shape.rows * shape.outputs) {
          linearForward($0, x, w.baseAddress!, shape, on: bench)
        }
        expectClose(y, Reference.linear(doubles(x), doubles(Array(w)), shape))
      }
    }
  }

  @Test func biasGradientIsTheSumOverRows() {
    var numbers = Numbers(seed: 2)
    for rows in [0, 1, 3, 4, 9] {
      let dy = numbers.floats(rows * 13)
      let db = filled(13) { biasBackward($0, dy, rows: rows, outputs: 13, accumulate: false) }
      var expected = [Double](repeating: 0, count: 13)
      for (i, value) in dy.enumerated() { expected[i % 13] += Double(value) }
      expectClose(db, expected)
    }
  }

  @Test func aLongProductRunsInPanelsThatDriveMessages() {
    var numbers = Numbers(seed: 3)
    let size = ProductSize(m: 600, n: 700, k: 1000)
    let (a, b) = (numbers.floats(size.m * size.k), numbers.floats(size.n * size.k))
    let bench = Workbench()
    var calls = 0
    bench.progress = { calls += 1 }
    func run(on bench: Workbench) -> [Float] {
      filled(size.m * size.n) {
        matmul(
          $0, stride: size.n, Factor(a, stride: size.k),
          Factor(b, stride: size.k, isTransposed: true), size, on: bench)
      }
    }
    let driven = run(on: bench)
    let panels = (size.flops + Workbench.panelFLOPs - 1) / Workbench.panelFLOPs
    #expect(panels >= 3 && calls == panels - 1, "a call between every two panels")
    #expect(bench.countedFLOPs == size.flops)
    #expect(driven == run(on: Workbench()), "the callback changes no bit")
    for (i, j) in [(0, 0), (599, 699), (150, 351), (17, 640)] {
      let expected = (0..<size.k).reduce(0.0) {
        $0 + Double(a[i * size.k + $1]) * Double(b[j * size.k + $1])
      }
      #expect(abs(Double(driven[i * size.n + j]) - expected) < 1e-3)
    }
  }

  @Test func groupedProductsAreTheExpertsOneByOne() {
    var numbers = Numbers(seed: 4)
    let shape = GroupedShape(counts: [3, 0, 5, 1], inputs: 6, outputs: 10, weightStride: 64)
    let (x, w) = (numbers.floats(9 * 6), numbers.floats(4 * 64))
    let dy = numbers.floats(9 * 10)
    let bench = Workbench()
    let y = filled(9 * 10) { groupedForward($0, x, w, shape, on: bench) }
    let dx = filled(9 * 6) { groupedBackwardInput($0, dy, w, shape, on: bench) }
    let dw = filled(4 * 64, preset: 0) {
      groupedBackwardWeight($0, dy, x, shape, accumulate: false, on: bench)
    }
    #expect(bench.matmulFLOPs == 3 * 2 * 9 * 6 * 10)
    var first = 0
    for (expert, rows) in [3, 0, 5, 1].enumerated() {
      let one = LinearShape(rows: rows, inputs: 6, outputs: 10)
      let weight = doubles(Array(w[expert * 64..<expert * 64 + 60]))
      let input = doubles(Array(x[first * 6..<(first + rows) * 6]))
      let gradient = doubles(Array(dy[first * 10..<(first + rows) * 10]))
      expectClose(
        Array(y[first * 10..<(first + rows) * 10]), Reference.linear(input, weight, one))
      expectClose(
        Array(dx[first * 6..<(first + rows) * 6]),
        Reference.matmul(gradient, weight, ProductSize(m: rows, n: 6, k: 10)))
      expectClose(
        Array(dw[expert * 64..<expert * 64 + 60]),
        Reference.matmul(gradient, input, ProductSize(m: 10, n: 6, k: rows), turnedA: true))
      first += rows
    }
  }

  @Test func malformedSidesTrap() async {
    await #expect(processExitsWith: .failure) {
      _ = LinearShape(rows: 1, inputs: 0, outputs: 3)
    }
    await #expect(processExitsWith: .failure) {
      var out: [Float] = [0]
      let x: [Float] = [1]
      matmul(
        &out, stride: 1, Factor(x, stride: 1), Factor(x, stride: 1),
        ProductSize(m: 1, n: 1, k: 2), on: Workbench())
    }
  }
}
