import Calibration
import Clusters
import Costs

extension ComponentResiduals {
  /// What `probe.py` measured on two H100s (benchmarks/probe, the mean of both) and no constant was fitted to: attention
  /// within documents and windows by FlashAttention 2, grouped products, half of the kernels that stream.
  static func probed(on cluster: (String) throws -> Cluster) throws -> [ComponentResiduals] {
    let device = try DeviceModel(cluster("h100-2048").device)
    let rows = ComponentTable(PackageResources.probe_h100_csv).rows
    func table(
      _ part: String, _ residual: ([String: String]) -> ComponentResidual?
    ) -> ComponentResiduals {
      ComponentResiduals(
        name: "Probe \(part)", source: "benchmarks/probe/h100-1.csv and h100-2.csv",
        isFitted: false, rows: rows.filter { $0.text("part") == part }.compactMap(residual))
    }
    return [
      table("attention") { packed($0, on: device) }, table("grouped") { grouped($0, on: device) },
      streams(.h100, "Probe streaming", "benchmarks/probe/h100-1.csv and h100-2.csv", on: device),
      streams(
        .h200, "Probe streaming on an H200", "benchmarks/probe/h200-1.csv",
        on: try DeviceModel(cluster("h200-256").device)),
    ]
  }

  /// Kernels that stream: those of H100s that no rate was fitted to, all of an H200's by the rates of the H100s.
  private static func streams(
    _ probed: StreamCells.Device, _ name: String, _ source: String, on device: DeviceModel
  ) -> ComponentResiduals {
    let cells = StreamCells(probed)
    let cost = StreamingCost(device)
    return ComponentResiduals(
      name: name, source: source, isFitted: false,
      rows: (probed == .h100 ? cells.predicted : cells.fitted + cells.predicted).map {
        ComponentResidual(
          row: $0.name, measuredSeconds: $0.measuredSeconds,
          predictedSeconds: cost.cost($0.kernel, bytes: $0.bytes).seconds)
      })
  }

  private static func residual(_ row: [String: String], _ cost: Cost?) -> ComponentResidual? {
    cost.map {
      ComponentResidual(
        row: "\(row.text("name")) \(row.text("direction")), \(row.text("shape"))",
        measuredSeconds: row.number("us") * 1e-6, predictedSeconds: $0.seconds)
    }
  }

  /// Documents side by side are priced as sequences of their length, as a step prices them; a window by the keys
  /// that it leaves.
  private static func packed(
    _ row: [String: String], on device: DeviceModel
  ) -> ComponentResidual? {
    let cost = AttentionCost(device, library: .flash2)
    let key = row.shape("shape")
    let (length, document) = (key.integer("length"), key.integer("document"))
    let window = key.integer("window")
    let pairs = Double(window) * Double(window + 1) / 2 + Double(length - window) * Double(window)
    let reach =
      window > 0
      ? AttentionReach(
        pairs: pairs, width: window, edges: 1 + Double(length - window) / Double(length)) : nil
    let shape = AttentionShape(
      heads: key.integer("heads") * length / document, queries: document,
      queryDimension: key.integer("query"), reach: reach)
    return residual(
      row,
      row.text("direction") == "forward"
        ? cost.forward(shape, clock: .boost)
        : cost.backward(shape, clock: .boost))
  }

  private static func grouped(
    _ row: [String: String], on device: DeviceModel
  ) -> ComponentResidual? {
    let key = row.shape("shape")
    let groups = key.integer("groups")
    let (m, n, k) = (key.integer("m"), key.integer("n"), key.integer("k"))
    let shape: MatmulShape
    switch row.text("direction") {
    case "forward":
      shape = MatmulShape(rows: Array(repeating: m, count: groups), columns: n, depth: k)
    case "input-gradient":
      shape = MatmulShape(
        rows: Array(repeating: m, count: groups), columns: k, depth: n, pass: .backwardInput)
    default:
      shape = MatmulShape(
        rows: Array(repeating: n, count: groups), columns: k, depth: m, pass: .backwardWeight,
        accumulates: false)
    }
    return residual(row, MatmulCost(device, library: .bf16)?.cost(shape, clock: .boost))
  }
}
