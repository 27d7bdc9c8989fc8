import Clusters

extension V3Trace {
  private static let source = "DeepSeek profile-data, training trace"

  /// Busy time of one phase summed over the four layers; two streams count once where both run.
  func phases() -> ComponentResiduals {
    let rows = Self.phases.map { phase in
      ComponentResidual(
        row: phase, measuredSeconds: Self.layers.reduce(0) { $0 + busy(phase, layer: $1) },
        predictedSeconds: kernels(of: phase).reduce(0) { $0 + $1.seconds })
    }
    return ComponentResiduals(
      name: "V3 trace phases, four layers", source: Self.source, isFitted: true, rows: rows)
  }

  /// The kernels of a phase in all four layers.
  private func kernels(of phase: String) -> [Kernel] {
    Self.layers.flatMap { kernels(phase, layer: $0) }
  }

  private func busy(_ phase: String, layer: Int) -> Double {
    let spans = events.filter { $0.phase == phase && $0.layer == layer }
      .map { ($0.start, $0.start + $0.duration) }.sorted { $0.0 < $1.0 }
    var total = 0.0
    var reached = -Double.infinity
    for (start, end) in spans {
      total += max(0, end - max(start, reached))
      reached = max(reached, end)
    }
    return total * 1e-6
  }

  /// Kernels of every kind in every phase, summed over the four layers, products apart.
  func kernels() -> [ComponentResiduals] {
    let kinds = [
      "quantize", "quantize_transpose", "transpose", "dequantize", "rmsnorm_fwd", "rmsnorm_bwd",
      "rope", "copy", "swiglu", "moe_permute", "moe_unpermute_reduce", "moe_index",
      "flash_attn_bwd_pre", "flash_attn_bwd_post", "other",
    ]
    let attentionKinds = ["flash_attn_fwd", "flash_attn_bwd"]
    let all = byKind(kinds + attentionKinds + ["bf16_gemm"])
    let attention = all.filter { row in attentionKinds.contains { row.row.hasSuffix($0) } }
    let router = all.filter { $0.row.hasSuffix("bf16_gemm") }
    let streaming = all.filter { !attention.contains($0) && !router.contains($0) }
    return [
      ComponentResiduals(
        name: "V3 trace streaming kernels, by phase and kind", source: Self.source,
        isFitted: true, rows: streaming),
      ComponentResiduals(
        name: "V3 trace attention", source: Self.source, isFitted: true, rows: attention),
      ComponentResiduals(
        name: "V3 trace router products", source: Self.source, isFitted: true, rows: router),
    ]
  }

  private func byKind(_ kinds: [String]) -> [ComponentResidual] {
    let named = Set([
      "quantize", "quantize_transpose", "transpose", "dequantize", "rmsnorm_fwd", "rmsnorm_bwd",
      "rope", "copy", "swiglu", "moe_permute", "moe_unpermute_reduce", "moe_index",
      "flash_attn_bwd_pre", "flash_attn_bwd_post", "flash_attn_fwd", "flash_attn_bwd",
      "bf16_gemm", "fp8_gemm", "fp8_grouped_gemm", "fp8_wgrad_gemm",
    ])
    return Self.phases.flatMap { phase in
      let priced = kernels(of: phase)
      let traced = events.filter { $0.phase == phase }
      return kinds.compactMap { kind -> ComponentResidual? in
        let seconds = priced.filter { $0.kind == kind }.reduce(0) { $0 + $1.seconds }
        let microseconds = traced.filter {
          $0.kind == kind || (kind == "other" && !named.contains($0.kind))
        }.reduce(0) { $0 + $1.duration }
        guard seconds > 0, microseconds > 0 else { return nil }
        return ComponentResidual(
          row: "\(phase) \(kind)", measuredSeconds: microseconds * 1e-6,
          predictedSeconds: seconds)
      }
    }
  }

  /// Every FP8 product of the trace that ran alone on its stream.
  func products() -> [ComponentResiduals] {
    let rows = measured.rows.filter {
      $0.text("precision") == "fp8" && !$0.text("op").hasPrefix("expert_")
    }
    let isWeight = { (row: [String: String]) in row.text("pass") == "W" }
    return [
      ComponentResiduals(
        name: "V3 trace products", source: Self.source, isFitted: true,
        rows: rows.filter { !isWeight($0) }.map(residual)),
      ComponentResiduals(
        name: "V3 trace weight gradients", source: Self.source, isFitted: true,
        rows: rows.filter(isWeight).map(residual)),
    ]
  }

  private func residual(_ row: [String: String]) -> ComponentResidual {
    let (m, n, k) = (row.integer("M"), row.integer("N"), row.integer("K"))
    let kernel: Kernel
    if row.text("pass") == "W" {
      kernel = weight(m, n, k)
    } else if row.text("op").contains("grouped") {
      kernel = experts(m, n, k)
    } else {
      kernel = fp8(n, k)
    }
    return ComponentResidual(
      row: "layer \(row.text("layer")) \(row.text("op"))",
      measuredSeconds: row.number("dur_us") * 1e-6, predictedSeconds: kernel.seconds)
  }

  /// The payload kernels of each of the four exchanges, summed over the layers, and the layout.
  func exchanges(on cluster: Cluster) throws -> ComponentResiduals {
    let constants = try ExchangeConstants(cluster)
    let cost = ExchangeCost(constants)
    let reach = ExpertRouting.deepSeekV3.reach(ranks: 64, ranksPerNode: 8)
    let exchanges: [(String, String, ExchangeShape.Direction, Double)] = [
      ("dispatch(F)", "ep_dispatch", .dispatch, 7_392),
      ("combine(F)", "ep_combine", .combine, 14_336),
      ("combine(B)", "ep_dispatch", .dispatch, 7_392),
      ("dispatch(B)", "ep_combine", .combine, 14_336),
    ]
    let rows = exchanges.map { phase, kind, direction, bytes in
      let shape = ExchangeShape(
        direction, tokens: Int(tokens), rowBytes: bytes, reach: reach, ranks: 64)
      let parts = cost.parts(shape, besideComputation: true)
      return ComponentResidual(
        row: "\(phase) payload", measuredSeconds: total(phase, kind),
        predictedSeconds: 4 * parts.payload.seconds)
    }
    let layout = ComponentResidual(
      row: "dispatch(F) layout", measuredSeconds: total("dispatch(F)", "ep_layout"),
      predictedSeconds: 4 * tokens * constants.layoutPerToken)
    return ComponentResiduals(
      name: "V3 trace exchanges, four layers", source: Self.source, isFitted: true,
      rows: rows + [layout])
  }

  private func total(_ phase: String, _ kind: String) -> Double {
    events.filter { $0.phase == phase && $0.kind == kind }.reduce(0) { $0 + $1.duration } * 1e-6
  }
}
