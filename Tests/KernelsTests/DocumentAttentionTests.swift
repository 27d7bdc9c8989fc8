import Kernels
import Testing

/// Documents of one sequence see themselves alone.
@Suite struct DocumentAttentionTests {
  /// The rows of one document, as a case of its own.
  private func part(_ whole: AttentionCase, _ rows: Range<Int>) -> AttentionCase {
    var shape = whole.shape
    (shape.queries, shape.keys) = (rows.count, rows.count)
    var own = AttentionCase(shape, seed: 1)
    func cut(_ x: [Float], _ width: Int) -> [Float] {
      Array(x[rows.lowerBound * width..<rows.upperBound * width])
    }
    own.query = cut(whole.query, shape.heads * shape.queryWidth)
    own.key = cut(whole.key, shape.keyHeads * shape.keyWidth)
    own.value = cut(whole.value, shape.keyHeads * shape.valueWidth)
    own.outGradient = cut(whole.outGradient, shape.heads * shape.valueWidth)
    return own
  }

  /// Borders within a tile of queries, and behind the first tile of keys.
  @Test func equalsDocumentsByThemselves() {
    let shape = AttentionShape(
      sequences: 1, queries: 700, heads: 2, keyHeads: 1, keyWidth: 5, valueWidth: 4, scale: 0.5)
    var whole = AttentionCase(shape, seed: 9)
    let borders = [0, 100, 103, 530, 600, 700]
    whole.firstKeys = zip(borders, borders.dropFirst()).flatMap { first, next in
      Array(repeating: Int32(first), count: next - first)
    }
    let (out, logSum) = whole.forward()
    let gradients = whole.backward(out, logSum)
    #expect(whole.bench.attentionFLOPs == shape.forwardFLOPs + shape.backwardFLOPs)
    for (first, next) in zip(borders, borders.dropFirst()) {
      let own = part(whole, first..<next)
      let (expected, ownLogSum) = own.forward()
      let width = shape.heads * shape.valueWidth
      expectClose(Array(out[first * width..<next * width]), doubles(expected))
      let expectedGradients = own.backward(expected, ownLogSum)
      for (operand, width) in [
        (0, shape.heads * shape.queryWidth), (1, shape.keyWidth), (3, shape.valueWidth),
      ] {
        expectClose(
          Array(gradients[operand][first * width..<next * width]),
          doubles(expectedGradients[operand]), within: 3e-5)
      }
    }
  }
}
