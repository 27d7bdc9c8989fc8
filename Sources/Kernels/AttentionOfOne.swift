import RealModule

/// As `attentionForward` of one query to each sequence, where rows are kept apart: what a decode step does.
///
/// Products of one row would be a call for a few keys each; here keys and values are read in one sweep
/// each. The order of additions follows from the number of keys alone.
func attentionOfOne(
  _ out: MutableHeads, logSum: Output, _ inputs: AttentionInputs, _ shape: AttentionShape,
  on bench: Workbench
) {
  let first = shape.firstKey(of: 0)
  let keys = shape.keys - first
  let group = shape.heads / shape.keyHeads
  let scores = bench.scoreTile
  for sequence in 0..<shape.sequences {
    let keyRow = sequence * shape.keys + first
    for head in 0..<shape.heads {
      bench.count(2 * keys * (shape.queryWidth + shape.valueWidth), as: .attention)
      let query = inputs.query.at(token: sequence, head: head)
      scoresOfOne(
        scores, query, inputs.key.at(token: keyRow, head: head / group),
        stride: inputs.key.tokenStride, keys: keys, width: shape.keyWidth, scale: shape.scale,
        adds: false)
      if let shared = inputs.sharedKey {
        scoresOfOne(
          scores, query + shape.keyWidth, shared.at(token: keyRow, head: 0),
          stride: shared.tokenStride, keys: keys, width: shape.sharedWidth, scale: shape.scale,
          adds: true)
      }
      let highest = laneMaximum(scores, keys)
      let sum = exponentials(scores, visible: keys, count: keys, minus: highest)
      weightedSum(
        out.at(token: sequence, head: head), scores,
        inputs.value.at(token: keyRow, head: head / group), stride: inputs.value.tokenStride,
        keys: keys, width: shape.valueWidth, scale: 1 / sum)
      logSum[sequence * shape.heads + head] = highest + Float.log(sum)
    }
  }
}

extension AttentionShape {
  /// Whether `attentionOfOne` computes it.
  func isOfOne(_ inputs: AttentionInputs) -> Bool {
    let room = AttentionShape.queryTile * AttentionShape.keyTile
    return queries == 1 && inputs.firstKeys == nil && keys <= room
  }
}

/// scores (keys) = scale · query · key, or added: of each key eight partial sums.
@inline(never)
private func scoresOfOne(
  _ scores: Output, _ query: Input, _ key: Input, stride: Int, keys: Int, width: Int,
  scale: Float, adds: Bool
) {
  var j = 0
  while j &+ 2 <= keys {
    let (k, l) = (key + j &* stride, key + (j &+ 1) &* stride)
    var (s, t) = (Lanes(), Lanes())
    sweep(width) { i, n in
      let q = query.lanes(i, n)
      s.addProduct(q, k.lanes(i, n))
      t.addProduct(q, l.lanes(i, n))
    }
    scores[j] = (adds ? scores[j] : 0) + scale * s.sum()
    scores[j &+ 1] = (adds ? scores[j &+ 1] : 0) + scale * t.sum()
    j &+= 2
  }
  guard j < keys else { return }
  let k = key + j &* stride
  var s = Lanes()
  sweep(width) { i, n in s.addProduct(query.lanes(i, n), k.lanes(i, n)) }
  scores[j] = (adds ? scores[j] : 0) + scale * s.sum()
}

/// out (width) = scale · the sum of value rows weighted by scores, in the order of keys.
@inline(never)
private func weightedSum(
  _ out: Output, _ scores: Output, _ value: Input, stride: Int, keys: Int, width: Int,
  scale: Float
) {
  var column = 0
  while column &+ 32 <= width {
    var (s, t, u, v) = (Lanes(), Lanes(), Lanes(), Lanes())
    for j in 0..<keys {
      let row = value + (j &* stride &+ column)
      let weight = Lanes(repeating: scores[j])
      s.addProduct(weight, row.lanes(0, 8))
      t.addProduct(weight, row.lanes(8, 8))
      u.addProduct(weight, row.lanes(16, 8))
      v.addProduct(weight, row.lanes(24, 8))
    }
    out.store(scale * s, column, 8)
    out.store(scale * t, column &+ 8, 8)
    out.store(scale * u, column &+ 16, 8)
    out.store(scale * v, column &+ 24, 8)
    column &+= 32
  }
  while column < width {
    let n = min(8, width &- column)
    var s = Lanes()
    for j in 0..<keys {
      s.addProduct(Lanes(repeating: scores[j]), (value + j &* stride).lanes(column, n))
    }
    out.store(scale * s, column, n)
    column &+= 8
  }
}
