import Calibration
import Clusters
import Costs

extension ComponentResiduals {
  /// Products of devices whose constants come from elsewhere: H200s by those of H100s, every second of the
  /// measured shapes, and B200s in another benchmark, gradients included.
  static func otherProducts(on cluster: (String) throws -> Cluster) throws -> [ComponentResiduals] {
    let h200 = try DeviceModel(cluster("h200-256").device)
    let b200 = try DeviceModel(cluster("b200-256").device)
    let onH200 = ProductFit.all.filter { $0.device == .h100 }.map { fit in
      let cells = ProductCells(shipped: .h200, fit.library.precision).predicted
      let seconds = fit.seconds(of: cells.map(\.shape), on: h200)
      return ComponentResiduals(
        name: "Products on H200, \(fit.library.precision.rawValue.uppercased())",
        source: "NVIDIA aiconfigurator 095f58a, TensorRT-LLM 1.3.0rc20", isFitted: false,
        rows: zip(cells, seconds).map { cell, seconds in
          ComponentResidual(
            row: name(cell.shape), measuredSeconds: cell.measuredSeconds,
            predictedSeconds: seconds)
        })
    }
    return onH200 + productsByLayout(on: b200)
  }

  private static func name(_ shape: MatmulShape) -> String {
    "\(shape.rows[0]) x \(shape.columns) x \(shape.depth)"
  }

  /// Forward, input gradients, and weight gradients in 32 and 16 bits, at the clock under load, as the same
  /// benchmark's rows of A100s.
  private static func productsByLayout(on device: DeviceModel) -> [ComponentResiduals] {
    guard let cost = MatmulCost(device, library: .bf16) else { return [] }
    let kinds: [(name: String, layout: String, result: String, pass: MatmulPass, bytes: Double)] = [
      ("forward", "TN", "bf16", .forward, 2),
      ("input gradients", "NN", "bf16", .backwardInput, 2),
      ("weight gradients in 32 bits", "NT", "fp32", .backwardWeight, 8),
      ("weight gradients in 16 bits", "NT", "bf16", .backwardWeight, 4),
    ]
    let table = ComponentTable(PackageResources.b200_operators_csv)
    return kinds.map { kind in
      let rows = table.rows.filter {
        $0.text("layout") == kind.layout && $0.text("out_dtype") == kind.result
      }.map { row in
        let shape = MatmulShape(
          m: row.integer("m"), n: row.integer("n"), k: row.integer("k"), pass: kind.pass,
          accumulates: false, resultBytes: kind.bytes)
        return ComponentResidual(
          row: name(shape), measuredSeconds: shape.flops / row.number("tflops") / 1e12,
          predictedSeconds: cost.cost(shape).seconds)
      }
      return ComponentResiduals(
        name: "Products on B200, \(kind.name)", source: "SimuMax b200_bf16_ceperm.json",
        isFitted: false, rows: rows)
    }
  }
}
