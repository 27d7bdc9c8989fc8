import RealModule

/// out = softmax(scale * query * key, causal) * value.
///
/// - Parameters:
///   - out: (sequences * queries, heads, valueWidth), not overlapping the inputs.
///   - logSum: (sequences, heads, queries), the logarithm of each row's sum of exponentials.
public func attentionForward(
  _ out: MutableHeads, logSum: UnsafeMutablePointer<Float>, _ inputs: AttentionInputs,
  _ shape: AttentionShape, on bench: Workbench
) {
  shape.check(inputs)
  if bench.keepsRowsApart && shape.isOfOne(inputs) {
    attentionOfOne(out, logSum: logSum, inputs, shape, on: bench)
    return
  }
  let maxima = bench.rowScratch
  let sums = bench.rowScratch + AttentionShape.queryTile
  shape.forEachTile { tile, isFirst, isLast in
    shape.scores(tile, inputs, on: bench)
    for row in 0..<tile.queries {
      let scores = bench.scoreTile + row * tile.keys
      let target = out.at(token: tile.queryRow + row, head: tile.head)
      let old = isFirst ? -Float.infinity : maxima[row]
      let visible = shape.visible(tile, row: row)
      let hidden = shape.hidden(tile, row: row, inputs.firstKeys)
      guard hidden < visible else {
        // The query sees nothing of this tile.
        fill(scores, with: 0, count: tile.keys)
        if isFirst { (maxima[row], sums[row]) = (-.infinity, 0) }
        continue
      }
      let new = max(old, laneMaximum(scores + hidden, visible - hidden))
      let sum = exponentials(
        scores + hidden, visible: visible - hidden, count: tile.keys - hidden, minus: new)
      if hidden > 0 { fill(scores, with: 0, count: hidden) }
      if isFirst {
        sums[row] = sum
      } else {
        let correction = Float.exp(old - new)
        sums[row] = sums[row] * correction + sum
        if correction != 1 { scale(target, target, by: correction, count: shape.valueWidth) }
      }
      maxima[row] = new
    }
    let value = inputs.value.at(token: tile.keyRow, head: tile.keyHead)
    matmul(
      out.at(token: tile.queryRow, head: tile.head), stride: out.tokenStride,
      Factor(bench.scoreTile, stride: tile.keys), Factor(value, stride: inputs.value.tokenStride),
      ProductSize(m: tile.queries, n: shape.valueWidth, k: tile.keys), accumulate: !isFirst,
      as: .attention, on: bench)
    if isLast { finish(tile, out, logSum, maxima: maxima, sums: sums, shape) }
  }
}

/// Divides the rows of a finished tile by their sums and keeps the logarithms.
private func finish(
  _ tile: AttentionTile, _ out: MutableHeads, _ logSum: Output, maxima: Output, sums: Output,
  _ shape: AttentionShape
) {
  let sequence = tile.queryRow / shape.queries
  let kept = logSum + (sequence * shape.heads + tile.head) * shape.queries + tile.firstQuery
  for row in 0..<tile.queries {
    let target = out.at(token: tile.queryRow + row, head: tile.head)
    scale(target, target, by: 1 / sums[row], count: shape.valueWidth)
    kept[row] = maxima[row] + Float.log(sums[row])
  }
}

/// Replaces scores by exp(score - shift) where visible, by zero elsewhere; returns their sum.
@inline(__always)
func exponentials(_ scores: Output, visible: Int, count: Int, minus shift: Float) -> Float {
  let sum = laneSumLong(visible) { i, n in
    let value = exponential(scores.lanes(i, n) - shift)
    scores.store(value, i, n)
    return value
  }
  (scores + visible).update(repeating: 0, count: count - visible)
  return sum
}
