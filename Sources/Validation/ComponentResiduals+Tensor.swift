import Calibration
import Clusters
import Costs

extension ComponentResiduals {
  /// Products with a gather or a scatter over eight ranks of one node, whole and overlapped.
  ///
  /// Shapes are one rank's. Whole exchanges are NCCL's; PyTorch's chunks are those of `TensorProductCost`,
  /// the others' kernels are fused: they have no waves for each chunk, and gains without times are
  /// published for them. All are short runs at the boost clock.
  static func tensorProducts(on cluster: (String) throws -> Cluster) throws
    -> [ComponentResiduals]
  {
    let table = ComponentTable(PackageResources.tensor_overlap_csv)
    let (h100, h800) = (try cluster("h100-2048"), try cluster("h800-2048"))
    let timed = table.rows.filter { $0.text("gain").isEmpty }
    var known: Set<String> = []
    let whole = timed.filter { known.insert(shapeName(of: $0)).inserted }
    let source = "PyTorch #143160, kraken #2 and #19"
    return [
      ComponentResiduals(
        name: "Tensor products with NCCL, H100", source: source, isFitted: false,
        rows: try rows(whole, on: h100, "whole_us") { $0.whole($1, $2, group: $3) }),
      ComponentResiduals(
        name: "Tensor products in chunks, H100", source: source, isFitted: false,
        rows: try rows(timed.filter { $0.text("method").contains("async-TP") }, on: h100)),
      ComponentResiduals(
        name: "Tensor products in fused kernels, H100", source: source, isFitted: false,
        rows: try rows(timed.filter { !$0.text("method").contains("async-TP") }, on: h100)),
      ComponentResiduals(
        name: "Gains of fused tensor products, H800", source: "Triton-distributed figures",
        isFitted: false, rows: try gains(table.rows.filter { !$0.text("gain").isEmpty }, on: h800)),
    ]
  }

  private typealias Predicted = (
    TensorProductCost, TensorProductCost.Exchange, MatmulShape, CollectiveGroup
  ) -> Double

  private static let group = CollectiveGroup(ranks: 8, ranksPerNode: 8)

  private static func shapeName(of row: [String: String]) -> String {
    "\(row.text("exchange")) \(row.text("rows")) x \(row.text("columns")) x \(row.text("depth"))"
  }

  private static func cost(on cluster: Cluster) throws -> TensorProductCost? {
    try TensorProductCost(
      cluster, DeviceModel(cluster.device), CollectiveConstants(cluster), clock: .boost)
  }

  private static func parts(_ row: [String: String]) -> (TensorProductCost.Exchange, MatmulShape) {
    (
      row.text("exchange") == "gather" ? .gather : .scatter,
      MatmulShape(m: row.integer("rows"), n: row.integer("columns"), k: row.integer("depth"))
    )
  }

  private static func rows(
    _ rows: [[String: String]], on cluster: Cluster, _ column: String = "overlapped_us",
    _ predicted: Predicted = { $0.inChunks($1, $2, group: $3) }
  ) throws -> [ComponentResidual] {
    guard let cost = try cost(on: cluster) else { return [] }
    return rows.map { row in
      let (exchange, shape) = parts(row)
      let method = column == "whole_us" ? "" : ", \(row.text("method"))"
      return ComponentResidual(
        row: shapeName(of: row) + method, measuredSeconds: row.number(column) * 1e-6,
        predictedSeconds: predicted(cost, exchange, shape, group))
    }
  }

  /// What the whole one is predicted to take over the published gain stands for a time that was measured.
  private static func gains(_ rows: [[String: String]], on cluster: Cluster) throws
    -> [ComponentResidual]
  {
    guard let cost = try cost(on: cluster) else { return [] }
    return rows.map { row in
      let (exchange, shape) = parts(row)
      return ComponentResidual(
        row: shapeName(of: row) + ", \(row.text("method"))",
        measuredSeconds: cost.whole(exchange, shape, group: group) / row.number("gain"),
        predictedSeconds: cost.inChunks(exchange, shape, group: group))
    }
  }
}
