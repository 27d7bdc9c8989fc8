import Clusters
import Models
import Plans
import Simulation

extension ValidationTable {
  /// Memory and throughput of the zero-bubble runs, simulated.
  static func zeroBubbleRuns() throws -> [ValidationTable] {
    let cluster = Cluster.published("a100-roce")
    let kinds = [
      ("zb-2p", "ZB-2p"), ("zb-1p", "ZB-1p"), ("1f1b", "1F1B"), ("interleaved-1f1b", "1F1B-I"),
    ]
    let runs = try PublishedTable.zeroBubble.rows.flatMap { row in
      try kinds.map { (try PublishedRun(zeroBubble: row, schedule: $0.0, on: cluster), row, $0.1) }
    }
    let rows = runs.mapInParallel { run, row, column in
      let report = run.report()
      return (
        run.row(report, row.number("mem_gb_\(column)"), unit: "GB") {
          Double($0.memory.peak) / 1e9
        },
        run.row(report, row.number("samples_per_gpu_s_\(column)"), unit: "samples per GPU and s") {
          Double(run.plan.globalBatch) / $0.stepSeconds / Double(run.plan.worldSize)
        }
      )
    }
    let assumptions = [
      "Megatron with dropout, attention as two batched products, an unfused loss; no recomputation",
      "weights in 16 bits, gradients, master weights and moments in 32 bits",
      "1F1B's interleaved stages hold one layer; the paper's table gives no other number",
    ]
    return [
      ValidationTable(
        "zero-bubble-memory", title: "Peak memory of zero-bubble runs on 8 to 32 A100s",
        source: "arXiv 2401.10241 table 4", basis: .predicted, fittedTo: "nothing: counted",
        assumptions: assumptions, rows: rows.map(\.0)),
      ValidationTable(
        "zero-bubble-throughput", title: "Throughput of zero-bubble runs on 8 to 32 A100s",
        source: "arXiv 2401.10241 table 4", basis: .predicted, fittedTo: a100Constants,
        assumptions: assumptions, rows: rows.map(\.1)),
    ]
  }
}

extension PublishedRun {
  /// A run of the plan that ships for its model, with the schedule and the number of microbatches of a
  /// published row, and the times of passes that were measured in it.
  init(zeroBubble row: PublishedRow, schedule: String, on cluster: Cluster) throws {
    let name = "zero-bubble-\(row["model"].lowercased())"
    var overrides = [
      "schedule=\(schedule)", "global-batch=\(row.integer("mbs") * row.integer("m"))",
    ]
    for (key, column) in [
      ("forward", "t_f_ms"), ("backward-input", "t_b_ms"), ("backward-weight", "t_w_ms"),
      ("transfer", "t_comm_ms"),
    ] { overrides.append("pass-times.\(key)=\(row[column]) ms") }
    if schedule == "interleaved-1f1b" {
      overrides.append("stages-per-rank=\((row.integer("layers") + 2) / row.integer("p"))")
    }
    self.init(
      name: "\(row["model"]), \(row["m"]) microbatches, \(schedule)",
      architecture: try .named(name), cluster: cluster,
      plan: try .named(name, overrides: overrides))
  }
}
