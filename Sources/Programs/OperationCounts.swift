/// FLOPs and rows of operations under known row counts.
extension Kernel {
  /// FLOPs of the matrix products and attention cores that the kernel carries out, two per
  /// multiplication with addition; 0 for kernels that only move bytes.
  ///
  /// A causal attention core counts the full square here; `causalFLOPs` counts what lies on and below
  /// the diagonal, and within windows twice that; one on a cache counts all of its positions. The backward core has five products where the forward has two.
  public func flops(rows: (Rows) -> Int) -> Double {
    switch self {
    case .matmul(let matmul): matmul.flops(rows: rows)
    case .groupedMatmul(let matmul, _): matmul.flops(rows: rows)
    case .attention(let shape, _, let pass):
      pass == .forward ? shape.forwardFLOPs : shape.backwardFLOPs
    case .headLoss(let tokens, let hidden, let vocabulary, _):
      6 * Double(tokens) * Double(hidden) * Double(vocabulary)
    case .headEvaluation(let tokens, let hidden, let vocabulary, _):
      2 * Double(tokens) * Double(hidden) * Double(vocabulary)
    case .headScores(let sequences, _, let hidden, let vocabulary):
      2 * Double(sequences) * Double(hidden) * Double(vocabulary)
    case .scan(let shape, let pass): (pass == .forward ? 1 : 2) * shape.forwardFLOPs
    case .index(let shape, let pass): pass == .forward ? shape.forwardFLOPs : shape.backwardFLOPs
    case .absorbLatent(let shape):
      2 * Double(shape.tokens * shape.heads) * Double(shape.nope) * Double(shape.latent)
    case .orthogonalize(let update): update.flops
    case .expandLatent(let shape):
      2 * Double(shape.tokens * shape.heads) * Double(shape.value) * Double(shape.latent)
    default: 0
    }
  }
}

extension Matmul {
  /// Two FLOPs for each of the m·n·k multiplications with addition.
  public func flops(rows: (Rows) -> Int) -> Double {
    2 * Double(rows(m)) * Double(n) * Double(k)
  }
}

extension AttentionShape {
  /// FLOPs of the five products of the backward core over the computed pairs: the scores again, the
  /// gradients of probabilities and values (value width), of queries and keys (query width).
  public var backwardFLOPs: Double {
    2.0 * Double(sequences) * Double(computedPairs) * Double(heads)
      * Double(3 * queryKeySize + 2 * valueSize)
  }
}
