import Kernels
import Testing

@Suite struct OptimizerTests {
  @Test(arguments: [1, 8, 37])
  func adamWFollowsItsDefinition(_ count: Int) {
    var numbers = Numbers(seed: 20)
    let settings = AdamWSettings(
      learningRate: 0.01, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, decay: 0.1)
    var p = numbers.floats(count)
    var (m, v) = ([Float](repeating: 0, count: count), [Float](repeating: 0, count: count))
    var (exact, m1, m2) = (doubles(p), doubles(m), doubles(v))
    for step in 1...5 {
      let g = numbers.floats(count, limit: 4)
      adamW(
        &p, moment1: &m, moment2: &v, g, count: count, step: step, gradientScale: 0.5, settings)
      for i in 0..<count {
        Reference.adamW(
          parameter: &exact[i], moment1: &m1[i], moment2: &m2[i], gradient: Double(g[i]) * 0.5,
          step: step, settings)
      }
    }
    expectClose(p, exact, within: 1e-6)
    expectClose(m, m1, within: 1e-6)
    expectClose(v, m2, within: 1e-6)
  }

  @Test func squaresAreSummedByBlock() {
    var numbers = Numbers(seed: 21)
    let x = numbers.floats(2 * squareBlock + 77)
    var sums = [Double](repeating: .nan, count: 3)
    blockSumsOfSquares(&sums, x, count: x.count)
    #expect(sumOfSquares(x, count: x.count) == sums[0] + sums[1] + sums[2])
    let exact = doubles(x).reduce(0) { $0 + $1 * $1 }
    #expect(abs(sums.reduce(0, +) - exact) < 1e-9 * exact)
    let tail = Array(x[squareBlock...])
    var tailSums = [Double](repeating: .nan, count: 2)
    blockSumsOfSquares(&tailSums, tail, count: tail.count)
    #expect(tailSums == Array(sums[1...]), "a shard cut at a block forms the same bits")
    #expect(sumOfSquares(x, count: 0) == 0)
  }
}
