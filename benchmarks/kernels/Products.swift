import COpenBLAS
import Kernels

/// Matrix products: once straight through OpenBLAS, which is the yardstick, once by panels.
func benchProducts(_ bench: inout Bench) {
  let shapes =
    bench.isSmoke
    ? [(40, 30, 20)]
    : [
      (1024, 1024, 1024), (3072, 1152, 384), (3072, 384, 1536), (384, 1536, 3072),
      (256, 3072, 768), (768, 3072, 256), (256, 50257, 768), (256, 512, 256),
    ]
  let workbench = Workbench()
  for (m, n, k) in shapes {
    let (a, b) = (Bench.numbers(m * k), Bench.numbers(k * n, seed: 2))
    var out = [Float](repeating: 0, count: m * n)
    let size = ProductSize(m: m, n: n, k: k)
    let text = "\(m) x \(n) x \(k)"
    bench.products = 0
    let whole = bench.run("sgemm", text, .flops(Double(size.flops)), hash: { out }) {
      sluice_sgemm(
        0, 1, Int32(m), Int32(n), Int32(k), 1, a, Int32(k), b, Int32(k), 0, &out, Int32(n))
    }
    bench.products = whole
    bench.run("matmul by panels", text, .flops(Double(size.flops)), hash: { out }) {
      matmul(
        &out, stride: n, Factor(a, stride: k), Factor(b, stride: k, isTransposed: true), size,
        on: workbench)
    }
  }
}

/// Attention with heads of 64 columns, from a fused buffer as GPT-2 has it; FLOPs as computed.
func benchAttention(_ bench: inout Bench) {
  for sequence in bench.isSmoke ? [70] : [64, 256, 1024] {
    let sequences = bench.isSmoke ? 1 : 2048 / sequence
    let heads = 6
    let shape = AttentionShape(
      sequences: sequences, queries: sequence, heads: heads, keyWidth: 64, scale: 0.125)
    let (tokens, width) = (sequences * sequence, heads * 64)
    let fused = Bench.numbers(tokens * 3 * width)
    let dy = Bench.numbers(tokens * width, seed: 2)
    var out = dy
    var logSum = [Float](repeating: 0, count: tokens * heads)
    var gradient = fused
    let workbench = Workbench()
    let text = "\(sequences) x \(sequence), \(heads) heads of 64"
    fused.withUnsafeBufferPointer { x in
      let start = x.baseAddress!
      func part(_ i: Int) -> Heads {
        Heads(start + i * width, tokenStride: 3 * width, headStride: 64)
      }
      let inputs = AttentionInputs(query: part(0), key: part(1), value: part(2))
      out.withUnsafeMutableBufferPointer { y in
        let y = MutableHeads(y.baseAddress!, tokenStride: width, headStride: 64)
        bench.run(
          "attention", text, .flops(Double(shape.forwardFLOPs)),
          hash: { Array(UnsafeBufferPointer(start: y.start, count: tokens * width)) }
        ) { attentionForward(y, logSum: &logSum, inputs, shape, on: workbench) }
        gradient.withUnsafeMutableBufferPointer { g in
          let start = g.baseAddress!
          func part(_ i: Int) -> MutableHeads {
            MutableHeads(start + i * width, tokenStride: 3 * width, headStride: 64)
          }
          let gradients = AttentionGradients(query: part(0), key: part(1), value: part(2))
          bench.run(
            "attention backward", text, .flops(Double(shape.backwardFLOPs)),
            hash: { Array(UnsafeBufferPointer(start: start, count: tokens * 3 * width)) }
          ) {
            dy.withUnsafeBufferPointer {
              let dy = Heads($0.baseAddress!, tokenStride: width, headStride: 64)
              attentionBackward(
                gradients, dy, inputs, out: y.reading, logSum: logSum, shape, on: workbench)
            }
          }
        }
      }
    }
  }
}

/// The fused head and loss.
func benchHead(_ bench: inout Bench) {
  for (rows, columns, vocabulary) in bench.isSmoke ? [(20, 16, 99)] : [(256, 768, 50257)] {
    let shape = HeadShape(rows: rows, columns: columns, vocabulary: vocabulary)
    let (hidden, weight) = (Bench.numbers(rows * columns), Bench.numbers(vocabulary * columns))
    let labels = (0..<rows).map { Int32($0 * 7919 % vocabulary) }
    var (dh, dw) = (hidden, weight)
    var workspace = [Float](repeating: 0, count: shape.workspaceCount)
    let workbench = Workbench()
    let flops = Double(6 * rows * columns * vocabulary)
    let text = "\(rows) x \(columns) x \(vocabulary)"
    bench.run("head and loss", text, .flops(flops), repeats: 3, hash: { dh }) {
      _ = headLossBackward(
        &dh, &dw, workspace: &workspace, hidden, weight, labels: labels, shape, scale: 1 / 256,
        on: workbench)
    }
  }
}
