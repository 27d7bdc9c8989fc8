import COpenBLAS

/// As `attentionForward` of one query to each sequence, where rows are kept apart: what a decode step does.
///
/// Products of one row would be a call for a few keys each; here keys and values are read in one sweep
/// each, all heads beside one another. The order of additions follows from the number of keys alone.
func attentionOfOne(
  _ out: MutableHeads, logSum: Output, _ inputs: AttentionInputs, _ shape: AttentionShape,
  on bench: Workbench
) {
  let sweep = SweepOfOne(out: out, logSum: logSum, inputs: inputs, shape: shape, bench: bench)
  for sequence in 0..<shape.sequences { sweep.attend(sequence, end: shape.keys) }
}

/// As `attentionForward` of one query to each sequence, where rows are kept apart and each sequence has
/// as many keys as its cache holds.
///
/// The logarithms of sums of exponentials are not written: nothing goes back through it.
///
/// - Parameters:
///   - shape: of one query; `keys` are the positions that a cache has room for.
///   - before: (sequences), the keys of each before the query's own.
public func attentionOfEach(
  _ out: MutableHeads, _ inputs: AttentionInputs, _ shape: AttentionShape,
  before: UnsafeBufferPointer<Int>, on bench: Workbench
) {
  shape.check(inputs)
  precondition(shape.sweepsOnce && before.count == shape.sequences, "one query a sequence")
  precondition(before.allSatisfy { $0 < shape.keys }, "a cache has room for the query's own key")
  if inputs.sharedKey == nil, shape.fitsScoresOfAllHeads {
    attendInOneCall(out, inputs, shape, before: before, on: bench)
    return
  }
  let sweep = SweepOfOne(out: out, logSum: nil, inputs: inputs, shape: shape, bench: bench)
  for sequence in 0..<shape.sequences { sweep.attend(sequence, end: before[sequence] + 1) }
}

/// As `attentionOfEach`, where keys have no part that all heads share.
private func attendInOneCall(
  _ out: MutableHeads, _ inputs: AttentionInputs, _ shape: AttentionShape,
  before: UnsafeBufferPointer<Int>, on bench: Workbench
) {
  let window = shape.window ?? .max
  let keys = before.reduce(0) { $0 + min($1 + 1, window) }
  bench.count(2 * shape.heads * keys * (shape.queryWidth + shape.valueWidth), as: .attention)
  var queries = sluice_queries_of_one(
    out: out.start, query: inputs.query.start, key: inputs.key.start, value: inputs.value.start,
    outRow: out.tokenStride, outHead: out.headStride, queryRow: inputs.query.tokenStride,
    queryHead: inputs.query.headStride, keyRow: shape.keys * inputs.key.tokenStride,
    valueRow: shape.keys * inputs.value.tokenStride, rows: shape.sequences,
    before: before.baseAddress, window: window, scale: shape.scale, scores: bench.scoreTile)
  func places(of tokens: Heads, _ width: Int) -> sluice_heads_of_one {
    sluice_heads_of_one(
      first: 0, count: shape.heads, group: shape.heads / shape.keyHeads,
      tokenStride: tokens.tokenStride, headStride: tokens.headStride, keys: 0, width: width,
      scoreStride: 0)
  }
  sluice_attend(
    &queries, places(of: inputs.key, shape.keyWidth), places(of: inputs.value, shape.valueWidth),
    bench.takesWideVectors ? 1 : 0)
}

/// One query of each sequence.
private struct SweepOfOne {
  var out: MutableHeads
  var logSum: Output?
  var inputs: AttentionInputs
  var shape: AttentionShape
  var bench: Workbench

  /// The query of a sequence against its first keys up to `end`, as many of them as its window shows.
  func attend(_ sequence: Int, end: Int) {
    let keys = min(end, shape.window ?? end)
    // As many heads at once as the tile has room for their scores.
    let most = min(shape.heads, AttentionShape.room / (HeadsOfOne.scoreStride(keys) + 2))
    var first = 0
    while first < shape.heads {
      let heads = first..<min(first + most, shape.heads)
      bench.count(
        2 * heads.count * keys * (shape.queryWidth + shape.valueWidth), as: .attention)
      HeadsOfOne(
        sequence: sequence, heads: heads, keys: keys, row: sequence * shape.keys + end - keys,
        shape: shape
      ).attend(
        out, logSum, inputs, scores: bench.scoreTile, isWide: bench.takesWideVectors)
      first += most
    }
  }
}

/// Some heads of one query.
private struct HeadsOfOne {
  var sequence: Int
  var heads: Range<Int>
  /// Keys that it sees, and the first of them as a row of the batch.
  var keys: Int
  var row: Int
  var shape: AttentionShape

  /// Elements from the scores of one head to those of the next: whole vectors of sixteen.
  @inline(__always)
  static func scoreStride(_ keys: Int) -> Int { (keys + 15) & ~15 }

  /// - Parameter scores: room for the scores of all heads, and behind them for two numbers of each.
  @inline(__always)
  func attend(
    _ out: MutableHeads, _ logSum: Output?, _ inputs: AttentionInputs, scores: Output, isWide: Bool
  ) {
    let (query, head) = (inputs.query, heads.lowerBound)
    sluice_scores_of_one(
      scores, query.at(token: sequence, head: head), query.headStride,
      inputs.key.at(token: row, head: 0), places(of: inputs.key, shape.keyWidth), shape.scale, 0)
    if let shared = inputs.sharedKey {
      var places = places(of: shared, shape.sharedWidth)
      places.headStride = 0
      sluice_scores_of_one(
        scores, query.at(token: sequence, head: head) + shape.keyWidth, query.headStride,
        shared.at(token: row, head: 0), places, shape.scale, 1)
    }
    var values = places(of: inputs.value, shape.valueWidth)
    let sums = scores + heads.count * values.scoreStride
    sluice_weights_of_one(
      scores, &values, sums, logSum.map { $0 + (sequence * shape.heads + head) }, isWide ? 1 : 0)
    sluice_values_of_one(
      out.at(token: sequence, head: head), out.headStride, scores, sums,
      inputs.value.at(token: row, head: 0), values, isWide ? 1 : 0)
  }

  @inline(__always)
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

  /// Whether there is one query to a sequence, and room for the scores of all keys of a head.
  public var sweepsOnce: Bool { queries == 1 && keys + 16 < AttentionShape.room }

  /// Whether a bench's tile has room for the scores of all keys of all heads.
  fileprivate var fitsScoresOfAllHeads: Bool { heads * (keys + 17) <= AttentionShape.room }

  /// Whether `attentionOfOne` computes it.
  func isOfOne(_ inputs: AttentionInputs) -> Bool { sweepsOnce && inputs.firstKeys == nil }
}
