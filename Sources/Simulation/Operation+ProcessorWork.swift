import Clusters
import Costs
import Programs

extension Programs.Operation {
  /// What the operation's kernel has to do on a CPU rank, in the terms of its class; nil for kernels that CPU
  /// ranks do not have.
  ///
  /// - Parameter rows: the number behind a row count.
  package func processorWork(rows: (Rows) -> Int) -> ProcessorWork? {
    switch kernel {
    case .loadTokens(let tokens), .loadLabels(let tokens, _), .loadTargets(let tokens, _):
      return ProcessorWork(.inputs, rows: Double(tokens))
    case .embedding(let tokens, let hidden, _, let pass):
      return elements(
        pass == .forward ? .embeddingForward : .embeddingBackward, tokens, hidden)
    case .norm(let count, let columns, _, let centred, let pass):
      return elements(
        pass == .forward
          ? (centred ? .layerNormForward : .rmsNormForward)
          : (centred ? .layerNormBackward : .rmsNormBackward), rows(count), columns)
    case .matmul(let matmul): return product(matmul, experts: nil, rows(matmul.m))
    case .groupedMatmul(let matmul, let experts):
      return product(matmul, experts: experts, rows(matmul.m))
    case .attention(let shape, true, let pass): return attention(shape, pass)
    case .headLoss(let tokens, let hidden, let vocabulary, _):
      return head(tokens, hidden, vocabulary, products: 3)
    case .headEvaluation(let tokens, let hidden, let vocabulary, _):
      return head(tokens, hidden, vocabulary, products: 1)
    case .splitHeads(let shape, let pass):
      let kernel: ProcessorKernel =
        shape.rotates ? (pass == .forward ? .rotaryForward : .rotaryBackward) : .split
      return ProcessorWork(
        kernel, bytes: 4 * Double(shape.tokens * shape.columns),
        rows: Double(shape.tokens * (shape.heads + 2 * shape.keyValueHeads)))
    case .rotate(let tokens, let heads, let size, let pass):
      return ProcessorWork(
        pass == .forward ? .rotaryForward : .rotaryBackward,
        bytes: 4 * Double(tokens * heads * size), rows: Double(tokens * heads))
    case .assembleLatent(let shape, let pass):
      let width = 2 * (shape.nope + shape.rope) + shape.value
      return ProcessorWork(
        pass == .forward ? .latentForward : .latentBackward,
        bytes: 4 * Double(shape.tokens * shape.heads * width),
        rows: Double(shape.tokens * shape.heads))
    case .splitLatent(let shape, _): return elements(.copy, shape.tokens, shape.latent)
    default: return streaming(rows: rows)
    }
  }

  /// Kernels that move bytes and compute little.
  private func streaming(rows: (Rows) -> Int) -> ProcessorWork? {
    switch kernel {
    case .add(let count, let columns, let terms):
      return elements(.add, rows(count) * max(1, terms - 1), columns)
    case .gelu(let count, let columns, let pass):
      return elements(pass == .forward ? .geluForward : .geluBackward, rows(count), columns)
    case .join(let count, let columns, _): return elements(.copy, 2 * rows(count), columns)
    case .convert(_, let count, let columns, _, _): return elements(.copy, rows(count), columns)
    case .gatedUnit(let count, let columns, let weighted, let pass):
      let isForward = pass == .forward
      return elements(
        weighted
          ? (isForward ? .weightedForward : .weightedBackward)
          : (isForward ? .gatedForward : .gatedBackward), rows(count), columns)
    case .route(let shape, let pass):
      return elements(
        pass == .forward ? .routeForward : .routeBackward, shape.tokens, shape.experts)
    case .permute(let exchange, let columns, let pass):
      return elements(
        pass == .forward ? .permute : .unpermute, rows(.routed(exchange: exchange)), columns)
    case .unpermute(let exchange, let columns, let pass):
      return elements(
        pass == .forward ? .unpermute : .permute, rows(.routed(exchange: exchange)), columns)
    case .squareSum(let count, _): return elements(.squareSum, 1, count)
    case .adamW(let count, _): return elements(.optimizer, 1, count)
    case .fold(let count): return elements(.add, 1, count)
    case .clear(let count): return elements(.clear, 1, count)
    default: return nil
    }
  }

  private func elements(_ kernel: ProcessorKernel, _ rows: Int, _ columns: Int) -> ProcessorWork {
    ProcessorWork(kernel, bytes: 4 * Double(rows) * Double(columns), rows: Double(rows))
  }

  /// Of grouped products a row is an expert, each of which is a product by itself.
  private func product(_ matmul: Matmul, experts: Int?, _ m: Int) -> ProcessorWork {
    let isTransposed = matmul.transposed
    let kernel: ProcessorKernel =
      switch (matmul.pass, experts) {
      case (.forward, nil): isTransposed ? .transposedForward : .productForward
      case (.backwardInput, nil): isTransposed ? .transposedInput : .productInput
      case (.backwardWeight, nil): isTransposed ? .transposedWeight : .productWeight
      case (.forward, _): .groupedForward
      case (.backwardInput, _): .groupedInput
      case (.backwardWeight, _): .groupedWeight
      }
    let (rows, n, k) = (Double(m), Double(matmul.n), Double(matmul.k))
    return ProcessorWork(
      kernel, operations: 2 * rows * n * k, bytes: 4 * rows * (n + k),
      weights: 4 * n * k * Double(experts ?? 1), rows: Double(experts ?? 0))
  }

  /// Bytes are those of the scores, a row is a tile of queries of one head.
  private func attention(_ shape: Programs.AttentionShape, _ pass: Pass) -> ProcessorWork {
    let heads = Double(shape.sequences * shape.heads)
    let tile = Kernel.attentionTileQueries
    return ProcessorWork(
      pass == .forward ? .attentionForward : .attentionBackward,
      operations: shape.forwardFLOPs * (pass == .forward ? 1 : 2.5),
      bytes: 4 * heads * Double(shape.computedPairs),
      rows: heads * Double((shape.queries + tile - 1) / tile))
  }

  /// Bytes are those of the logits; a tile of rows reads the head's weight once for each product.
  private func head(
    _ tokens: Int, _ hidden: Int, _ vocabulary: Int, products: Int
  ) -> ProcessorWork {
    let tiles = (tokens + Kernel.headTileRows - 1) / Kernel.headTileRows
    let weight = Double(hidden) * Double(vocabulary)
    return ProcessorWork(
      .head, operations: 2 * Double(products * tokens) * weight,
      bytes: 4 * Double(tokens) * Double(vocabulary), weights: 4 * Double(products * tiles) * weight
    )
  }
}
