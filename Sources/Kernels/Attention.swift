// Causal attention without a matrix of scores beyond one tile.
//
// A tile is 64 queries by at most 512 keys, which lie in the second-level cache with the head's keys
// and values. Its scores come from one matrix product, become probabilities in place with a running
// maximum and sum (Dao et al., FlashAttention-2, arXiv 2307.08691), and go into a second product.
// The forward pass keeps the logarithm of each row's sum of exponentials; the backward pass forms the
// scores again from it. Looked at instead: whole rows of scores (memory grows with the sequence),
// dot products by SIMD8 (half of OpenBLAS's rate).
//
// What is computed: queries i0 ..< i1 of a tile meet the keys 0 ..< i1 + (keys - queries), so a part
// of the last tile lies above the diagonal; it is computed, counted, and set to zero. So are the keys
// of earlier documents of the same sequence. With a window the keys of a tile begin where its first
// query's do; what later queries of it no longer see is set to zero too.

/// The sizes of a causal attention.
public struct AttentionShape: Equatable, Sendable {
  /// Independent sequences.
  public var sequences: Int
  /// Queries of a sequence; they are the last ones of its keys.
  public var queries: Int
  /// Keys and values of a sequence, at least as many as queries.
  public var keys: Int
  /// Query heads.
  public var heads: Int
  /// Key and value heads; each serves heads / keyHeads query heads that follow one another.
  public var keyHeads: Int
  /// Width of a key that belongs to one head.
  public var keyWidth: Int
  /// Width of the key that all heads share, after the head's own (latent attention); 0 for none.
  public var sharedWidth: Int
  /// Width of a value.
  public var valueWidth: Int
  /// What scores are multiplied by before the softmax.
  public var scale: Float
  /// Keys that a query sees at most, its own the last of them; nil for all up to its own.
  public var window: Int?

  /// Queries of a tile.
  public static let queryTile = 64
  /// The most keys of a tile.
  public static let keyTile = 512

  public init(
    sequences: Int, queries: Int, keys: Int? = nil, heads: Int, keyHeads: Int? = nil,
    keyWidth: Int, sharedWidth: Int = 0, valueWidth: Int? = nil, scale: Float,
    window: Int? = nil
  ) {
    self.sequences = sequences
    self.queries = queries
    self.keys = keys ?? queries
    self.heads = heads
    self.keyHeads = keyHeads ?? heads
    self.keyWidth = keyWidth
    self.sharedWidth = sharedWidth
    self.valueWidth = valueWidth ?? keyWidth
    self.scale = scale
    self.window = window
    precondition((window ?? 1) > 0, "a query sees itself")
    precondition(sequences >= 0 && queries > 0, "a sequence has queries")
    precondition(self.keys >= queries, "queries are the last of the keys")
    precondition(heads > 0 && self.keyHeads > 0, "there are heads")
    precondition(heads % self.keyHeads == 0, "key heads divide query heads")
    precondition(keyWidth > 0 && sharedWidth >= 0 && self.valueWidth > 0, "a head has a width")
  }

  /// Width of a query: the head's own part, then the shared one.
  public var queryWidth: Int { keyWidth + sharedWidth }

  /// Pairs of query and key of one head of one sequence that are computed, masked ones included.
  public var computedPairs: Int {
    var pairs = 0
    var first = 0
    while first < queries {
      let end = min(first + AttentionShape.queryTile, queries)
      pairs += (end - first) * (end + keys - queries - firstKey(of: first))
      first = end
    }
    return pairs
  }

  /// The first key that a query sees, as a number within its sequence.
  @inline(__always)
  func firstKey(of query: Int) -> Int {
    guard let window else { return 0 }
    return max(0, query &+ keys &- queries &+ 1 &- window)
  }

  /// FLOPs of the forward pass, as counted: scores, and values weighted by them.
  public var forwardFLOPs: Int {
    2 * sequences * heads * computedPairs * (queryWidth + valueWidth)
  }

  /// FLOPs of the backward pass, as counted: the scores again, and four gradients.
  public var backwardFLOPs: Int {
    2 * sequences * heads * computedPairs * (3 * queryWidth + 2 * valueWidth)
  }
}

/// What attention reads: queries, keys, values and the key that all heads share.
public struct AttentionInputs {
  /// (sequences * queries, heads, queryWidth).
  public var query: Heads
  /// (sequences * keys, keyHeads, keyWidth).
  public var key: Heads
  /// (sequences * keys, sharedWidth), the part of the key that all heads share.
  public var sharedKey: Heads?
  /// (sequences * keys, keyHeads, valueWidth).
  public var value: Heads
  /// (sequences * queries), the first key of its sequence that a query may see, at most its own; nil
  /// where it sees all that are not behind it.
  public var firstKeys: UnsafePointer<Int32>?

  public init(
    query: Heads, key: Heads, sharedKey: Heads? = nil, value: Heads,
    firstKeys: UnsafePointer<Int32>? = nil
  ) {
    self.query = query
    self.key = key
    self.sharedKey = sharedKey
    self.value = value
    self.firstKeys = firstKeys
  }
}

/// One tile: some queries of one head of one sequence against some of its keys.
struct AttentionTile {
  var head: Int
  var keyHead: Int
  /// The first query as a row of the batch, and its number within the sequence.
  var queryRow: Int
  var firstQuery: Int
  var queries: Int
  /// The first key as a row of the batch, and its number within the sequence.
  var keyRow: Int
  var firstKey: Int
  var keys: Int
}

extension AttentionShape {
  /// Visits tiles in the order of sequence, key head, head, queries, keys.
  @inline(__always)
  func forEachTile(_ body: (AttentionTile, _ isFirst: Bool, _ isLast: Bool) -> Void) {
    let group = heads / keyHeads
    for sequence in 0..<sequences {
      for head in 0..<heads {
        var first = 0
        while first < queries {
          let count = min(AttentionShape.queryTile, queries - first)
          let end = first + count + keys - queries
          let start = firstKey(of: first)
          var firstKey = start
          while firstKey < end {
            let tileKeys = min(AttentionShape.keyTile, end - firstKey)
            let tile = AttentionTile(
              head: head, keyHead: head / group, queryRow: sequence * queries + first,
              firstQuery: first, queries: count, keyRow: sequence * keys + firstKey,
              firstKey: firstKey, keys: tileKeys)
            body(tile, firstKey == start, firstKey + tileKeys == end)
            firstKey += tileKeys
          }
          first += count
        }
      }
    }
  }

  /// How many keys of a tile query `row` of it may see.
  @inline(__always)
  func visible(_ tile: AttentionTile, row: Int) -> Int {
    let last = tile.firstQuery &+ row &+ keys &- queries
    return max(0, min(tile.keys, last &+ 1 &- tile.firstKey))
  }

  /// How many keys of a tile, from its first one on, query `row` of it may not see although they are not
  /// behind it: those of earlier documents, and those in front of its window.
  @inline(__always)
  func hidden(_ tile: AttentionTile, row: Int, _ firstKeys: UnsafePointer<Int32>?) -> Int {
    guard firstKeys != nil || window != nil else { return 0 }
    let document = firstKeys.map { Int($0[tile.queryRow &+ row]) } ?? 0
    let first = max(document, firstKey(of: tile.firstQuery &+ row)) &- tile.firstKey
    return max(0, min(first, visible(tile, row: row)))
  }

  /// Scores of a tile, scaled: scoreTile (queries, keys of the tile).
  func scores(_ tile: AttentionTile, _ inputs: AttentionInputs, on bench: Workbench) {
    let query = inputs.query.at(token: tile.queryRow, head: tile.head)
    let key = inputs.key.at(token: tile.keyRow, head: tile.keyHead)
    matmul(
      bench.scoreTile, stride: tile.keys, Factor(query, stride: inputs.query.tokenStride),
      Factor(key, stride: inputs.key.tokenStride, isTransposed: true),
      ProductSize(m: tile.queries, n: tile.keys, k: keyWidth), scale: scale, as: .attention,
      on: bench)
    guard let shared = inputs.sharedKey else { return }
    matmul(
      bench.scoreTile, stride: tile.keys,
      Factor(query + keyWidth, stride: inputs.query.tokenStride),
      Factor(
        shared.at(token: tile.keyRow, head: 0), stride: shared.tokenStride, isTransposed: true),
      ProductSize(m: tile.queries, n: tile.keys, k: sharedWidth), scale: scale, accumulate: true,
      as: .attention, on: bench)
  }

  func check(_ inputs: AttentionInputs) {
    precondition(
      (sharedWidth > 0) == (inputs.sharedKey != nil), "a shared key is given where it has a width")
  }
}
