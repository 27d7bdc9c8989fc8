import Calibration
import Clusters
import Costs

extension ComponentResiduals {
  /// Products of devices whose constants come from elsewhere: of H100s in NVIDIA's tables and of H200s by those of the
  /// H100s that were probed, every second of the shapes, and of B200s in another benchmark, gradients included.
  static func otherProducts(on cluster: (String) throws -> Cluster) throws -> [ComponentResiduals] {
    let h100 = try DeviceModel(cluster("h100-2048").device)
    let h200 = try DeviceModel(cluster("h200-256").device)
    let b200 = try DeviceModel(cluster("b200-256").device)
    var tables: [ComponentResiduals] = []
    for (library, burst) in [(MatmulLibrary.bf16, 2.34e-3), (.fp8PerTensor, 2.53e-3)] {
      let precision = library.precision
      let word = precision.rawValue.uppercased()
      // Kernels of these tables run at boost until power is felt.
      let clock = BenchmarkClock(burst: burst, sustained: 0.84)
      let source = "NVIDIA aiconfigurator 095f58a, TensorRT-LLM 1.3.0rc20"
      tables.append(
        products(
          "Products on H100 in NVIDIA's table, \(word)", source,
          ProductCells(shipped: .h100, precision).predicted, clock, library, on: h100))
      tables.append(
        products(
          "Products on H200 in NVIDIA's table, \(word)", source,
          ProductCells(shipped: .h200, precision).predicted, clock, library, on: h200))
      tables.append(
        products(
          "Products on an H200 by the probe, \(word)", "benchmarks/probe/h200-1.csv",
          ProductCells(probed: .h200, precision).predicted, .boost, library, on: h200))
    }
    return tables + productsByLayout(on: b200)
  }

  private static func products(
    _ name: String, _ source: String, _ cells: [ProductCell], _ clock: BenchmarkClock,
    _ library: MatmulLibrary, on device: DeviceModel
  ) -> ComponentResiduals {
    guard let cost = MatmulCost(device, library: library) else {
      preconditionFailure("\(device.name) has \(library.rawValue).")
    }
    let rows = cells.map { cell in
      ComponentResidual(
        row: Self.name(cell.shape), measuredSeconds: cell.measuredSeconds,
        predictedSeconds: clock.seconds(atBoost: cost.cost(cell.shape, clock: .boost).seconds))
    }
    return ComponentResiduals(name: name, source: source, isFitted: false, rows: rows)
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
