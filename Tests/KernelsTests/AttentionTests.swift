import Kernels
import Testing

/// Dense operands of an attention, run through the kernels.
struct AttentionCase {
  var shape: AttentionShape
  var query: [Float], key: [Float], shared: [Float], value: [Float], outGradient: [Float]
  /// By query the first key that it sees; empty where it sees all that are not behind it.
  var firstKeys: [Int32] = []
  let bench = Workbench()

  init(_ shape: AttentionShape, seed: UInt64) {
    var numbers = Numbers(seed: seed)
    let (rows, keyRows) = (shape.sequences * shape.queries, shape.sequences * shape.keys)
    self.shape = shape
    query = numbers.floats(rows * shape.heads * shape.queryWidth, limit: 2)
    key = numbers.floats(keyRows * shape.keyHeads * shape.keyWidth, limit: 2)
    shared = numbers.floats(keyRows * shape.sharedWidth, limit: 2)
    value = numbers.floats(keyRows * shape.keyHeads * shape.valueWidth)
    outGradient = numbers.floats(rows * shape.heads * shape.valueWidth)
  }

  func heads(_ x: UnsafePointer<Float>, _ count: Int, _ width: Int) -> Heads {
    Heads(x, tokenStride: count * width, headStride: width)
  }

  func heads(_ x: UnsafeMutablePointer<Float>, _ count: Int, _ width: Int) -> MutableHeads {
    MutableHeads(x, tokenStride: count * width, headStride: width)
  }

  func withInputs<R>(_ body: (AttentionInputs) -> R) -> R {
    query.withUnsafeBufferPointer { q in
      key.withUnsafeBufferPointer { k in
        shared.withUnsafeBufferPointer { s in
          value.withUnsafeBufferPointer { v in
            firstKeys.withUnsafeBufferPointer { f in
              body(
                AttentionInputs(
                  query: heads(q.baseAddress!, shape.heads, shape.queryWidth),
                  key: heads(k.baseAddress!, shape.keyHeads, shape.keyWidth),
                  sharedKey: shape.sharedWidth == 0
                    ? nil : heads(s.baseAddress!, 1, shape.sharedWidth),
                  value: heads(v.baseAddress!, shape.keyHeads, shape.valueWidth),
                  firstKeys: firstKeys.isEmpty ? nil : f.baseAddress))
            }
          }
        }
      }
    }
  }

  func forward() -> (out: [Float], logSum: [Float]) {
    var logSum = [Float](repeating: .nan, count: shape.sequences * shape.heads * shape.queries)
    let out = withInputs { inputs in
      filled(outGradient.count) {
        attentionForward(
          heads($0, shape.heads, shape.valueWidth), logSum: &logSum, inputs, shape, on: bench)
      }
    }
    return (out, logSum)
  }

  func backward(_ out: [Float], _ logSum: [Float]) -> [[Float]] {
    var q = query.map { _ in Float.nan }
    var k = key.map { _ in Float.nan }
    var s = shared.map { _ in Float.nan }
    var v = value.map { _ in Float.nan }
    withInputs { inputs in
      q.withUnsafeMutableBufferPointer { q in
        k.withUnsafeMutableBufferPointer { k in
          s.withUnsafeMutableBufferPointer { s in
            v.withUnsafeMutableBufferPointer { v in
              let gradients = AttentionGradients(
                query: heads(q.baseAddress!, shape.heads, shape.queryWidth),
                key: heads(k.baseAddress!, shape.keyHeads, shape.keyWidth),
                sharedKey: shape.sharedWidth == 0
                  ? nil : heads(s.baseAddress!, 1, shape.sharedWidth),
                value: heads(v.baseAddress!, shape.keyHeads, shape.valueWidth))
              outGradient.withUnsafeBufferPointer { dy in
                out.withUnsafeBufferPointer { y in
                  attentionBackward(
                    gradients, heads(dy.baseAddress!, shape.heads, shape.valueWidth), inputs,
                    out: heads(y.baseAddress!, shape.heads, shape.valueWidth), logSum: logSum,
                    shape, on: bench)
                }
              }
            }
          }
        }
      }
    }
    return [q, k, s, v]
  }

  var operands: [[Double]] { [query, key, shared, value].map(doubles) }

  func reference(_ x: [[Double]]) -> [Double] {
    Reference.attention(query: x[0], key: x[1], sharedKey: x[2], value: x[3], shape)
  }
}

@Suite struct AttentionTests {
  static let small = [
    AttentionShape(sequences: 2, queries: 5, heads: 2, keyWidth: 3, scale: 0.5),
    AttentionShape(sequences: 1, queries: 7, heads: 4, keyHeads: 2, keyWidth: 4, scale: 0.4),
    AttentionShape(sequences: 2, queries: 4, keys: 9, heads: 2, keyWidth: 4, scale: 0.4),
    AttentionShape(
      sequences: 2, queries: 6, heads: 3, keyWidth: 4, sharedWidth: 2, valueWidth: 5, scale: 0.4),
    AttentionShape(sequences: 1, queries: 70, heads: 1, keyWidth: 2, valueWidth: 1, scale: 0.7),
    AttentionShape(sequences: 2, queries: 7, heads: 2, keyWidth: 3, scale: 0.5, window: 3),
    AttentionShape(sequences: 1, queries: 5, heads: 1, keyWidth: 3, scale: 0.5, window: 2),
    AttentionShape(
      sequences: 2, queries: 4, keys: 9, heads: 2, keyHeads: 1, keyWidth: 3, sharedWidth: 1,
      scale: 0.4, window: 5),
    AttentionShape(
      sequences: 1, queries: 70, heads: 1, keyWidth: 2, valueWidth: 1, scale: 0.7, window: 9),
  ]

  @Test(arguments: small)
  func agreesWithPlainLoopsAndDifferences(_ shape: AttentionShape) {
    let test = AttentionCase(shape, seed: 7)
    let (out, logSum) = test.forward()
    expectClose(out, test.reference(test.operands))
    #expect(test.bench.attentionFLOPs == shape.forwardFLOPs)
    let gradients = test.backward(out, logSum)
    #expect(test.bench.attentionFLOPs == shape.forwardFLOPs + shape.backwardFLOPs)
    #expect(test.bench.matmulFLOPs == 0)
    for operand in 0..<4 {
      var point = test.operands
      let expected = Reference.gradient(at: point[operand]) {
        point[operand] = $0
        return product(test.reference(point), doubles(test.outGradient))
      }
      expectClose(gradients[operand], expected, within: 3e-5)
    }
  }

  static let large = [
    AttentionShape(sequences: 1, queries: 600, heads: 1, keyWidth: 8, scale: 0.5),
    AttentionShape(
      sequences: 1, queries: 130, keys: 1100, heads: 2, keyHeads: 1, keyWidth: 5, sharedWidth: 3,
      valueWidth: 9, scale: 0.5),
    AttentionShape(sequences: 1, queries: 700, heads: 1, keyWidth: 4, scale: 0.5, window: 530),
    AttentionShape(
      sequences: 1, queries: 130, keys: 1100, heads: 2, keyHeads: 1, keyWidth: 5, scale: 0.5,
      window: 600),
  ]

  /// A window as long as the keys leaves nothing out, and one of half of them what it says.
  @Test func windowsSaveTheirPairs() {
    var shape = AttentionShape(sequences: 1, queries: 256, heads: 1, keyWidth: 2, scale: 1)
    let whole = shape.computedPairs
    shape.window = 256
    #expect(shape.computedPairs == whole)
    // Tiles of 64 queries whose first one sees 64 keys: 64 of the first tile, 127 of each other.
    shape.window = 64
    #expect(shape.computedPairs == 64 * (64 + 3 * 127))
  }

  /// Documents within a window: a query sees what both leave it.
  @Test func documentsWithinAWindow() {
    let shape = AttentionShape(
      sequences: 1, queries: 90, heads: 2, keyHeads: 1, keyWidth: 4, scale: 0.5, window: 7)
    var cut = AttentionCase(shape, seed: 5)
    cut.firstKeys = (0..<90).map { $0 < 70 ? 0 : 70 }
    let (out, logSum) = cut.forward()
    var rest = AttentionCase(shape, seed: 5)
    rest.shape.queries = 20
    rest.shape.keys = 20
    rest.query.removeFirst(70 * 8)
    rest.key.removeFirst(70 * 4)
    rest.value.removeFirst(70 * 4)
    rest.outGradient.removeFirst(70 * 8)
    let (expected, restSum) = rest.forward()
    expectClose(Array(out[(70 * 8)...]), doubles(expected))
    let (whole, part) = (cut.backward(out, logSum), rest.backward(expected, restSum))
    expectClose(Array(whole[1][(70 * 4)...]), doubles(part[1]), within: 3e-5)
    expectClose(Array(whole[0][(70 * 8)...]), doubles(part[0]), within: 3e-5)
  }

  @Test(arguments: large)
  func severalTilesAgreeAlongADirection(_ shape: AttentionShape) {
    let test = AttentionCase(shape, seed: 8)
    let (out, logSum) = test.forward()
    expectClose(out, test.reference(test.operands), within: 2e-5)
    #expect(test.bench.attentionFLOPs == shape.forwardFLOPs)
    let gradients = test.backward(out, logSum)
    #expect(test.bench.attentionFLOPs == shape.forwardFLOPs + shape.backwardFLOPs)
    var numbers = Numbers(seed: 9)
    for operand in 0..<4 {
      var point = test.operands
      let direction = doubles(numbers.floats(point[operand].count))
      let expected = Reference.derivative(at: point[operand], along: direction) {
        point[operand] = $0
        return product(test.reference(point), doubles(test.outGradient))
      }
      let size = product(doubles(gradients[operand]), doubles(gradients[operand])).squareRoot()
      let found = product(doubles(gradients[operand]), direction)
      #expect(abs(found - expected) <= 3e-5 * max(size, 1), "\(found) \(expected) \(size)")
    }
  }

  @Test func theSameInputsGiveTheSameBits() {
    let shape = AttentionShape(sequences: 2, queries: 200, heads: 2, keyWidth: 16, scale: 0.25)
    let (first, second) = (AttentionCase(shape, seed: 10), AttentionCase(shape, seed: 10))
    let (a, b) = (first.forward(), second.forward())
    #expect(a.out == b.out && a.logSum == b.logSum)
    #expect(first.backward(a.out, a.logSum) == second.backward(b.out, b.logSum))
  }

  @Test func unevenHeadsTrap() async {
    await #expect(processExitsWith: .failure) {
      _ = AttentionShape(sequences: 1, queries: 2, heads: 3, keyHeads: 2, keyWidth: 4, scale: 1)
    }
  }
}
