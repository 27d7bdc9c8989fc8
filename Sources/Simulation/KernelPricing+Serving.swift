import Costs
import Programs

extension KernelPricing {
  /// The kernels that programs of inference alone have, or have otherwise; nil for all others.
  func servingKernels(_ kernel: Kernel, _ multiprocessors: Int) -> [PricedKernel]? {
    switch kernel {
    case .attention(let shape, _, .forward) where shape.isCached:
      return [cachedCore(shape, multiprocessors)]
    case .headScores(let sequences, _, let hidden, let vocabulary):
      let matmul = Matmul(
        m: .fixed(sequences), n: vocabulary, k: hidden, pass: .forward, format: headProduct)
      return [product(matmul, groups: 1, rows: Self.fixed, multiprocessors)]
    case .cache(let tokens, let columns):
      return [pass(.copy, 2 * sizes.activation * Double(tokens * columns))]
    case .absorbLatent(let shape):
      // Queries' and the key's rotary parts are rotated and written beside.
      let rotated = Double(shape.tokens * (shape.heads + 1) * shape.rope)
      return [
        heads(shape, columns: shape.latent, depth: shape.nope, multiprocessors),
        pass(.rope, 2 * sizes.activation * rotated),
      ]
    case .expandLatent(let shape):
      return [heads(shape, columns: shape.value, depth: shape.latent, multiprocessors)]
    case .route(let shape, .forward) where serves:
      // One kernel scores, limits groups, chooses and weighs (SGLang and vLLM have such): reads logits, writes
      // numbers and weights.
      return [pass(.elementwise, 4 * Double(shape.tokens * (shape.experts + 2 * shape.chosen)))]
    default: return nil
    }
  }

  private static func fixed(_ rows: Rows) -> Int {
    if case .fixed(let count) = rows { count } else { 0 }
  }

  /// The passes that draw the next tokens.
  func kernels(of choice: TokenChoice) -> [PricedKernel] {
    choice.passes.map { pass($0.kernel, $0.bytes) }
  }

  private func pass(_ kind: StreamingClass, _ bytes: Double) -> PricedKernel {
    PricedKernel(.streaming(kind), seconds: streaming.cost(kind, bytes: bytes).seconds)
  }

  /// One product for each head over the rows of all tokens, in the format of attention's operands.
  private func heads(
    _ shape: LatentShape, columns: Int, depth: Int, _ multiprocessors: Int
  ) -> PricedKernel {
    let format: Format = products[.bfloat16] != nil ? .bfloat16 : headProduct
    let matmul = Matmul(
      m: .fixed(shape.tokens * shape.heads), n: columns, k: depth, pass: .forward, format: format)
    return product(matmul, groups: shape.heads, rows: Self.fixed, multiprocessors)
  }

  /// Where keys have a part that lies beside the values, the rest of them is the values.
  private func cachedCore(
    _ shape: Programs.AttentionShape, _ multiprocessors: Int
  ) -> PricedKernel {
    let positions = min(shape.keys, shape.reach.width ?? shape.keys)
    let cached = CachedAttention(
      sequences: shape.sequences, heads: shape.heads,
      headsPerKey: shape.heads / shape.keyValueHeads, queries: shape.queries,
      positions: positions, queryDimension: shape.queryKeySize, valueDimension: shape.valueSize,
      numbersPerPosition: shape.sharedKeySize > 0
        ? shape.valueSize + shape.sharedKeySize : shape.queryKeySize + shape.valueSize)
    let cost = attention.cached(cached, multiprocessors: multiprocessors)
    return PricedKernel(.cachedAttention(cached), seconds: cost.seconds)
  }
}
