/// What the backward pass of attention writes, all overwritten; each laid out as its input.
public struct AttentionGradients {
  public var query: MutableHeads
  public var key: MutableHeads
  public var sharedKey: MutableHeads?
  public var value: MutableHeads

  public init(
    query: MutableHeads, key: MutableHeads, sharedKey: MutableHeads? = nil, value: MutableHeads
  ) {
    self.query = query
    self.key = key
    self.sharedKey = sharedKey
    self.value = value
  }
}

/// Gradients of attention with respect to its queries, keys and values.
///
/// - Parameters:
///   - outGradient: (sequences * queries, heads, valueWidth).
///   - out, logSum: what the forward pass wrote.
///
/// Gradients of keys and values that several heads share are added in the order of heads.
public func attentionBackward(
  _ gradients: AttentionGradients, _ outGradient: Heads, _ inputs: AttentionInputs, out: Heads,
  logSum: UnsafePointer<Float>, _ shape: AttentionShape, on bench: Workbench
) {
  shape.check(inputs)
  precondition(
    (gradients.sharedKey != nil) == (inputs.sharedKey != nil), "a shared key has a gradient")
  clear(gradients, shape)
  shape.forEachTile { tile, isFirst, _ in
    if isFirst { projections(tile, outGradient, out, shape, bench) }
    shape.scores(tile, inputs, on: bench)
    let dy = outGradient.at(token: tile.queryRow, head: tile.head)
    let value = inputs.value.at(token: tile.keyRow, head: tile.keyHead)
    matmul(
      bench.gradientTile, stride: tile.keys, Factor(dy, stride: outGradient.tokenStride),
      Factor(value, stride: inputs.value.tokenStride, isTransposed: true),
      ProductSize(m: tile.queries, n: tile.keys, k: shape.valueWidth), as: .attention, on: bench)
    scoreGradients(tile, logSum, shape, inputs.firstKeys, bench)
    matmul(
      gradients.value.at(token: tile.keyRow, head: tile.keyHead),
      stride: gradients.value.tokenStride,
      Factor(bench.scoreTile, stride: tile.keys, isTransposed: true),
      Factor(dy, stride: outGradient.tokenStride),
      ProductSize(m: tile.keys, n: shape.valueWidth, k: tile.queries), accumulate: true,
      as: .attention, on: bench)
    let own = 0..<shape.keyWidth
    let key = (inputs.key, gradients.key, tile.keyHead)
    queryAndKey(tile, gradients.query, inputs.query, key, columns: own, isFirst, bench)
    if let shared = inputs.sharedKey, let sharedGradient = gradients.sharedKey {
      let columns = shape.keyWidth..<shape.queryWidth
      let key = (shared, sharedGradient, 0)
      queryAndKey(tile, gradients.query, inputs.query, key, columns: columns, isFirst, bench)
    }
  }
}

/// The inner product of each row's output with its gradient, into the row scratch.
private func projections(
  _ tile: AttentionTile, _ outGradient: Heads, _ out: Heads, _ shape: AttentionShape,
  _ bench: Workbench
) {
  for row in 0..<tile.queries {
    bench.rowScratch[row] = dot(
      outGradient.at(token: tile.queryRow + row, head: tile.head),
      out.at(token: tile.queryRow + row, head: tile.head), count: shape.valueWidth)
  }
}

/// Turns scores into probabilities and the gradients of probabilities into those of scores.
private func scoreGradients(
  _ tile: AttentionTile, _ logSum: Input, _ shape: AttentionShape,
  _ firstKeys: UnsafePointer<Int32>?, _ bench: Workbench
) {
  let sequence = tile.queryRow / shape.queries
  let kept = logSum + (sequence * shape.heads + tile.head) * shape.queries + tile.firstQuery
  let factor = shape.scale
  for row in 0..<tile.queries {
    let hidden = shape.hidden(tile, row: row, firstKeys)
    let scores = bench.scoreTile + row * tile.keys + hidden
    let gradient = bench.gradientTile + row * tile.keys + hidden
    let visible = shape.visible(tile, row: row) - hidden
    let (shift, projection) = (kept[row], bench.rowScratch[row])
    sweepLong(visible) { i, n in
      let p = exponential(scores.lanes(i, n) - shift)
      scores.store(p, i, n)
      gradient.store(p * (gradient.lanes(i, n) - projection) * factor, i, n)
    }
    let behind = tile.keys - hidden - visible
    (scores + visible).update(repeating: 0, count: behind)
    (gradient + visible).update(repeating: 0, count: behind)
    guard hidden > 0 else { continue }
    (scores - hidden).update(repeating: 0, count: hidden)
    (gradient - hidden).update(repeating: 0, count: hidden)
  }
}

/// Adds a tile's part to the gradients of the given columns of queries, and of their keys.
private func queryAndKey(
  _ tile: AttentionTile, _ queryGradient: MutableHeads, _ query: Heads,
  _ key: (input: Heads, gradient: MutableHeads, head: Int), columns: Range<Int>, _ isFirst: Bool,
  _ bench: Workbench
) {
  let scores = Factor(bench.gradientTile, stride: tile.keys)
  matmul(
    queryGradient.at(token: tile.queryRow, head: tile.head) + columns.lowerBound,
    stride: queryGradient.tokenStride, scores,
    Factor(key.input.at(token: tile.keyRow, head: key.head), stride: key.input.tokenStride),
    ProductSize(m: tile.queries, n: columns.count, k: tile.keys), accumulate: !isFirst,
    as: .attention, on: bench)
  matmul(
    key.gradient.at(token: tile.keyRow, head: key.head), stride: key.gradient.tokenStride,
    Factor(bench.gradientTile, stride: tile.keys, isTransposed: true),
    Factor(
      query.at(token: tile.queryRow, head: tile.head) + columns.lowerBound,
      stride: query.tokenStride),
    ProductSize(m: tile.keys, n: columns.count, k: tile.queries), accumulate: true,
    as: .attention, on: bench)
}

private func clear(_ gradients: AttentionGradients, _ shape: AttentionShape) {
  for token in 0..<(shape.sequences * shape.keys) {
    for head in 0..<shape.keyHeads {
      fill(gradients.key.at(token: token, head: head), with: 0, count: shape.keyWidth)
      fill(gradients.value.at(token: token, head: head), with: 0, count: shape.valueWidth)
    }
    if let shared = gradients.sharedKey {
      fill(shared.at(token: token, head: 0), with: 0, count: shape.sharedWidth)
    }
  }
}
