import Kernels

// Bytes are those that cross to memory: what is read, what is written, and what is read only because
// it is about to be overwritten (copy excepted: the C library stores past the caches).

/// Plain streams over memory; the third is the yardstick, run anew beside every kernel.
func benchStreams(_ bench: inout Bench) {
  let count = bench.isSmoke ? 10_000 : 32 << 20
  let x = Bench.numbers(count)
  var y = Bench.numbers(count, seed: 2)
  let bytes = Double(4 * count)
  bench.run("copy", "\(count)", .bytes(2 * bytes), hash: { Array(y.prefix(1000)) }) {
    copy(&y, x, count: count)
  }
  bench.run("scale in place", "\(count)", .bytes(2 * bytes), hash: { Array(y.prefix(1000)) }) {
    y.withUnsafeMutableBufferPointer {
      scale($0.baseAddress!, $0.baseAddress!, by: -1, count: count)
    }
  }
  bench.run("add scaled", "\(count)", .bytes(3 * bytes), hash: { Array(y.prefix(1000)) }) {
    addScaled(&y, x, by: 0.5, count: count)
  }
  var sum = 0.0
  bench.run("sum of squares", "\(count)", .bytes(bytes), hash: { [Float(sum)] }) {
    sum = sumOfSquares(x, count: count)
  }
}

/// AdamW: 28 bytes of memory traffic a parameter.
///
/// Not a power of two: four buffers that far apart compete for the same sets of a cache, which took
/// 60 % of the rate on a Zen core; the buffers of an arena lie apart by whatever is between them.
func benchAdamW(_ bench: inout Bench) {
  let count = bench.isSmoke ? 10_000 : 33_555_472
  var p = Bench.numbers(count)
  let g = Bench.numbers(count, seed: 2)
  var m = [Float](repeating: 0, count: count)
  var v = m
  var step = 0
  let settings = AdamWSettings(learningRate: 1e-3)
  bench.run("adamW", "\(count)", .bytes(28 * Double(count)), hash: { Array(p.prefix(1000)) }) {
    step += 1
    adamW(&p, moment1: &m, moment2: &v, g, count: count, step: step, settings)
  }
}

/// Activations, over more rows than the caches hold.
func benchActivations(_ bench: inout Bench) {
  let (rows, columns) = bench.isSmoke ? (16, 72) : (16_381, 1536)
  let count = rows * columns
  let bytes = Double(4 * count)
  let (a, b) = (Bench.numbers(count), Bench.numbers(count, seed: 2))
  var (out, out2) = (a, a)
  let text = "\(rows) x \(columns)"
  let small = min(8192, count)
  bench.run("exponential", "\(small)", .elements(Double(small)), hash: { Array(out.prefix(small)) })
  { exponential(&out, a, count: small) }
  bench.run("gelu", text, .bytes(3 * bytes), hash: { out }) { geluForward(&out, a, count: count) }
  bench.run("gelu backward", text, .bytes(4 * bytes), hash: { out }) {
    geluBackward(&out, b, a, count: count)
  }
  bench.run("swiglu", text, .bytes(4 * bytes), hash: { out }) {
    swigluForward(&out, gate: a, up: b, rows: rows, columns: columns)
  }
  bench.run("swiglu backward", text, .bytes(6 * bytes), hash: { out + out2 }) {
    swigluBackward(
      gate: &out, up: &out2, a, gate: a, up: b, rows: rows, columns: columns)
  }
}

/// Norms, over more rows than the caches hold.
func benchNorms(_ bench: inout Bench) {
  let (rows, columns) = bench.isSmoke ? (16, 72) : (32_749, 768)
  let count = rows * columns
  let bytes = Double(4 * count)
  let (x, dy) = (Bench.numbers(count), Bench.numbers(count, seed: 2))
  let (gain, bias) = (Bench.numbers(columns), Bench.numbers(columns))
  var out = x
  var (mean, reciprocal) = (Bench.numbers(rows), Bench.numbers(rows))
  var (dgain, dbias) = (gain, bias)
  let text = "\(rows) x \(columns)"
  bench.run("layer norm", text, .bytes(3 * bytes), hash: { out }) {
    layerNormForward(
      &out, mean: &mean, reciprocal: &reciprocal, x, gain: gain, bias: bias, rows: rows,
      columns: columns, epsilon: 1e-5)
  }
  bench.run("layer norm backward", text, .bytes(4 * bytes), hash: { out }) {
    layerNormBackward(
      &out, gain: &dgain, bias: &dbias, dy, x, gain: gain, mean: mean, reciprocal: reciprocal,
      rows: rows, columns: columns)
  }
  bench.run("rms norm", text, .bytes(3 * bytes), hash: { out }) {
    rmsNormForward(
      &out, reciprocal: &reciprocal, x, gain: gain, rows: rows, columns: columns, epsilon: 1e-5)
  }
  bench.run("rms norm backward", text, .bytes(4 * bytes), hash: { out }) {
    rmsNormBackward(
      &out, gain: &dgain, dy, x, gain: gain, reciprocal: reciprocal, rows: rows, columns: columns)
  }
  bench.run("bias backward", text, .bytes(bytes), hash: { dbias }) {
    biasBackward(&dbias, dy, rows: rows, outputs: columns, accumulate: false)
  }
}

/// Rotary embedding of 12 heads of 64 columns, in place, and routing.
func benchTokens(_ bench: inout Bench) {
  let (tokens, sequence) = bench.isSmoke ? (16, 8) : (16384, 256)
  var x = Bench.numbers(tokens * 768)
  var cosine = [Float](repeating: 0, count: sequence * 32)
  var sine = cosine
  RotaryFrequencies(width: 64, base: 10000)
    .fillTables(cosine: &cosine, sine: &sine, count: sequence)
  let bytes = Double(8 * tokens * 768)
  for layout in [RotaryLayout.halved, .interleaved] {
    let shape = RotaryShape(
      tokens: tokens, sequence: sequence, heads: 12, width: 64, layout: layout)
    bench.run("rotary", "\(tokens) x 12 x 64 \(layout)", .bytes(bytes), hash: { x }) {
      x.withUnsafeMutableBufferPointer {
        let place = MutableHeads($0.baseAddress!, tokenStride: 768, headStride: 64)
        rotaryForward(place, place.reading, cosine: cosine, sine: sine, shape)
      }
    }
  }
  let rule = RouterRule(
    experts: 64, chosen: 8, score: .sigmoid, groups: 8, chosenGroups: 4, isNormalised: true)
  let logits = Bench.numbers(tokens * 64)
  var (scores, weights) = (logits, Bench.numbers(tokens * 8))
  var experts = [Int32](repeating: 0, count: tokens * 8)
  bench.run("router", "\(tokens) x 64", .elements(Double(tokens * 64)), hash: { weights }) {
    routerForward(
      weights: &weights, experts: &experts, scores: &scores, logits, rows: tokens, rule)
  }
}
