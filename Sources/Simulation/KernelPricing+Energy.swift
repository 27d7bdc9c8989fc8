import Costs
import Programs

extension KernelPricing {
  /// What a kernel takes of power; the copies of operands that stay in caches cost nothing.
  ///
  /// Of attention the operations on and below the diagonal count.
  func work(
    of operation: Operation, rows: ExchangeRows, _ power: PowerModel
  ) -> PowerModel.Work {
    let flops = operation.kernel.flops { rows($0) }
    switch operation.kernel {
    case .matmul(let matmul), .groupedMatmul(let matmul, _):
      let (m, n, k) = (Double(rows(matmul.m)), Double(matmul.n), Double(matmul.k))
      let operands = Double(matmul.format.bytes(columns: 1)) * (m * k + k * n)
      return products(flops, matmul.format, bytes: operands + sizes.activation * m * n, power)
    case .headLoss(let tokens, let hidden, let vocabulary, _):
      let logits = sizes.activation * Double(tokens) * Double(vocabulary)
      let operands =
        Double(headProduct.bytes(columns: 1)) * Double(hidden) * Double(tokens + vocabulary)
      return products(flops, headProduct, bytes: 6 * logits + 3 * operands, power)
    case .orthogonalize(let update):
      let bytes = update.passes.reduce(0, +) * Double(update.matrices) + Double(update.bytes)
      return products(flops, update.format, bytes: bytes, power)
    case .attention(let shape, _, _):
      // Latents that heads share are wider than what the algorithm multiplies.
      let computed = Double(shape.computedQuerySize + shape.computedValueSize)
      let counted = Double(shape.queryKeySize + shape.valueSize)
      // The square is counted; a block that lies below the diagonal is computed whole.
      let share = shape.isCausal ? 0.5 : 1
      return power.attentionWork(
        flops: flops * share * (computed / counted), rate: attentionRate)
    case .scan(let shape, _):
      let format: Format = products[.bfloat16] != nil ? .bfloat16 : headProduct
      return products(flops, format, bytes: 8 * Double(shape.stateElements), power)
    case .index(let shape, let pass):
      let isForward = pass == .forward
      let bytes = Self.scoreBytes * (isForward ? 2 * shape.scoredPairs : 3 * shape.chosenPairs)
      return power.work(
        flops: flops / 2, isForward && indexing != nil ? .fp8 : .bf16, bytes: bytes)
    case .launches, .awaited, .route(_, .forward): return PowerModel.Work()
    default:
      let passes = operation.kernel.passes(rows: { rows($0) }, sizes)
      return power.work(flops: 0, .bf16, bytes: passes.reduce(0) { $0 + $1.bytes })
    }
  }

  private func products(
    _ flops: Double, _ format: Format, bytes: Double, _ power: PowerModel
  ) -> PowerModel.Work {
    format.isFloat8
      ? power.work(flops: flops, .fp8, bytes: bytes)
      : power.work(flops: flops, .bf16, rate: rates[format] ?? 1, bytes: bytes)
  }
}
