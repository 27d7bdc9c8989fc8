import Clusters

/// What of a causal sequence a windowed kernel computes.
public struct AttentionReach: Hashable, Sendable {
  /// Pairs of query and key that count, of one head.
  public var pairs: Double
  /// The most keys that a query meets.
  public var width: Int
  /// Blocks at the edges of what a row of blocks meets that are computed whole and count half: one on the
  /// diagonal, another at a window's far end.
  public var edges: Double

  public init(pairs: Double, width: Int, edges: Double) {
    self.pairs = pairs
    self.width = width
    self.edges = edges
  }
}

/// The attention core of one layer: heads over sequences.
public struct AttentionShape: Hashable, Sendable {
  /// Sequences times query heads.
  public var heads: Int
  /// Query heads that share one key and value head.
  public var queriesPerKey: Int
  public var queries: Int
  public var keys: Int
  /// Head dimension of queries and keys, and of values.
  public var queryDimension: Int
  public var valueDimension: Int
  public var causal: Bool
  /// What limits the keys that a query meets beside the mask; nil for nothing.
  public var reach: AttentionReach?

  public init(
    heads: Int, queriesPerKey: Int = 1, queries: Int, keys: Int? = nil, queryDimension: Int,
    valueDimension: Int? = nil, causal: Bool = true, reach: AttentionReach? = nil
  ) {
    precondition(heads > 0 && queries > 0 && queryDimension > 0, "Attention needs a shape.")
    precondition(queriesPerKey > 0, "A key head serves at least one query head.")
    self.heads = heads
    self.queriesPerKey = queriesPerKey
    self.queries = queries
    self.keys = keys ?? queries
    self.queryDimension = queryDimension
    self.valueDimension = valueDimension ?? queryDimension
    self.causal = causal
    self.reach = reach
  }

  /// FLOPs of the two products of the forward pass; half of the square where it is causal, and what is
  /// within reach where there is a limit.
  public var flops: Double {
    if let reach {
      return 2 * Double(heads) * reach.pairs * Double(queryDimension + valueDimension)
    }
    let square = 2 * Double(heads) * Double(queries) * Double(keys)
    return square * Double(queryDimension + valueDimension) * (causal ? 0.5 : 1)
  }
}

/// The time of attention: one fused kernel, or the separate products and passes of before 2022.
public struct AttentionCost: Sendable {
  private let device: DeviceModel
  private let library: AttentionLibrary?
  private let rate: Double
  private let operandBytes: Double
  /// Whether heads take no less than narrower ones; else what the table of their own width says.
  package var keepsOrder = true

  /// - Parameters:
  ///   - library: whose fused kernels run; nil for those that the device takes by itself.
  ///   - rate: the speed of products in units of the 16-bit ones whose constants the device has.
  ///   - operandBytes: bytes of one number of queries, keys, values and results.
  public init(
    _ device: DeviceModel, library: AttentionLibrary? = nil, rate: Double = 1,
    operandBytes: Double = 2
  ) {
    self.device = device
    self.library = library
    self.rate = rate
    self.operandBytes = operandBytes
  }

  /// The fused forward kernel.
  ///
  /// Blocks of query rows are spread over the multiprocessors; a causal block's length grows with
  /// its position, so that the end of the kernel is uneven by a share of the longest block.
  public func forward(
    _ shape: AttentionShape, multiprocessors: Int? = nil, clock: ClockState = .loaded
  ) -> Cost {
    padded(shape) { shape, computed, kernels in
      fused(
        shape, computed, work: 1, share: kernels.forwardShare, ramp: kernels.forwardRamp,
        tail: device.attention.forwardTail, multiprocessors: multiprocessors, clock: clock)
    }
  }

  /// The fused backward kernel: five products for the forward's two, 2.5 times its FLOPs.
  ///
  /// The passes before and after it are streaming kernels (`backwardPreparation`).
  public func backward(
    _ shape: AttentionShape, multiprocessors: Int? = nil, clock: ClockState = .loaded
  ) -> Cost {
    padded(shape) { shape, computed, kernels in
      fused(
        shape, computed, work: 2.5, share: kernels.backwardShare, ramp: kernels.backwardRamp,
        tail: device.attention.backwardTail, multiprocessors: multiprocessors, clock: clock)
    }
  }

  var bytesOfNumber: Double { operandBytes }
  var memoryRate: Double { device.memoryBandwidth }
  var startOfKernel: Double { device.attention.start }

  /// FLOPs a second of the fused forward's products for heads of a shape's width.
  func rateOfProducts(_ shape: CachedAttention, _ multiprocessors: Int?) -> Double {
    let width = max(shape.queryDimension, shape.valueDimension)
    return rate * device.attention.flopsPerClock * device.clock(.loaded)
      * device.attention.kernels(library, width: width).forwardShare
      * Double(multiprocessors ?? device.multiprocessors)
  }

  /// What a kernel takes for heads of a shape: that of the next width for which the library has one, on operands
  /// that are filled up with zeros.
  ///
  /// A width without a table runs at the rate of the next table. No width is faster than a narrower one, which tables
  /// that were measured at other lengths, or with other ramps, would have at some.
  private func padded(
    _ shape: AttentionShape, _ cost: (AttentionShape, AttentionShape, AttentionWidth) -> Cost
  ) -> Cost {
    let widths = (library ?? device.attention.usual)?.kernelWidths ?? []
    func width(_ size: Int) -> Int { widths.first { $0 >= size } ?? size }
    var computed = shape
    computed.queryDimension = width(shape.queryDimension)
    computed.valueDimension = width(shape.valueDimension)
    let widest = max(computed.queryDimension, computed.valueDimension)
    let kernels = device.attention.kernels(library, width: widest)
    let own = cost(shape, computed, kernels)
    guard keepsOrder, let narrower = widths.last(where: { $0 < widest }) else { return own }
    var next = shape
    next.queryDimension = min(shape.queryDimension, narrower)
    next.valueDimension = min(shape.valueDimension, narrower)
    let least = padded(next, cost)
    return least.seconds > own.seconds ? least : own
  }

  /// A fused kernel that computes the products of one shape and moves the operands of another.
  private func fused(
    _ shape: AttentionShape, _ computed: AttentionShape, work: Double, share: Double,
    ramp: Double, tail: Double, multiprocessors: Int?, clock: ClockState
  ) -> Cost {
    let constants = device.attention
    let count = Double(multiprocessors ?? device.multiprocessors)
    let blocks = Double(ceilingDivision(shape.queries, constants.blockRows))
    let block = Double(constants.blockRows)
    let rate = self.rate * constants.flopsPerClock * device.clock(clock) * share
    if let reach = shape.reach {
      return limited(
        shape, computed, reach, work: work, ramp: ramp, tail: tail, rate: rate, count: count)
    }
    // Diagonal blocks are computed whole: (blocks + 1) / blocks of the triangle.
    let full = shape.causal ? computed.flops * (blocks + 1) / blocks : computed.flops
    // A block starts and ends once, however many keys it meets in between.
    let met = shape.causal ? (Double(shape.keys) + block) / 2 : Double(shape.keys)
    let flops = work * full * (1 + ramp / met)
    let meanBlock = flops / (Double(shape.heads) * blocks)
    let longest = (shape.causal ? meanBlock * 2 * blocks / (blocks + 1) : meanBlock) / rate
    return finished(
      shape, work: work, spread: flops / (rate * count), longest: longest, tail: tail)
  }

  /// The same kernel where a row of blocks meets what is within reach alone; blocks at its edges are
  /// computed whole.
  private func limited(
    _ shape: AttentionShape, _ computed: AttentionShape, _ reach: AttentionReach, work: Double,
    ramp: Double, tail: Double, rate: Double, count: Double
  ) -> Cost {
    let block = Double(device.attention.blockRows)
    let met = reach.pairs / Double(shape.queries) + reach.edges * block / 2
    let whole = 1 + reach.edges * block / 2 * Double(shape.queries) / reach.pairs
    let flops = work * computed.flops * whole * (1 + ramp / met)
    // The last row of blocks meets the whole width, and what lies at its edges.
    let width = min(Double(shape.keys), Double(reach.width) + max(0, reach.edges - 1) * block)
    let longest =
      2 * width * min(block, Double(shape.queries)) * work * (1 + ramp / met)
      * Double(computed.queryDimension + computed.valueDimension) / rate
    return finished(
      shape, work: work, spread: flops / (rate * count), longest: longest, tail: tail)
  }

  /// The time of blocks spread over multiprocessors, of which the longest ends last.
  private func finished(
    _ shape: AttentionShape, work: Double, spread: Double, longest: Double, tail: Double
  ) -> Cost {
    let constants = device.attention
    let computing = max(longest, spread + tail * longest)
    let bytes = traffic(shape, work: work)
    let memory = bytes / device.memoryBandwidth
    if memory > computing {
      return Cost(seconds: constants.start + memory, limitedBy: .memory)
    }
    let limit: Limit =
      constants.start > computing
      ? .launch : computing > 1.5 * spread ? .waveQuantisation : .compute
    return Cost(seconds: constants.start + computing, limitedBy: limit)
  }

  private func traffic(_ shape: AttentionShape, work: Double) -> Double {
    let heads = Double(shape.heads)
    let queries = heads * Double(shape.queries) * Double(shape.queryDimension)
    let outputs = heads * Double(shape.queries) * Double(shape.valueDimension)
    let keys =
      heads / Double(shape.queriesPerKey) * Double(shape.keys)
      * Double(shape.queryDimension + shape.valueDimension)
    return operandBytes * (queries + outputs + keys) * (work > 1 ? 2 : 1)
  }
}

extension AttentionCost {
  /// Bytes of the pass before the fused backward kernel: reads the output and its gradient,
  /// clears the 32-bit sum of the query gradient.
  public static func preparationBytes(_ shape: AttentionShape) -> Double {
    let rows = Double(shape.heads) * Double(shape.queries)
    return rows * Double(shape.valueDimension) * 4 + rows * Double(shape.queryDimension) * 4
  }

  /// Bytes of the pass after it: reads the 32-bit query gradient, writes it in 16 bits.
  public static func conversionBytes(_ shape: AttentionShape) -> Double {
    Double(shape.heads) * Double(shape.queries) * Double(shape.queryDimension) * 6
  }

  /// The unfused core forward: two batched products, softmax and dropout over the whole square.
  ///
  /// `heads` counts sequences times heads. Without fusion nothing is saved by causality.
  /// Traffic per element of the square: the product writes 2 B, softmax reads and writes 2 B each,
  /// dropout reads and writes 2 B each and keeps a mask of 1 B, the product reads 2 B.
  public func unfusedForward(
    _ shape: AttentionShape, multiprocessors: Int? = nil, clock: ClockState = .loaded
  ) -> Cost {
    let square = Double(shape.heads) * Double(shape.queries) * Double(shape.keys)
    let streaming = StreamingCost(device)
    return unfusedForwardProducts(shape, multiprocessors: multiprocessors, clock: clock)
      + streaming.cost(.softmax, bytes: 4 * square) + streaming.cost(.dropout, bytes: 5 * square)
  }

  /// Its two batched products alone.
  public func unfusedForwardProducts(
    _ shape: AttentionShape, multiprocessors: Int? = nil, clock: ClockState = .loaded
  ) -> Cost {
    batched(shape, columns: shape.keys, depth: shape.queryDimension, multiprocessors, clock)
      + batched(shape, columns: shape.valueDimension, depth: shape.keys, multiprocessors, clock)
  }

  /// The unfused core backward: four batched products, dropout and softmax over the square.
  public func unfusedBackward(
    _ shape: AttentionShape, multiprocessors: Int? = nil, clock: ClockState = .loaded
  ) -> Cost {
    let square = Double(shape.heads) * Double(shape.queries) * Double(shape.keys)
    let streaming = StreamingCost(device)
    return unfusedBackwardProducts(shape, multiprocessors: multiprocessors, clock: clock)
      + streaming.cost(.dropout, bytes: 5 * square) + streaming.cost(.softmax, bytes: 6 * square)
  }

  /// Its four batched products alone.
  public func unfusedBackwardProducts(
    _ shape: AttentionShape, multiprocessors: Int? = nil, clock: ClockState = .loaded
  ) -> Cost {
    batched(shape, columns: shape.keys, depth: shape.valueDimension, multiprocessors, clock)
      + batched(shape, columns: shape.valueDimension, depth: shape.queries, multiprocessors, clock)
      + batched(shape, columns: shape.queryDimension, depth: shape.keys, multiprocessors, clock)
      + batched(shape, columns: shape.queryDimension, depth: shape.queries, multiprocessors, clock)
  }

  private func batched(
    _ shape: AttentionShape, columns: Int, depth: Int, _ multiprocessors: Int?, _ clock: ClockState
  ) -> Cost {
    guard
      let matmul = MatmulCost(device, as: .bf16, rate: rate, operandBytes: operandBytes)
    else { preconditionFailure("Unfused attention needs 16-bit matrix products.") }
    let product = MatmulShape(
      rows: Array(repeating: shape.queries, count: shape.heads), columns: columns, depth: depth,
      resultBytes: operandBytes)
    return matmul.cost(product, multiprocessors: multiprocessors, clock: clock)
  }
}
