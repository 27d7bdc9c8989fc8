import Calibration
import Clusters
import Costs

extension ComponentResiduals {
  /// DeepEP's own rows, those of a node of H100s, the widths measured on the production cluster, and another library's.
  static func exchanges(on cluster: (String) throws -> Cluster) throws -> [ComponentResiduals] {
    let h800 = try ExchangeConstants(cluster("h800-2048"))
    let h100 = try cluster("h100-2048")
    return [
      deepEP(ExchangeCost(h800)), publishedWidths(ExchangeCost(h800)),
      inANode(ExchangeCost(try ExchangeConstants(h100))),
      hybrid(ExchangeCost(try ExchangeConstants(h100)).at(.high)), try plain(.dispatch, on: h100),
      try plain(.combine, on: h100),
    ]
  }

  /// What DeepEP's tests take: `for i in (24, )` in tests/test_internode.py and tests/test_intranode.py.
  private static let multiprocessorsOfTests = 24

  private static func residual(
    _ cost: ExchangeCost, _ direction: ExchangeShape.Direction, ranks: Int, counted: Double,
    rowBytes: Double, multiprocessors: Int = multiprocessorsOfTests
  ) -> ComponentResidual {
    let reach = ExpertRouting.deepEPBenchmark(nodes: max(1, ranks / 8))
      .reach(ranks: ranks, ranksPerNode: 8)
    let shape = ExchangeShape(
      direction, tokens: 4_096, rowBytes: rowBytes, reach: reach, ranks: ranks)
    return ComponentResidual(
      row: "\(direction.rawValue) over \(ranks) ranks",
      measuredSeconds: shape.countedBytes / counted,
      predictedSeconds: cost.parts(shape, multiprocessors: multiprocessors).payload.seconds)
  }

  /// DeepEP's first version on 20 multiprocessors, rows in BF16: the combine gives the rate.
  private static func inANode(_ cost: ExchangeCost) -> ComponentResiduals {
    let rows = [(ExchangeShape.Direction.dispatch, 328.97), (.combine, 287.14)].map {
      residual(
        cost, $0.0, ranks: 8, counted: $0.1 * 1e9, rowBytes: 14_336, multiprocessors: 20)
    }
    return ComponentResiduals(
      name: "DeepEP in a node of H100s",
      source: "tile-ai/tilescale examples/distributed/deepseek_deepep/deepep.md", isFitted: true,
      rows: rows)
  }

  private static func deepEP(_ cost: ExchangeCost) -> ComponentResiduals {
    let table = ComponentTable(PackageResources.deepep_csv)
    let rows = table.rows
      .filter { $0.text("date") == "2025-04-22" && $0.text("mode") == "normal" }
      .map { row in
        let direction: ExchangeShape.Direction =
          row.text("op") == "dispatch" ? .dispatch : .combine
        return residual(
          cost, direction, ranks: row.integer("ep"), counted: row.number("bandwidth_gbps") * 1e9,
          rowBytes: direction == .dispatch ? 7_392 : 14_336)
      }
    return ComponentResiduals(
      name: "DeepEP 2025-04-22, H800", source: "DeepEP README", isFitted: true, rows: rows)
  }

  /// Figure 7 of arXiv 2505.09343: GB/s as DeepEP counts them, read from the bars' labels.
  private static func publishedWidths(_ cost: ExchangeCost) -> ComponentResiduals {
    let bars: [(Int, Double, Double)] = [
      (16, 43.05, 42.47), (32, 58.02, 56.96), (64, 50.58, 48.54), (128, 45.34, 41.6),
    ]
    let rows = bars.flatMap { ranks, dispatch, combine in
      [
        residual(cost, .dispatch, ranks: ranks, counted: dispatch * 1e9, rowBytes: 7_392),
        residual(cost, .combine, ranks: ranks, counted: combine * 1e9, rowBytes: 14_336),
      ]
    }
    return ComponentResiduals(
      name: "DeepEP on the production cluster", source: "arXiv 2505.09343 Figure 7",
      isFitted: false, rows: rows)
  }

  /// NVIDIA's kernels move rows by the TMA unit of each multiprocessor, as those of DeepEP's second
  /// version do: they are priced at the high end of its rate.
  private static func hybrid(_ cost: ExchangeCost) -> ComponentResiduals {
    let table = ComponentTable(PackageResources.ep_a2a_h100_gb200_csv)
    let rows = table.rows
      .filter { $0.text("gpu") == "H100" && $0.text("kernel") == "HybridEP" }
      .map { row in
        let ranks = row.integer("ep")
        let reach = ExpertRouting.deepEPBenchmark(nodes: ranks / 8)
          .reach(ranks: ranks, ranksPerNode: 8)
        let shape = ExchangeShape(
          row.text("op") == "dispatch" ? .dispatch : .combine, tokens: 4_096, rowBytes: 14_336,
          reach: reach, ranks: ranks)
        return ComponentResidual(
          row: "\(row.text("op")) over \(ranks) ranks, BF16 and 4 nodes a token assumed",
          measuredSeconds: row.number("latency_us") * 1e-6,
          predictedSeconds: cost.parts(shape, multiprocessors: 32).payload.seconds)
      }
    return ComponentResiduals(
      name: "HybridEP on H100", source: "arXiv 2603.07685 Table 7", isFitted: false, rows: rows)
  }

  /// A plain all-to-all sends a token once per expert, wherever the experts lie.
  ///
  /// What all-to-alls reach of adapters is the mean of the two dispatches; the combines are predicted.
  private static func plain(
    _ direction: ExchangeShape.Direction, on cluster: Cluster
  ) throws -> ComponentResiduals {
    let cost = CollectiveCost(try CollectiveConstants(cluster))
    let table = ComponentTable(PackageResources.ep_a2a_h100_gb200_csv)
    let rows = table.rows
      .filter {
        $0.text("gpu") == "H100" && $0.text("kernel") == "all-to-all"
          && $0.text("op") == direction.rawValue
      }
      .map { row in
        let group = CollectiveGroup(ranks: row.integer("ep"), ranksPerNode: 8)
        return ComponentResidual(
          row: "\(direction.rawValue) over \(group.ranks) ranks, 8 experts a token in BF16",
          measuredSeconds: row.number("latency_us") * 1e-6,
          predictedSeconds: cost.allToAll(bytes: 4_096 * 8 * 14_336, group: group).seconds)
      }
    return ComponentResiduals(
      name: "All-to-all on H100, \(direction.rawValue)", source: "arXiv 2603.07685 Table 7",
      isFitted: direction == .dispatch, rows: rows)
  }
}
