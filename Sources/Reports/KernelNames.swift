import Programs

extension Kernel {
  /// What the kernel is called in a trace, with the sizes that are known before routing.
  var traceName: String {
    switch self {
    case .loadTokens: "load tokens"
    case .loadLabels: "load labels"
    case .loadTargets: "load targets"
    case .embedding: "embedding"
    case .norm(_, let columns, _, _, _): "norm \(columns)"
    case .quantizedNorm(_, let columns, _, _): "norm \(columns) to FP8"
    case .matmul(let product): "matmul \(product.sizes)"
    case .groupedMatmul(let product, let experts):
      "grouped matmul \(product.sizes), \(experts) experts"
    case .attention(let shape, let fused, _):
      "attention \(shape.heads) heads of \(shape.queryKeySize)/\(shape.valueSize)"
        + (shape.isLimited ? " within \(shape.reach.width ?? shape.keys)" : "")
        + (fused ? "" : ", unfused")
    case .plainUnit(_, let columns, _): "weighted activation \(columns)"
    case .convolve(let shape, _): "convolution \(shape.columns)"
    case .scan(let shape, _):
      "state of \(shape.block.heads) heads of \(shape.block.stateSize) x \(shape.block.headSize)"
    case .index(let shape, _): "choose \(shape.chosen) of \(shape.keys) keys"
    case .splitHeads: "split and rotate heads"
    case .rotate: "rotate"
    case .assembleLatent: "assemble latent heads"
    case .splitLatent: "split latent"
    case .add(_, let columns, let terms): "add \(terms) x \(columns)"
    case .gatedUnit(_, let columns, _, _): "SwiGLU \(columns)"
    case .gelu(_, let columns, _): "GELU \(columns)"
    case .route(let shape, _): "route \(shape.chosen) of \(shape.experts)"
    case .permute: "permute"
    case .unpermute: "unpermute"
    case .arrange: "arrange rows"
    case .collect: "collect rows"
    case .join: "join"
    case .crossEntropy(_, let vocabulary, _, _, _): "cross entropy \(vocabulary)"
    case .headLoss(_, _, let vocabulary, _): "head and loss \(vocabulary)"
    case .headEvaluation(_, _, let vocabulary, _): "head and loss \(vocabulary), no gradients"
    case .headScores(_, _, _, let vocabulary): "head's scores \(vocabulary)"
    case .cache(_, let columns): "cache \(columns)"
    case .absorbLatent: "absorb latent projection"
    case .expandLatent: "expand latents"
    case .convert(let kind, _, let columns, let from, let to):
      "\(kind) \(columns) \(from) to \(to)"
    case .launches(let count, let kind, _): "\(count) launches, \(kind)"
    case .awaited(let count): "\(count) launches that the host waits before"
    case .scores(_, let kind, _, _): "scores \(kind)"
    case .squareSum: "sum of squares"
    case .adamW: "AdamW"
    case .streamedAdamW: "AdamW, state from the host"
    case .orthogonalize(let update):
      "Muon \(update.matrices) x \(update.short) x \(update.long)"
    case .fold: "fold lanes"
    case .clear: "clear"
    }
  }
}

extension Matmul {
  /// `4096 x 1536 x 7168`, the rows by name where routing decides them.
  fileprivate var sizes: String {
    let rows =
      switch m {
      case .fixed(let count): String(count)
      case .received: "received"
      case .routed: "routed"
      case .sent: "sent"
      case .gathered: "gathered"
      }
    return "\(rows) x \(n) x \(k)"
  }
}

extension TransferKind {
  /// What the transfer is called in a trace.
  var traceName: String {
    switch self {
    case .counts: "counts"
    case .dispatch: "dispatch"
    case .combine: "combine"
    case .combineBackward: "combine gradient"
    case .dispatchBackward: "dispatch gradient"
    case .allGather: "all-gather"
    case .reduceScatter: "reduce-scatter"
    case .allReduce: "all-reduce"
    case .shift: "shift"
    case .toHost: "copy to the host"
    case .fromHost: "copy from the host"
    }
  }
}

extension Operation {
  /// `L12 matmul 4096 x 1536 x 7168`.
  var traceName: String {
    (layer >= 0 ? "L\(layer) " : "") + kernel.traceName + (isRecomputed ? " (recomputed)" : "")
  }
}

extension Transfer {
  /// `L12 dispatch`.
  var traceName: String { (layer >= 0 ? "L\(layer) " : "") + kind.traceName }
}
