import Foundation
import Kernels
import Testing

@Suite struct HeadLossTests {
  @Test(arguments: [1, 3, 128])
  func lossAndGradients(_ tile: Int) {
    var numbers = Numbers(seed: 18)
    let shape = HeadShape(rows: 7, columns: 5, vocabulary: 19, tile: tile)
    let (hidden, weight) = (numbers.floats(35, limit: 2), numbers.floats(95))
    let labels: [Int32] = [0, 18, -1, 4, 4, -1, 7]
    let bench = Workbench()
    var workspace = [Float](repeating: .nan, count: shape.workspaceCount)
    var dw = [Float](repeating: 1, count: 95)
    var loss = LossSum()
    let dh = filled(35) {
      loss = headLossBackward(
        $0, &dw, workspace: &workspace, hidden, weight, labels: labels, shape, scale: 0.2,
        on: bench)
    }
    #expect(bench.matmulFLOPs == 3 * 2 * 7 * 5 * 19)
    let (h, w, l) = (doubles(hidden), doubles(weight), labels.map(Int.init))
    let exact = Reference.headLoss(h, w, labels: l, shape)
    #expect(loss.labelled == 5)
    #expect(abs(loss.sum - exact) < 1e-5 * exact)
    expectClose(
      dh, Reference.gradient(at: h) { 0.2 * Reference.headLoss($0, w, labels: l, shape) },
      within: 3e-5)
    let weights = Reference.gradient(at: w) { 0.2 * Reference.headLoss(h, $0, labels: l, shape) }
    expectClose(dw, weights.map { $0 + 1 }, within: 3e-5)

    let only = headLoss(
      workspace: &workspace, hidden, weight, labels: labels, shape, on: Workbench())
    #expect(only.labelled == 5)
    #expect(abs(only.sum - exact) < 1e-5 * exact)
    let logits = filled(7 * 19) { headLogits($0, hidden, weight, shape, on: bench) }
    let size = ProductSize(m: 7, n: 19, k: 5)
    expectClose(logits, Reference.matmul(h, w, size, turnedB: true))
  }

  /// A loss of log-probabilities under a temperature: its gradients by differences, and what the head
  /// says of each token.
  @Test func policyLossAndGradients() {
    var numbers = Numbers(seed: 21)
    let shape = HeadShape(rows: 6, columns: 5, vocabulary: 19, tile: 4)
    let (hidden, weight) = (numbers.floats(30, limit: 2), numbers.floats(95))
    let labels: [Int32] = [0, 18, -1, 4, 4, 7]
    let temperature = 0.7
    func likelihoods(_ h: [Double], _ w: [Double]) -> [(log: Double, entropy: Double)] {
      let logits = Reference.matmul(h, w, ProductSize(m: 6, n: 19, k: 5), turnedB: true)
      return labels.enumerated().map { row, label in
        let z = logits[row * 19..<(row + 1) * 19].map { $0 / temperature }
        let sum = z.reduce(0) { $0 + exp($1) }
        let entropy = z.reduce(0) { $0 - exp($1) / sum * ($1 - log(sum)) }
        return (label < 0 ? 0 : z[Int(label)] - log(sum), entropy)
      }
    }
    // Some loss whose slope depends on the row: row · exp(log-probability).
    func loss(_ h: [Double], _ w: [Double]) -> Double {
      likelihoods(h, w).enumerated().reduce(0) {
        $0 + (labels[$1.offset] < 0 ? 0 : Double($1.offset + 1) * exp($1.element.log))
      }
    }
    let bench = Workbench()
    var workspace = [Float](repeating: .nan, count: shape.workspaceCount)
    var dw = [Float](repeating: 1, count: 95)
    var total = LossSum()
    var said: [Int: TokenLikelihood] = [:]
    let dh = filled(30) {
      total = headPolicyBackward(
        $0, &dw, workspace: &workspace, hidden, weight, labels: labels, shape,
        temperature: Float(temperature), on: bench
      ) { row, token in
        said[row] = token
        let value = Double(row + 1) * exp(token.logProbability)
        return (value, value)
      }
    }
    #expect(bench.matmulFLOPs == 3 * 2 * 6 * 5 * 19)
    let (h, w) = (doubles(hidden), doubles(weight))
    #expect(total.labelled == 5 && abs(total.sum - loss(h, w)) < 1e-5)
    expectClose(dh, Reference.gradient(at: h) { loss($0, w) }, within: 3e-5)
    expectClose(dw, Reference.gradient(at: w) { loss(h, $0) }.map { $0 + 1 }, within: 3e-5)
    let exact = likelihoods(h, w)
    for (row, token) in said {
      #expect(abs(token.logProbability - exact[row].log) < 1e-5)
      #expect(abs(token.entropy - exact[row].entropy) < 1e-5)
    }
    var alone: [Int: TokenLikelihood] = [:]
    let sum = headLikelihoods(
      workspace: &workspace, hidden, weight, labels: labels, shape,
      temperature: Float(temperature), on: bench
    ) { alone[$0] = $1 }
    #expect(alone == said && sum.labelled == 5)
  }

  @Test func theSameInputsGiveTheSameBits() {
    func run() -> ([Float], [Float], Double) {
      var numbers = Numbers(seed: 19)
      let shape = HeadShape(rows: 70, columns: 33, vocabulary: 300, tile: 32)
      let (hidden, weight) = (numbers.floats(70 * 33), numbers.floats(300 * 33))
      let labels = numbers.below(300, count: 70)
      var workspace = [Float](repeating: .nan, count: shape.workspaceCount)
      var dw = [Float](repeating: 0, count: 300 * 33)
      var sum = 0.0
      let dh = filled(70 * 33) {
        sum =
          headLossBackward(
            $0, &dw, workspace: &workspace, hidden, weight, labels: labels, shape, scale: 1,
            on: Workbench()
          ).sum
      }
      return (dh, dw, sum)
    }
    let (a, b) = (run(), run())
    #expect(a.0 == b.0 && a.1 == b.1 && a.2 == b.2)
  }

  @Test func aProductOfSubnormalNumbersIsZero() {
    let tiny = [Float](repeating: .leastNonzeroMagnitude, count: 64)
    let large = [Float](repeating: 1e30, count: 64)
    let size = ProductSize(m: 8, n: 8, k: 8)
    let out = filled(64) {
      matmul(
        $0, stride: 8, Factor(tiny, stride: 8), Factor(large, stride: 8), size, on: Workbench())
    }
    #expect(out == [Float](repeating: 0, count: 64))
  }

  @Test func aLabelOutsideTheVocabularyTraps() async {
    await #expect(processExitsWith: .failure) {
      var workspace: [Float] = [0, 0]
      let shape = HeadShape(rows: 1, columns: 1, vocabulary: 2)
      _ = headLoss(
        workspace: &workspace, [1], [1, 2], labels: [2], shape, on: Workbench())
    }
  }
}
