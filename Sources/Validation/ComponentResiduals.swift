import Calibration
import Clusters
import Costs

/// One component measurement beside what the formulas give for it.
public struct ComponentResidual: Hashable, Sendable {
  /// What was measured: operation and shape.
  public var row: String
  public var measuredSeconds: Double
  public var predictedSeconds: Double

  public init(row: String, measuredSeconds: Double, predictedSeconds: Double) {
    self.row = row
    self.measuredSeconds = measuredSeconds
    self.predictedSeconds = predictedSeconds
  }

  /// Predicted over measured, less one.
  public var error: Double { predictedSeconds / measuredSeconds - 1 }
}

/// A table of component measurements with the residual of every row.
public struct ComponentResiduals: Hashable, Sendable {
  /// The table's name: `DeepGEMM 2025-04-09, FP8 on H800`.
  public var name: String
  /// Where the measurements were published.
  public var source: String
  /// Whether constants were fitted to these rows; if not, they are a check.
  public var isFitted: Bool
  public var rows: [ComponentResidual]

  public init(name: String, source: String, isFitted: Bool, rows: [ComponentResidual]) {
    self.name = name
    self.source = source
    self.isFitted = isFitted
    self.rows = rows
  }

  /// Mean of the absolute errors; zero for an empty table.
  public var mean: Double {
    rows.isEmpty ? 0 : rows.reduce(0) { $0 + abs($1.error) } / Double(rows.count)
  }

  /// The row with the largest absolute error.
  public var worst: ComponentResidual? {
    rows.max { abs($0.error) < abs($1.error) }
  }

  /// Every table, recomputed with the devices' own constants.
  ///
  /// Takes some tenths of a second, most of it in steps of five plans of the 22B model.
  ///
  /// - Throws: what reading a shipped file throws, or `ConfigurationError` where one lacks a constant.
  package static func all(_ files: PublishedFiles) throws -> [ComponentResiduals] {
    let cluster = { (name: String) throws -> Cluster in try files.cluster(name).value }
    let h800 = try DeviceModel(cluster("h800-2048").device)
    let pcie = try DeviceModel(cluster("a100-pcie").device)
    let deepGEMM = [
      ("2025-02-25", MatmulLibrary.fp8February2025), ("2025-04-09", .fp8April2025),
    ].map { date, library in products(date: date, library: library, device: h800) }
    let a100 = ["matmul", "group_matmul"].map { products(operation: $0, device: pcie) }
    return try deepGEMM + V3Residuals(files).tables(on: cluster("h800-2048")) + a100
      + [attention(device: pcie)] + exchanges(on: cluster)
      + [allReduces(on: cluster("a100-vtrain-512")), megatronLayers(files)]
      + tensorProducts(on: cluster) + otherProducts(on: cluster) + probed(on: cluster)
  }
}

extension ComponentResiduals {
  /// DeepGEMM's published table of one date, at the boost clock of a micro-benchmark.
  static func products(
    date: String, library: MatmulLibrary, device: DeviceModel
  ) -> ComponentResiduals {
    let cost = MatmulCost(device, library: library)
    let table = ComponentTable(PackageResources.deepgemm_h800_csv)
    let rows = table.rows.filter { $0.text("date") == date }.compactMap { row in
      let groups = row.integer("groups")
      let shape = MatmulShape(
        rows: Array(repeating: row.integer("m_per_group"), count: groups),
        columns: row.integer("n"), depth: row.integer("k"))
      return cost.map {
        ComponentResidual(
          row: "\(row.text("layout")) \(groups) x \(row.text("m_per_group")) x "
            + "\(shape.columns) x \(shape.depth)",
          measuredSeconds: shape.flops / row.number("tflops") / 1e12,
          predictedSeconds: $0.cost(shape, clock: .boost).seconds)
      }
    }
    return ComponentResiduals(
      name: "DeepGEMM \(date), H800", source: "DeepGEMM README", isFitted: true, rows: rows)
  }

  /// Matrix products measured on the A100 PCIe, single or grouped.
  static func products(operation: String, device: DeviceModel) -> ComponentResiduals {
    let cost = MatmulCost(device, library: .bf16)
    let table = ComponentTable(PackageResources.a100_pcie_operators_csv)
    let rows = table.rows.filter { $0.text("op") == operation }.compactMap { row in
      let key = row.shape("shape_key")
      let shape =
        operation == "matmul"
        ? MatmulShape(
          m: key.integer("m"), n: key.integer("n"), k: key.integer("k"),
          pass: key.text("layout") == "NT" ? .backwardWeight : .forward,
          accumulates: key.text("accumulate") == "True") : grouped(key)
      return cost.map {
        ComponentResidual(
          row: "\(shape.rows.count) x \(shape.rows[0]) x \(shape.columns) x \(shape.depth)",
          measuredSeconds: shape.flops / row.number("achieved_tflops") / 1e12,
          predictedSeconds: $0.cost(shape).seconds)
      }
    }
    return ComponentResiduals(
      name: operation == "matmul" ? "A100 PCIe products" : "A100 PCIe grouped products",
      source: "SimuMax a100_pcie.json", isFitted: true, rows: rows)
  }

  private static func grouped(_ key: [String: String]) -> MatmulShape {
    let count = key.integer("ng")
    let (m, n, k) = (key.integer("M"), key.integer("N"), key.integer("K"))
    switch key.text("stage") {
    case "fwd":
      return MatmulShape(rows: Array(repeating: m, count: count), columns: n, depth: k)
    case "bwd_grad_act":
      return MatmulShape(
        rows: Array(repeating: m, count: count), columns: k, depth: n, pass: .backwardInput)
    default:
      return MatmulShape(
        rows: Array(repeating: n, count: count), columns: k, depth: m, pass: .backwardWeight)
    }
  }

  /// Fused attention on the A100; the source counts the whole square of a causal kernel.
  static func attention(device: DeviceModel) -> ComponentResiduals {
    let cost = AttentionCost(device)
    let table = ComponentTable(PackageResources.a100_pcie_operators_csv)
    let rows = table.rows.filter { $0.text("op").hasPrefix("sdp") }.map { row in
      let key = row.shape("shape_key")
      let heads = key.integer("head_num")
      let shape = AttentionShape(
        heads: heads, queriesPerKey: heads / key.integer("kv_head_num"),
        queries: key.integer("seq_len"), queryDimension: key.integer("qk_head_dim"),
        valueDimension: key.integer("v_head_dim"))
      let backward = row.text("op") == "sdp_bwd"
      let counted = 2 * shape.flops * (backward ? 2.5 : 1)
      return ComponentResidual(
        row: "\(backward ? "backward" : "forward") \(heads) heads of "
          + "\(shape.queryDimension)/\(shape.valueDimension)",
        measuredSeconds: counted / row.number("achieved_tflops") / 1e12,
        predictedSeconds: (backward ? cost.backward(shape) : cost.forward(shape)).seconds)
    }
    return ComponentResiduals(
      name: "A100 PCIe attention", source: "SimuMax a100_pcie.json", isFitted: true, rows: rows)
  }

  /// NCCL's all-reduce inside one A100 node.
  static func allReduces(on cluster: Cluster) throws -> ComponentResiduals {
    let constants = try CollectiveConstants(cluster)
    let cost = CollectiveCost(constants)
    let table = ComponentTable(PackageResources.nccl_allreduce_nvlink_csv)
    let rows = table.rows.filter { $0.text("gpu") == "A100" }.map { row in
      let ranks = row.integer("gpus")
      let group = CollectiveGroup(ranks: ranks, ranksPerNode: 8)
      return ComponentResidual(
        row: "\(ranks) ranks, \(row.integer("size_bytes") >> 20) MiB",
        measuredSeconds: row.number("out_of_place_us") * 1e-6,
        predictedSeconds: cost.allReduce(bytes: row.number("size_bytes"), group: group).seconds)
    }
    return ComponentResiduals(
      name: "NCCL all-reduce over NVLink, A100", source: "vTrain trace/a100", isFitted: true,
      rows: rows)
  }
}
