import Calibration

/// The published trace of DeepSeek-V3 as it was measured: one forward and one backward of four layers on an
/// H800.
struct V3Trace {
  /// One event of the trace on the device; times in microseconds.
  private struct Event {
    var start: Double
    var duration: Double
    var phase: String
    var layer: Int
    var kind: String
    /// Blocks in the first dimension of the grid.
    var blocks: Double
  }

  static let source = "DeepSeek profile-data, training trace"
  static let layers = 0..<4

  /// Every matrix product with its shape, one row each.
  let products = ComponentTable(PackageResources.v3_train_trace_gemms_csv).rows
  private let events: [Event]

  init() {
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
    let row = products.first {
      $0.text("layer") == "\(layer)" && $0.text("pass") == pass
        && $0.text("op").hasPrefix("experts_up_grouped")
    }
    return row?.integer("M") ?? 0
  }

  /// Distinct tokens that arrived: the grid of the kernel that adds up their experts.
  func receivedTokens(_ layer: Int, _ phase: String) -> Int {
    let adding = events.first {
      $0.layer == layer && $0.phase == phase && $0.kind == "moe_unpermute_reduce"
    }
    return Int(adding?.blocks ?? 0)
  }

  /// Busy seconds of one phase summed over the four layers; two streams count once where both run.
  func busySeconds(_ phase: String) -> Double {
    Self.layers.reduce(0) { $0 + busySeconds(phase, layer: $1) }
  }

  private func busySeconds(_ phase: String, layer: Int) -> Double {
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

  /// Seconds of all kernels of a phase whose kind is one of these, in all layers.
  func seconds(_ phase: String, _ matches: (String) -> Bool) -> Double {
    events.filter { $0.phase == phase && matches($0.kind) }.reduce(0) { $0 + $1.duration } * 1e-6
  }

  /// Seconds of the kernels that move an exchange's rows, in all layers.
  func payload(_ exchange: V3Exchange) -> Double {
    seconds(exchange.rawValue) { $0 == exchange.kind }
  }
}
