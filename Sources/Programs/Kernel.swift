import Models

/// Which half of a differentiable operation a kernel computes.
public enum Pass: UInt8, Hashable, Sendable, CaseIterable {
  case forward, backwardInput, backwardWeight
}

/// The sizes of one attention core.
public struct AttentionShape: Hashable, Sendable {
  /// Sequences in the microbatch.
  public var sequences: Int
  /// Query positions of one sequence that this rank computes.
  public var queries: Int
  /// Key positions of one sequence that they attend to.
  public var keys: Int
  public var heads: Int
  public var keyValueHeads: Int
  /// Width of a query and a key, rotary part included.
  public var queryKeySize: Int
  public var valueSize: Int
  /// Columns at the end of queries and keys whose key part all heads share and find in an operand of its
  /// own, behind the values; 0 for none.
  public var sharedKeySize = 0
  /// What a device's kernel gathers for each query that has keys of its own; nil where it reads keys and
  /// values of heads.
  public var gathered: GatheredLatents?
  /// A query attends to the keys up to its own position; else to all of them.
  public var isCausal = true
  /// Which of the keys up to its own position a query of the fused kernel meets.
  public var reach = Reach.all
  /// Ranks around which keys and values of the sequence are passed, a block on each; 1 where all lie here.
  public var ringRanks = 1
  /// Keys and values lie in caches of `keys` positions, as many of them filled as the backend knows.
  public var isCached = false
  /// Queries that a CPU rank's kernel takes at a time, against the keys up to the last of them; nil where
  /// the whole square is counted.
  public var queryTile: Int?

  public init(
    sequences: Int, queries: Int, keys: Int, heads: Int, keyValueHeads: Int, queryKeySize: Int,
    valueSize: Int, queryTile: Int? = nil
  ) {
    self.sequences = sequences
    self.queries = queries
    self.keys = keys
    self.heads = heads
    self.keyValueHeads = keyValueHeads
    self.queryKeySize = queryKeySize
    self.valueSize = valueSize
    self.queryTile = queryTile
  }

  /// What a rank of the ring computes, block after block: its own queries against its own keys, then
  /// against those of each other rank.
  ///
  /// Each rank holds a chunk from the front of the sequence and the one as far from its end, so that every
  /// block but its own is half a square on every rank: all queries against the first chunk of an earlier
  /// rank, or the second chunk of queries against all keys of a later one (Transformer Engine's
  /// `AttnFuncWithCPAndKVP2P`; Megatron-Core's context parallelism). The last rank's are taken.
  public var ringBlocks: [AttentionShape] {
    guard ringRanks > 1 else { return [self] }
    var own = self
    (own.ringRanks, own.keys) = (1, queries)
    var other = own
    (other.keys, other.isCausal) = (queries / 2, false)
    return [own] + Array(repeating: other, count: ringRanks - 1)
  }

  /// The keys that a query meets at most, its own the last of them; nil where nothing slides.
  public var window: Int? {
    if case .window(let width) = reach { width } else { nil }
  }

  /// Columns of queries and of results as the fused kernel of a device computes them.
  public var computedQuerySize: Int { gathered.map { $0.latent + $0.rope } ?? queryKeySize }
  public var computedValueSize: Int { gathered?.latent ?? valueSize }
  /// Heads that share a key as that kernel reads it.
  public var queriesPerComputedKey: Int { gathered == nil ? heads / keyValueHeads : heads }

  /// Whether a window, a chunk or a choice leaves out keys of the sequence.
  public var isLimited: Bool { reach.width.map { $0 < keys } ?? false }

  /// Pairs of query and key of one head of one sequence that the kernel computes; where something limits
  /// what a query of a device meets, twice those below the diagonal, as the square is twice its half.
  ///
  /// A CPU rank's tile begins at the first key of its first query's window.
  public var computedPairs: Int {
    if isLimited, queryTile == nil {
      return Int((2 * reach.causalPairs(keys) * Double(queries) / Double(keys)).rounded())
    }
    guard let queryTile else { return queries * keys }
    return stride(from: 0, to: queries, by: queryTile).reduce(0) { pairs, first in
      let end = min(first + queryTile, queries)
      let firstKey = window.map { max(0, first + keys - queries + 1 - $0) } ?? 0
      return pairs + (end - first) * (end + keys - queries - firstKey)
    }
  }

  /// FLOPs of the two products of the forward core over the computed pairs.
  public var forwardFLOPs: Double {
    2.0 * Double(sequences) * Double(computedPairs) * Double(heads)
      * Double(queryKeySize + valueSize)
  }
}

/// The kernel classes that move bytes and compute little; each has its own achieved bandwidth.
public enum Streaming: UInt8, Hashable, Sendable, CaseIterable {
  case normForward, normBackward
  case rotary
  case copy
  case transpose
  case add
  case gatedUnitForward, gatedUnitBackward
  case activationForward, activationBackward
  case dropout
  case softmax
  case embeddingForward, embeddingBackward
  case quantize, quantizeTranspose, dequantize
  /// Casts a matrix to FP8 and writes it in rows and in columns (Transformer Engine's cast and transpose).
  case castTranspose
  /// Reads a tensor for its greatest magnitude, of which its scale follows.
  case greatestMagnitude
  case permute, unpermute
  case routing
  case index
  case crossEntropy
  /// The passes before and behind a fused core's backward.
  case attentionPrepare, attentionConvert
  case cast
  /// Copies parameters out of the unit that was gathered, and casts gradients into the one that is reduced
  /// (PyTorch's FSDP2).
  case copyOutOfUnit, castIntoUnit
  case optimizer
  case squareSum
}

/// What one operation computes.
///
/// Operands are listed in `Operation`: outputs first, then inputs, in the order that each case names.
public enum Kernel: Hashable, Sendable {
  /// Reads this microbatch's token numbers: out (tokens) int32.
  case loadTokens(tokens: Int)
  /// Reads the labels, `shift` positions ahead, −1 where there is none: out (tokens) int32.
  case loadLabels(tokens: Int, shift: Int)
  /// Reads what the objective needs beside labels: out (tokens, columns).
  case loadTargets(tokens: Int, columns: Int)
  /// forward: out (tokens, hidden) ← tokens, table(, position table);
  /// backwardWeight: table gradient(, position gradient) += tokens, out gradient.
  case embedding(tokens: Int, hidden: Int, vocabulary: Int, Pass)
  /// forward: out, statistics ← in, gain(, bias);
  /// backwardInput: in gradient, gain gradient(, bias gradient) ← out gradient, in, statistics, gain.
  case norm(rows: Rows, columns: Int, epsilon: Float, centred: Bool, Pass)
  /// A norm whose kernel writes FP8 at once: out, statistics ← in, gain(, bias).
  case quantizedNorm(rows: Rows, columns: Int, epsilon: Float, centred: Bool)
  /// `out (m, n) = in (m, k) · weight (n, k)ᵀ (+ bias)`.
  /// forward: out ← in, weight(, bias);
  /// backwardInput: in gradient(, and bias gradient += the rows of) ← out gradient, weight;
  /// backwardWeight: weight gradient += out gradient, in.
  case matmul(Matmul)
  /// The same product for every local expert over its own rows.
  /// forward: out ← in, weights, routing; backwardInput: in gradient ← out gradient, weights, routing;
  /// backwardWeight: weight gradients += out gradient, in, routing.
  case groupedMatmul(Matmul, experts: Int)
  /// forward: out, logSumExp ← query, key, value(, shared key);
  /// backwardInput: query, key, value gradients ← out gradient, query, key, value, out, logSumExp.
  case attention(AttentionShape, fused: Bool, Pass)
  /// Rotates query and key heads: forward: query out, key out, value out ← fused (tokens, q+k+v);
  /// backwardInput: fused gradient ← query, key, value gradients.
  /// Without rotation (learned positions) it only splits.
  case splitHeads(SplitHeads, Pass)
  /// Rotates heads behind a norm: out (tokens·heads, size) ← in; backwardInput: in gradient ← out gradient.
  case rotate(tokens: Int, heads: Int, headSize: Int, Pass)
  /// Latent attention: forward: query, key, value ← query up (tokens, heads·(nope+rope)),
  /// key-value up (tokens, heads·(nope+value)), key-value down (tokens, latent+rope, its rotary part);
  /// backwardInput: query up gradient, key-value up gradient, rotary key gradient
  /// (tokens, rope) ← query, key, value gradients.
  case assembleLatent(LatentShape, Pass)
  /// Gives the latent part of the key-value down projection: out (tokens, latent) ← in
  /// (tokens, latent+rope); backwardInput: in gradient ← latent gradient, rotary key gradient.
  case splitLatent(LatentShape, Pass)
  /// Writes rows behind those that a cache holds: cache (positions, columns) ← in (tokens, columns).
  case cache(tokens: Int, columns: Int)
  /// Queries that meet the cached latents themselves, the keys' projection taken into them: query
  /// (tokens, heads·(latent+rope)), rotary key (tokens, rope) ← query up, key-value down, key-value up's
  /// weight (DeepSeek-V2, arXiv 2405.04434, section 2.1.2).
  case absorbLatent(LatentShape)
  /// Values of attended latents: out (tokens, heads·value) ← attended (tokens, heads·latent), key-value
  /// up's weight.
  case expandLatent(LatentShape)
  /// out ← two or more terms, added from the left; `out` may be the first term.
  case add(rows: Rows, columns: Int, terms: Int)
  /// `out = weight · silu(gate) · up` of in (rows, 2·columns), gate first; the weight is the router's for
  /// the rows of experts (`weighted`: routing is the last input), else 1.
  /// backwardInput: in gradient(, weight gradients) ← out gradient, in(, routing).
  case gatedUnit(rows: Rows, columns: Int, weighted: Bool, Pass)
  /// `out = weight · f(in)` for the rows of experts without a gate; operands as of a weighted gated unit.
  case plainUnit(rows: Rows, columns: Int, Pass)
  /// A short convolution with its activation: out ← in, taps(, bias); backwardInput: in gradient, gradients
  /// of the taps(, of the bias) ← out gradient, in, taps.
  case convolve(ConvolutionShape, Pass)
  /// The core of a recurrent block: out, states ← convolved, steps, decay, step bias(, skip);
  /// backwardInput: gradients of all of them ← out gradient, convolved, steps, states.
  case scan(ScanShape, Pass)
  /// Scores all keys and names those that attention meets: out ← queries, keys, weights of heads;
  /// backwardInput: their gradients ← out gradient, queries, keys, weights.
  case index(IndexShape, Pass)
  /// GELU by tanh, or another activation without a gate, which costs the same; backwardInput: in gradient ← out gradient, in.
  case gelu(rows: Rows, columns: Int, Pass)
  /// forward: routing (chosen experts and weights), scores ← logits(, correction bias);
  /// backwardInput: logits gradient ← weight gradients, routing, scores.
  case route(RouterShape, Pass)
  /// forward: out (routed, columns) ← in (received, columns), routing;
  /// backwardInput: in gradient (received), weight gradients (received, chosen) ← out gradient (routed),
  /// routed weight gradients, routing.
  case permute(exchange: Int, columns: Int, Pass)
  /// forward: out (received, columns) ← in (routed, columns), routing (sum over a token's local experts);
  /// backwardInput: in gradient (routed) ← out gradient (received), routing.
  case unpermute(exchange: Int, columns: Int, Pass)
  /// A rank's tokens in the order of the experts that they go to, once for each.
  /// forward: out (tokens·chosen, columns), weights (tokens·chosen) ← in (tokens, columns), routing;
  /// backwardInput: in gradient (tokens), weight gradients (tokens, chosen) ← out gradient, gradients of
  /// the weights, routing.
  case arrange(ChosenRows, Pass)
  /// The sum of the rows that come back for each token, weighted where their experts are.
  /// forward: out (tokens, columns) ← in (tokens·chosen, columns);
  /// backwardInput: in gradient (tokens·chosen) ← out gradient.
  case collect(ChosenRows, Pass)
  /// Joins two (rows, columns) into (rows, 2·columns); backwardInput splits.
  case join(rows: Rows, columns: Int, Pass)
  /// forward: hidden gradient, head gradient, loss(, tile of logits) ← hidden, head weight, labels(,
  /// targets): the logits are formed tile by tile and never held.
  case headLoss(tokens: Int, hidden: Int, vocabulary: Int, module: Int)
  /// The loss without gradients: loss, tile of logits ← hidden, head weight, labels.
  case headEvaluation(tokens: Int, hidden: Int, vocabulary: Int, module: Int)
  /// The scores behind the last token of each sequence: out (sequences, vocabulary) ← hidden, head weight.
  case headScores(sequences: Int, tokens: Int, hidden: Int, vocabulary: Int)
  /// forward: loss, probabilities ← logits (tokens, vocabulary), labels;
  /// backwardInput: logits' gradient ← probabilities, labels.
  /// Not fused, probabilities have 32 bits and operators go over them one by one.
  case crossEntropy(tokens: Int, vocabulary: Int, module: Int, fused: Bool, Pass)
  /// A change of format or layout: out ← in.
  case convert(Streaming, rows: Rows, columns: Int, from: Format, to: Format)
  /// `count` kernels too small to be anything but launches.
  case launches(count: Int, Streaming, rows: Rows)
  /// Kernels too small to be anything but launches, issued behind a result that the host has read: the device waits
  /// for each of them.
  case awaited(launches: Int)
  /// The s² traffic of an unfused attention core: mask, softmax, dropout.
  case scores(AttentionShape, Streaming, elements: Double, bytesPerElement: Double)
  /// Sum of squares of a gradient in a format: out ← gradient.
  case squareSum(elements: Int, Format)
  /// AdamW on a shard: parameter, moments ← gradient; `bytes` are all that it reads and writes.
  case adamW(elements: Int, bytes: Int)
  /// AdamW on a shard of whose state `hostBytes` come from the host's memory, in pieces, and go back.
  case streamedAdamW(elements: Int, bytes: Int, hostBytes: Int)
  /// Muon on matrices of one shape: parameters, moments, workspace ← gradients.
  case orthogonalize(Orthogonalization)
  /// Adds the lanes of a gradient: out += in.
  case fold(elements: Int)
  /// Fills with zeros.
  case clear(elements: Int)
}

extension Kernel {
  /// Rows of which the head of a CPU rank holds logits at a time.
  public static let headTileRows = 128

  /// Rows of which a head in parts holds logits at a time, over `width` of the vocabulary.
  ///
  /// Powers of two, so that logits take about what the hidden states take (Liger-Kernel,
  /// `fused_linear_cross_entropy_forward`, 2025).
  public static func rowsOfAHeadPart(_ tokens: Int, _ width: Int, _ hidden: Int) -> Int {
    let parts = (width + hidden - 1) / hidden
    let least = max(1, (tokens + parts - 1) / parts)
    var rows = 1
    while rows < least { rows *= 2 }
    return rows
  }

  /// Queries that the attention of a CPU rank takes at a time.
  public static let attentionTileQueries = 64
}

/// One matrix product in the sizes of its forward: out (m, n) = in (m, k) · weight (n, k)ᵀ.
public struct Matmul: Hashable, Sendable {
  public var m: Rows
  public var n: Int
  public var k: Int
  public var pass: Pass
  public var format: Format
  public var hasBias: Bool
  /// The weight is stored (k, n), as GPT-2's checkpoints have it.
  public var transposed: Bool

  public init(
    m: Rows, n: Int, k: Int, pass: Pass, format: Format, hasBias: Bool = false,
    transposed: Bool = false
  ) {
    self.m = m
    self.n = n
    self.k = k
    self.pass = pass
    self.format = format
    self.hasBias = hasBias
    self.transposed = transposed
  }
}

/// How a fused query-key-value product is cut into heads and rotated.
public struct SplitHeads: Hashable, Sendable {
  public var tokens: Int
  public var heads: Int
  public var keyValueHeads: Int
  public var headSize: Int
  public var rotates: Bool

  public init(tokens: Int, heads: Int, keyValueHeads: Int, headSize: Int, rotates: Bool) {
    self.tokens = tokens
    self.heads = heads
    self.keyValueHeads = keyValueHeads
    self.headSize = headSize
    self.rotates = rotates
  }

  public var columns: Int { (heads + 2 * keyValueHeads) * headSize }
}

/// The sizes of latent attention on one rank.
public struct LatentShape: Hashable, Sendable {
  public var tokens: Int
  public var heads: Int
  public var latent: Int
  public var nope: Int
  public var rope: Int
  public var value: Int

  public init(tokens: Int, heads: Int, latent: Int, nope: Int, rope: Int, value: Int) {
    self.tokens = tokens
    self.heads = heads
    self.latent = latent
    self.nope = nope
    self.rope = rope
    self.value = value
  }
}

/// A rank's tokens, each with a row for every expert that it chose.
public struct ChosenRows: Hashable, Sendable {
  public var tokens: Int
  public var chosen: Int
  public var columns: Int

  public init(tokens: Int, chosen: Int, columns: Int) {
    self.tokens = tokens
    self.chosen = chosen
    self.columns = columns
  }

  /// Rows of all experts together.
  public var count: Int { tokens * chosen }
}

/// The sizes of a router.
public struct RouterShape: Hashable, Sendable {
  public var tokens: Int
  public var experts: Int
  public var chosen: Int
  /// The mixture layer inside the stage, which names the exchange.
  public var exchange: Int

  public init(tokens: Int, experts: Int, chosen: Int, exchange: Int) {
    self.tokens = tokens
    self.experts = experts
    self.chosen = chosen
    self.exchange = exchange
  }
}
