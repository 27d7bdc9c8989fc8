/// Attention of few new tokens to keys and values that lie in caches.
public struct CachedAttention: Hashable, Sendable {
  public var sequences: Int
  /// Query heads of a sequence, of which `headsPerKey` share one head of keys and values.
  public var heads: Int
  public var headsPerKey: Int
  /// New tokens of a sequence.
  public var queries: Int
  /// Cached positions that each of them meets.
  public var positions: Int
  public var queryDimension: Int
  public var valueDimension: Int
  /// Numbers that the caches hold of one position of one sequence and one head of keys: keys and values, or
  /// latents that serve as both with the rotary keys.
  public var numbersPerPosition: Int

  public init(
    sequences: Int, heads: Int, headsPerKey: Int = 1, queries: Int = 1, positions: Int,
    queryDimension: Int, valueDimension: Int, numbersPerPosition: Int
  ) {
    precondition(
      sequences > 0 && heads > 0 && queries > 0 && positions > 0, "Attention needs a shape.")
    precondition(headsPerKey > 0 && heads % headsPerKey == 0, "Heads share heads of keys.")
    self.sequences = sequences
    self.heads = heads
    self.headsPerKey = headsPerKey
    self.queries = queries
    self.positions = positions
    self.queryDimension = queryDimension
    self.valueDimension = valueDimension
    self.numbersPerPosition = numbersPerPosition
  }

  /// Numbers in the caches that it reads.
  public var cachedNumbers: Double {
    Double(sequences * (heads / headsPerKey)) * Double(positions) * Double(numbersPerPosition)
  }

  /// FLOPs of its two products.
  public var flops: Double {
    2 * Double(sequences * heads) * Double(queries) * Double(positions)
      * Double(queryDimension + valueDimension)
  }
}

extension AttentionCost {
  /// Rows of the smallest product of Hopper's tensor cores (PTX, wgmma: m64): the queries of heads that share
  /// keys are its rows.
  private static let leastRows = 64

  /// A kernel that reads caches once: its bytes at the memory's rate, or its products, whichever takes longer.
  ///
  /// Positions are spread over all multiprocessors (FlashDecoding, split over keys), so that one sequence keeps
  /// them busy too; what joins the parts is a second kernel behind the first. Products compute whole tiles of 64
  /// rows at the share of the peak that fused kernels of such heads reach. Not modelled: pages of caches, and
  /// splits that are uneven because sequences are.
  public func cached(_ shape: CachedAttention, multiprocessors: Int? = nil) -> Cost {
    let rows = shape.headsPerKey * shape.queries
    let tiles = ceilingDivision(rows, Self.leastRows) * Self.leastRows
    let wasted = Double(tiles) / Double(rows)
    let computing = shape.flops * wasted / rateOfProducts(shape, multiprocessors)
    let own =
      Double(shape.sequences * shape.heads * shape.queries)
      * Double(shape.queryDimension + shape.valueDimension)
    let memory = (shape.cachedNumbers + own) * bytesOfNumber / memoryRate
    let start = 2 * startOfKernel
    let longer = max(computing, memory)
    let limit: Limit = start > longer ? .launch : memory >= computing ? .memory : .compute
    return Cost(seconds: start + longer, limitedBy: limit)
  }
}
