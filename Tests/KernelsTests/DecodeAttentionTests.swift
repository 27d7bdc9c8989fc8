import Kernels
import Testing

/// Attention of one query to each sequence with rows kept apart, as rollouts decode.
@Suite struct DecodeAttentionTests {
  static let shapes = [1, 2, 8, 9, 37, 600].flatMap { keys in
    [
      AttentionShape(
        sequences: 3, queries: 1, keys: keys, heads: 4, keyHeads: 2, keyWidth: 12, scale: 0.3),
      AttentionShape(
        sequences: 2, queries: 1, keys: keys, heads: 3, keyHeads: 1, keyWidth: 40, sharedWidth: 5,
        valueWidth: 43, scale: 0.2, window: 20),
      // More heads than have room for the scores of all keys at once.
      AttentionShape(
        sequences: 2, queries: 1, keys: 30 * keys, heads: 5, keyWidth: 16, scale: 0.25),
      // Widths of which 64 columns are taken at once, and heads that are left.
      AttentionShape(sequences: 2, queries: 1, keys: keys, heads: 3, keyWidth: 32, scale: 0.2),
      AttentionShape(sequences: 2, queries: 1, keys: keys, heads: 2, keyWidth: 64, scale: 0.125),
    ]
  }

  @Test(arguments: shapes) func itIsAttention(_ shape: AttentionShape) {
    let attention = AttentionCase(shape, seed: 7)
    attention.bench.keepsRowsApart = true
    let (out, logSum) = attention.forward()
    expectClose(
      out,
      Reference.attention(
        query: doubles(attention.query), key: doubles(attention.key),
        sharedKey: doubles(attention.shared), value: doubles(attention.value), shape))
    #expect(attention.bench.attentionFLOPs == shape.forwardFLOPs)
    // The tiles of training give the same sums of exponentials.
    let tiles = AttentionCase(shape, seed: 7).forward()
    expectClose(logSum, doubles(tiles.logSum))
    expectClose(out, doubles(tiles.out))
  }

  /// A sequence's bits are its own: they do not change with what stands beside it.
  @Test(arguments: shapes) func aSequenceIsAlone(_ shape: AttentionShape) {
    let all = AttentionCase(shape, seed: 8)
    all.bench.keepsRowsApart = true
    let whole = all.forward()
    var last = all
    last.shape.sequences = 1
    last.query = all.query.suffix(all.query.count / shape.sequences)
    last.key = all.key.suffix(all.key.count / shape.sequences)
    last.shared = all.shared.suffix(all.shared.count / shape.sequences)
    last.value = all.value.suffix(all.value.count / shape.sequences)
    last.outGradient = all.outGradient.suffix(all.outGradient.count / shape.sequences)
    let own = last.forward()
    #expect(own.out == Array(whole.out.suffix(own.out.count)))
    #expect(own.logSum == Array(whole.logSum.suffix(own.logSum.count)))
  }

  /// Sequences of caches that are filled differently: each as by itself.
  @Test(arguments: shapes) func eachMeetsItsOwnKeys(_ shape: AttentionShape) {
    let all = AttentionCase(shape, seed: 10)
    all.bench.keepsRowsApart = true
    let before = (0..<shape.sequences).map { (shape.keys - 1) * (2 * $0 + 1) / 6 }
    let out = all.withInputs { inputs in
      filled(all.outGradient.count) { out in
        before.withUnsafeBufferPointer {
          attentionOfEach(
            all.heads(out, shape.heads, shape.valueWidth), inputs, shape, before: $0,
            on: all.bench)
        }
      }
    }
    var flops = 0
    for (sequence, count) in before.enumerated() {
      func part(_ values: [Float], of whole: Int, _ rows: Int) -> [Float] {
        let row = values.count / shape.sequences / whole
        return Array(values[(sequence * whole * row)...].prefix(rows * row))
      }
      var own = all
      (own.shape.sequences, own.shape.keys) = (1, count + 1)
      own.query = part(all.query, of: 1, 1)
      own.key = part(all.key, of: shape.keys, count + 1)
      own.shared = part(all.shared, of: shape.keys, count + 1)
      own.value = part(all.value, of: shape.keys, count + 1)
      own.outGradient = part(all.outGradient, of: 1, 1)
      #expect(own.forward().out == part(out, of: 1, 1))
      flops += own.shape.forwardFLOPs
    }
    // The bench is shared.
    #expect(all.bench.attentionFLOPs == 2 * flops)
  }

  /// Wider vectors give the same bits, and scores that are no numbers are not hidden by either.
  @Test(.enabled(if: Workbench().takesWideVectors), arguments: shapes)
  func widerVectorsGiveTheSameBits(_ shape: AttentionShape) {
    let runs = [false, true].map { isWide in
      let attention = AttentionCase(shape, seed: 9)
      attention.bench.keepsRowsApart = true
      attention.bench.takesWideVectors = isWide
      return attention.forward()
    }
    #expect(runs[0].out == runs[1].out)
    #expect(runs[0].logSum == runs[1].logSum)
    for isWide in [false, true] {
      var attention = AttentionCase(shape, seed: 9)
      attention.key[attention.key.count - 1] = .nan
      attention.bench.keepsRowsApart = true
      attention.bench.takesWideVectors = isWide
      #expect(attention.forward().logSum.last?.isNaN == true)
    }
  }
}
