import Models

/// The sizes of a recurrent block's core on one rank.
///
/// Kernels compute a chunk of tokens at a time as products and pass the state from chunk to chunk
/// (arXiv 2405.21060, section 7, and the kernels of mamba-ssm; arXiv 2412.06464, section 3.3, and
/// those of flash-linear-attention).
public struct ScanShape: Hashable, Sendable {
  /// One batched product of the core: `count` products of (m, k) and (k, n).
  public struct Product: Hashable, Sendable {
    public var count: Int
    public var m: Int
    public var n: Int
    public var k: Int

    public init(count: Int, m: Int, n: Int, k: Int) {
      self.count = count
      self.m = m
      self.n = n
      self.k = k
    }

    public var flops: Double { 2 * Double(count) * Double(m) * Double(n) * Double(k) }
  }

  /// Sequences of the microbatch, and tokens of each.
  public var sequences: Int
  public var tokens: Int
  /// The block with the heads of this rank.
  public var block: Recurrence

  public init(sequences: Int, tokens: Int, block: Recurrence) {
    self.sequences = sequences
    self.tokens = tokens
    self.block = block
  }

  /// Chunks of all sequences; the last of a sequence may be short and is computed whole.
  public var chunks: Int {
    let side = min(block.chunk, tokens)
    return sequences * ((tokens + side - 1) / side)
  }

  /// The products of the forward: within chunks scores of queries and keys and their sums of values,
  /// between them states made and read; the delta rule also solves for what it writes.
  public var products: [Product] {
    let side = min(block.chunk, tokens)
    let (values, keys) = (chunks * block.heads, chunks * block.keyHeads)
    let (width, state) = (block.headSize, block.stateSize)
    let common = [
      Product(count: values, m: side, n: width, k: side),
      Product(count: values, m: state, n: width, k: side),
      Product(count: values, m: side, n: width, k: state),
    ]
    guard block.kind == .gatedDelta else {
      return [Product(count: keys, m: side, n: side, k: state)] + common
    }
    return [
      Product(count: values, m: side, n: side, k: state),
      // Keys with keys, their inverse applied to values and to keys, and the state met by the latter.
      Product(count: values, m: side, n: side, k: state),
      Product(count: values, m: side, n: width, k: side),
      Product(count: values, m: side, n: state, k: side),
      Product(count: values, m: side, n: width, k: state),
    ] + common
  }

  /// FLOPs of the forward's products; the backward has two for each of them.
  public var forwardFLOPs: Double { products.reduce(0) { $0 + $1.flops } }

  /// Numbers in the states between chunks.
  public var stateElements: Int { chunks * block.heads * block.headSize * block.stateSize }
}

/// The sizes of what scores all keys to choose those that attention meets.
public struct IndexShape: Hashable, Sendable {
  public var sequences: Int
  public var queries: Int
  public var keys: Int
  public var heads: Int
  public var headSize: Int
  /// Keys chosen for each query.
  public var chosen: Int

  public init(
    sequences: Int, queries: Int, keys: Int, heads: Int, headSize: Int, chosen: Int
  ) {
    self.sequences = sequences
    self.queries = queries
    self.keys = keys
    self.heads = heads
    self.headSize = headSize
    self.chosen = chosen
  }

  /// Pairs of query and key on and below the diagonal that are scored, and of these the chosen ones, of one
  /// head over all sequences.
  public var scoredPairs: Double { pairs(.all) }
  public var chosenPairs: Double { pairs(.chosen(chosen)) }

  /// FLOPs of the scores, the full square counted.
  public var forwardFLOPs: Double { 2 * 2 * scoredPairs * Double(heads * headSize) }

  /// FLOPs of the gradients of queries and keys: two products over the chosen pairs, from which alone an
  /// indexer learns (DeepSeek-V3.2-Exp report, equation 4), twice those on and below the diagonal counted.
  public var backwardFLOPs: Double { 2 * 2 * 2 * chosenPairs * Double(heads * headSize) }

  private func pairs(_ reach: Reach) -> Double {
    reach.causalPairs(keys) * Double(sequences) * Double(queries) / Double(keys)
  }
}

/// The latents that all heads share as keys and values: the form in which sparse attention gathers what a
/// query chose, so that a row serves every head (DeepSeek-V3.2-Exp report, section 1: the MQA mode of MLA).
public struct GatheredLatents: Hashable, Sendable {
  /// Columns of the latent, which are keys and values at once.
  public var latent: Int
  /// Columns of the rotated part of a key.
  public var rope: Int

  public init(latent: Int, rope: Int) {
    self.latent = latent
    self.rope = rope
  }
}

/// The sizes of a short convolution over tokens, column by column.
public struct ConvolutionShape: Hashable, Sendable {
  public var tokens: Int
  /// Columns that it reads a part of, and those that it runs over.
  public var read: Int
  public var columns: Int
  /// Positions that it spans.
  public var width: Int

  public init(tokens: Int, read: Int, columns: Int, width: Int) {
    self.tokens = tokens
    self.read = read
    self.columns = columns
    self.width = width
  }
}
