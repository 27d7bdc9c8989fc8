import Clusters
import Costs
import Programs

/// The trace beside the program that the plan of DeepSeek-V3 has today: what it does without, or twice, is a
/// residual as well.
struct V3Residuals {
  let trace: V3Trace
  let layers: V3Layers

  private static let streamingKinds = [
    "quantize", "quantize_transpose", "transpose", "dequantize", "rmsnorm_fwd", "rmsnorm_bwd",
    "rope", "copy", "swiglu", "moe_permute", "moe_unpermute_reduce", "moe_index",
    "flash_attn_bwd_pre", "flash_attn_bwd_post",
  ]
  private static let attentionKinds = ["flash_attn_fwd", "flash_attn_bwd"]
  private static let productKinds = ["fp8_gemm", "fp8_grouped_gemm", "fp8_wgrad_gemm"]
  private static let routerKind = "bf16_gemm"
  private static let named = Set(
    streamingKinds + attentionKinds + productKinds + [routerKind])

  init(_ files: PublishedFiles) throws {
    trace = V3Trace()
    layers = try V3Layers(files, trace)
  }

  /// All tables; the phases are sums of the others.
  func tables(on cluster: Cluster) throws -> [ComponentResiduals] {
    try products() + kernels() + [phases(), exchanges(on: cluster)]
  }

  private func table(_ name: String, _ rows: [ComponentResidual]) -> ComponentResiduals {
    ComponentResiduals(name: name, source: V3Trace.source, isFitted: true, rows: rows)
  }

  /// Busy time of each phase summed over the four layers.
  private func phases() -> ComponentResiduals {
    table(
      "V3 trace phases, four layers",
      V3Layers.phases.map { phase in
        ComponentResidual(
          row: phase, measuredSeconds: trace.busySeconds(phase),
          predictedSeconds: layers.seconds(phase))
      })
  }

  /// Kernels of every kind in every phase, summed over the four layers, products apart.
  private func kernels() -> [ComponentResiduals] {
    [
      table(
        "V3 trace streaming kernels, by phase and kind",
        byKind(
          Self.streamingKinds.map { kind in (kind, { $0 == kind }) }
            + [("other", { $0 == "other" || !Self.named.contains($0) })])
          + [residual(V3Exchange.combineBackward.rawValue, "quantize") { $0 == "quantize" }]
          .compactMap { $0 }),
      table(
        "V3 trace attention", byKind(Self.attentionKinds.map { kind in (kind, { $0 == kind }) })),
      table("V3 trace router products", routerProducts()),
    ]
  }

  /// A row for each phase in which such kernels were traced; where the program has none, nothing is
  /// predicted.
  private func byKind(_ kinds: [(name: String, matches: (String) -> Bool)]) -> [ComponentResidual] {
    V3Layers.phases.flatMap { phase in
      kinds.compactMap { residual(phase, $0.name, $0.matches) }
    }
  }

  private func residual(
    _ phase: String, _ kind: String, _ matches: (String) -> Bool
  ) -> ComponentResidual? {
    let measured = trace.seconds(phase, matches)
    guard measured > 0 else { return nil }
    return ComponentResidual(
      row: "\(phase) \(kind)", measuredSeconds: measured,
      predictedSeconds: layers.seconds(phase, matches))
  }

  /// The router's products in 16 bits: the trace has the weight's beside the input's, the program with the
  /// other weights'.
  private func routerProducts() -> [ComponentResidual] {
    [("forward", ["attn(F)"]), ("backward", ["attn(B)", "attn(W)"])].map { name, phases in
      let isRouter = { (kind: String) in kind == Self.routerKind }
      return ComponentResidual(
        row: "\(name) \(Self.routerKind)",
        measuredSeconds: phases.reduce(0) { $0 + trace.seconds($1, isRouter) },
        predictedSeconds: phases.reduce(0) { $0 + layers.seconds($1, isRouter) })
    }
  }

  /// Every FP8 product of the trace that ran alone on its stream, beside the program's of its phase, layer
  /// and shape.
  private func products() -> [ComponentResiduals] {
    let rows = trace.products.filter {
      $0.text("precision") == "fp8" && !$0.text("op").hasPrefix("expert_")
    }
    let isWeight = { (row: [String: String]) in row.text("pass") == "W" }
    return [
      table("V3 trace products", rows.filter { !isWeight($0) }.map(residual)),
      table("V3 trace weight gradients", rows.filter(isWeight).map(residual)),
    ]
  }

  private func residual(_ row: [String: String]) -> ComponentResidual {
    let isGrouped = row.text("op").contains("grouped")
    let found = layers.kernels.first {
      guard case .product(let shape, let format) = $0.kernel.kind, format.isFloat8 else {
        return false
      }
      return $0.layer == row.integer("layer") && $0.phase.hasSuffix("(\(row.text("pass")))")
        && (shape.rows.count > 1) == isGrouped && shape.rows.reduce(0, +) == row.integer("M")
        && shape.columns == row.integer("N") && shape.depth == row.integer("K")
    }
    return ComponentResidual(
      row: "layer \(row.text("layer")) \(row.text("op"))",
      measuredSeconds: row.number("dur_us") * 1e-6,
      predictedSeconds: found.map { $0.kernel.seconds / Double($0.kernel.launches) } ?? 0)
  }

  /// The payload kernels of each of the four exchanges, summed over the layers, and the layout.
  private func exchanges(on cluster: Cluster) throws -> ComponentResiduals {
    let tokens = Double(layers.tokens)
    let rows = V3Exchange.allCases.map { exchange in
      ComponentResidual(
        row: "\(exchange.rawValue) payload", measuredSeconds: trace.payload(exchange),
        predictedSeconds: layers.payload(exchange))
    }
    let layout = ComponentResidual(
      row: "dispatch(F) layout",
      measuredSeconds: trace.seconds(V3Exchange.dispatch.rawValue) { $0 == "ep_layout" },
      predictedSeconds: 4 * tokens * (try ExchangeConstants(cluster).layoutPerToken))
    return table("V3 trace exchanges, four layers", rows + [layout])
  }
}
