import COpenBLAS

/// As `attentionForward` of one query to each sequence, where rows are kept apart: what a decode step does.
///
/// Products of one row would be a call for a few keys each; here keys and values are read in one sweep
/// each, all heads beside one another. The order of additions follows from the number of keys alone.
func attentionOfOne(
  _ out: MutableHeads, logSum: Output, _ inputs: AttentionInputs, _ shape: AttentionShape,
  on bench: Workbench
) {
  let keys = shape.keys - shape.firstKey(of: 0)
  // As many heads at once as the tile has room for their scores.
  let most = min(shape.heads, AttentionShape.room / (HeadsOfOne.scoreStride(keys) + 1))
  for sequence in 0..<shape.sequences {
    for first in stride(from: 0, to: shape.heads, by: most) {
      let heads = first..<min(first + most, shape.heads)
      bench.count(
        2 * heads.count * keys * (shape.queryWidth + shape.valueWidth), as: .attention)
      HeadsOfOne(sequence: sequence, heads: heads, keys: keys, shape: shape)
        .attend(
          out, logSum, inputs, scores: bench.scoreTile, isWide: bench.takesWideVectors)
    }
  }
}

/// Some heads of one query.
private struct HeadsOfOne {
  var sequence: Int
  var heads: Range<Int>
  /// Keys that it sees, the last ones of its sequence.
  var keys: Int
  var shape: AttentionShape

  /// Elements from the scores of one head to those of the next: whole vectors of sixteen.
  static func scoreStride(_ keys: Int) -> Int { (keys + 15) & ~15 }

  /// - Parameter scores: room for the scores of all heads, and behind them for the sum of each.
  func attend(
    _ out: MutableHeads, _ logSum: Output, _ inputs: AttentionInputs, scores: Output, isWide: Bool
  ) {
    let row = (sequence + 1) * shape.keys - keys
    let (query, head) = (inputs.query, heads.lowerBound)
    sluice_scores_of_one(
      scores, query.at(token: sequence, head: head), query.headStride,
      inputs.key.at(token: row, head: 0), places(of: inputs.key, shape.keyWidth), shape.scale, 0,
      isLaidOutAlike(inputs) ? inputs.value.at(token: row, head: 0) : nil)
    if let shared = inputs.sharedKey {
      var places = places(of: shared, shape.sharedWidth)
      places.headStride = 0
      sluice_scores_of_one(
        scores, query.at(token: sequence, head: head) + shape.keyWidth, query.headStride,
        shared.at(token: row, head: 0), places, shape.scale, 1, nil)
    }
    var values = places(of: inputs.value, shape.valueWidth)
    let sums = scores + heads.count * values.scoreStride
    sluice_weights_of_one(
      scores, &values, sums, logSum + (sequence * shape.heads + head), isWide ? 1 : 0)
    sluice_values_of_one(
      out.at(token: sequence, head: head), out.headStride, scores, sums,
      inputs.value.at(token: row, head: 0), values,
      isLaidOutAlike(inputs) ? inputs.keysReadNext : nil)
  }

  /// Whether values lie as keys do, so that of either the places of the other can be asked for.
  private func isLaidOutAlike(_ inputs: AttentionInputs) -> Bool {
    shape.keyWidth == shape.valueWidth && inputs.key.tokenStride == inputs.value.tokenStride
      && inputs.key.headStride == inputs.value.headStride
  }

  private func places(of tokens: Heads, _ width: Int) -> sluice_heads_of_one {
    sluice_heads_of_one(
      first: heads.lowerBound, count: heads.count, group: shape.heads / shape.keyHeads,
      tokenStride: tokens.tokenStride, headStride: tokens.headStride, keys: keys, width: width,
      scoreStride: HeadsOfOne.scoreStride(keys))
  }
}

extension AttentionShape {
  /// Scores that a bench's tile holds.
  fileprivate static let room = queryTile * keyTile

  /// Whether `attentionOfOne` computes it.
  func isOfOne(_ inputs: AttentionInputs) -> Bool {
    queries == 1 && inputs.firstKeys == nil && keys + 16 < AttentionShape.room
  }
}
