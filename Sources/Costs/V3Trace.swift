import Clusters

/// The published trace of DeepSeek-V3: one forward and one backward of four layers on an H800.
///
/// Every kernel of a phase is listed with its shape, as read from the trace's order, grids and
/// durations, and priced on 112 multiprocessors at the loaded clock with February's library.
struct V3Trace {
  /// One kernel: its kind in the trace's labels (small ones are `other`), and its time.
  struct Kernel {
    var kind: String
    var seconds: Double
  }

  /// One event of the trace on the device; times in microseconds.
  struct Event {
    var start: Double
    var duration: Double
    var phase: String
    var layer: Int
    var kind: String
    /// Blocks in the first dimension of the grid.
    var blocks: Double
  }

  let device: DeviceModel
  let events: [Event]
  let measured = ComponentTable(PackageResources.v3_train_trace_gemms_csv)
  let tokens = 4_096.0
  let hidden = 7_168
  let multiprocessors = 112

  static let phases = ["attn(F)", "mlp(F)", "attn(B)", "mlp(B)", "attn(W)", "mlp(W)"]
  static let layers = 0..<4

  init(device: DeviceModel) {
    self.device = device
    let table = ComponentTable(PackageResources.v3_train_trace_events_csv)
    events = table.rows.map { row in
      Event(
        start: row.number("start_us"), duration: row.number("dur_us"), phase: row.text("phase"),
        layer: row.integer("layer"), kind: row.text("kind"),
        blocks: Double(row.text("grid").split(separator: "x").first ?? "0") ?? 0)
    }
  }

  /// Rows that the layer's four experts got in one pass, padding included.
  func expertRows(_ layer: Int, _ pass: String) -> Int {
    let row = measured.rows.first {
      $0.text("layer") == "\(layer)" && $0.text("pass") == pass
        && $0.text("op").hasPrefix("experts_up_grouped")
    }
    return row?.integer("M") ?? 0
  }

  /// Distinct tokens that arrived: the grid of the kernel that adds up their experts.
  func receivedTokens(_ layer: Int, _ phase: String) -> Double {
    let adding = events.first {
      $0.layer == layer && $0.phase == phase && $0.kind == "moe_unpermute_reduce"
    }
    return adding?.blocks ?? 0
  }

  /// The kernels of one phase of one layer, in the trace's order.
  func kernels(_ phase: String, layer: Int) -> [Kernel] {
    switch phase {
    case "attn(F)": attentionForward()
    case "mlp(F)": feedForward(layer)
    case "attn(B)": attentionBackward()
    case "mlp(B)": feedForwardBackward(layer)
    case "attn(W)": attentionWeights()
    default: feedForwardWeights(layer)
    }
  }
}

extension V3Trace {
  func product(
    _ shape: MatmulShape, kind: String, library: MatmulLibrary = .fp8February2025
  ) -> Kernel {
    guard let cost = MatmulCost(device, library: library) else {
      preconditionFailure("The H800's table has the library \(library.rawValue).")
    }
    return Kernel(
      kind: kind, seconds: cost.cost(shape, multiprocessors: multiprocessors).seconds)
  }

  func fp8(_ n: Int, _ k: Int) -> Kernel {
    product(MatmulShape(m: Int(tokens), n: n, k: k), kind: "fp8_gemm")
  }

  func weight(_ m: Int, _ n: Int, _ k: Int) -> Kernel {
    product(MatmulShape(m: m, n: n, k: k, pass: .backwardWeight), kind: "fp8_wgrad_gemm")
  }

  func experts(_ rows: Int, _ n: Int, _ k: Int) -> Kernel {
    let each = Array(repeating: rows / 4, count: 4)
    return product(MatmulShape(rows: each, columns: n, depth: k), kind: "fp8_grouped_gemm")
  }

  func stream(_ kind: String, _ kernel: StreamingClass, _ bytes: Double) -> Kernel {
    Kernel(kind: kind, seconds: StreamingCost(device).cost(kernel, bytes: bytes).seconds)
  }

  /// Rows of 16-bit numbers to FP8 with a scale per 128; the scales are then transposed.
  func quantised(_ columns: Double, scales: Bool = true) -> [Kernel] {
    let rounding = stream("quantize", .quantise, tokens * columns * 3)
    guard scales else { return [rounding] }
    return [rounding, scaleTranspose(columns)]
  }

  func scaleTranspose(_ columns: Double) -> Kernel {
    stream("transpose", .transposeScales, tokens * columns / 128 * 8)
  }

  func quantisedAcross(_ columns: Double, rows: Double? = nil) -> Kernel {
    stream("quantize_transpose", .quantiseTranspose, (rows ?? tokens) * columns * 3)
  }

  func norm(_ columns: Double) -> Kernel {
    stream("rmsnorm_fwd", .rmsnormForward, tokens * columns * 4)
  }

  func normBackward(_ columns: Double) -> [Kernel] {
    [
      stream("rmsnorm_bwd", .rmsnormBackward, tokens * columns * 6),
      stream("rmsnorm_bwd", .elementwise, 0), tiny(),
    ]
  }

  func copied(_ bytesPerToken: Double) -> Kernel {
    stream("copy", .copy, tokens * bytesPerToken)
  }

  func weightTranspose(_ elements: Int) -> Kernel {
    stream("transpose", .transpose, 2 * Double(elements))
  }

  func tiny() -> Kernel {
    Kernel(kind: "other", seconds: StreamingCost(device).tiny().seconds)
  }

  func adding(_ bytesPerElement: Double) -> Kernel {
    stream("other", .elementwise, tokens * Double(hidden) * bytesPerElement)
  }

  /// From latents to heads: norms, both up-projections, rotary embedding, keys and values.
  func headsFromLatents() -> [Kernel] {
    let rotated = tokens * 128 * 192 * 4
    return [norm(1_536), copied(1_536 * 4), norm(512), copied(512 * 4)]
      + quantised(1_536) + [fp8(24_576, 1_536)] + quantised(512) + [fp8(32_768, 512)]
      + [stream("rope", .rope, tokens * 64 * 4), copied(128 * 640), copied(128 * 512)]
      + [stream("rope", .rope, rotated)]
  }

  var attention: AttentionShape {
    AttentionShape(heads: 128, queries: 4_096, queryDimension: 192, valueDimension: 128)
  }
}
