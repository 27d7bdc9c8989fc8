import Plans
import Schedules
import Simulation

extension ValidationTable {
  /// Memory and throughput of the zero-bubble runs, simulated.
  static func zeroBubbleRuns(_ files: PublishedFiles) throws -> [ValidationTable] {
    let kinds = [
      ("zb-2p", "ZB-2p"), ("zb-1p", "ZB-1p"), ("1f1b", "1F1B"), ("interleaved-1f1b", "1F1B-I"),
    ]
    let published = PublishedTable.zeroBubble.rows.flatMap { row in kinds.map { (row, $0.0, $0.1) }
    }
    let runs = try SimulatedRun.simulate(
      published.map { PublishedRun(zeroBubble: $0.0, schedule: $0.1) }, variants: Choices.a100,
      from: files)
    let rows = zip(runs, published).map { run, published in
      let (row, _, column) = published
      return (
        run.row(nil, row.number("mem_gb_\(column)"), unit: "GB") { Double($0.memory.peak) / 1e9 },
        run.row(nil, row.number("samples_per_gpu_s_\(column)"), unit: "samples per GPU and s") {
          Double(run.run.plan.globalBatch) / $0.stepSeconds / Double($0.ranks)
        }
      )
    }
    let assumptions = [
      "Megatron with dropout, attention as two batched products, an unfused loss; no recomputation",
      "weights in 16 bits, gradients, master weights and moments in 32 bits",
      "1F1B's interleaved stages hold one layer; the paper's table gives no other number",
    ]
    var memory = ValidationTable(
      "zero-bubble-memory", title: "Peak memory of zero-bubble runs on 8 to 32 A100s",
      source: "arXiv 2401.10241 table 4", basis: .chosenAfter, fittedTo: "nothing: counted",
      assumptions: assumptions, rows: rows.map(\.0))
    var throughput = ValidationTable(
      "zero-bubble-throughput", title: "Throughput of zero-bubble runs on 8 to 32 A100s",
      source: "arXiv 2401.10241 table 4", basis: .chosenAfter, fittedTo: a100Constants,
      assumptions: assumptions, rows: rows.map(\.1))
    memory.columns = Choices.a100.map(\.column)
    throughput.columns = memory.columns
    throughput.recordedChoices = [Choices.recordedLaunches]
    return [memory, throughput]
  }
}

extension PublishedRun {
  /// A run of the plan that ships for its model, with the schedule and the number of microbatches of a
  /// published row, and the times of passes that were measured in it where they plan the order.
  init(zeroBubble row: PublishedRow, schedule: String) {
    let name = "zero-bubble-\(row["model"].lowercased())"
    planOverrides = [
      "schedule=\(schedule)", "global-batch=\(row.integer("mbs") * row.integer("m"))",
    ]
    if ScheduleName(rawValue: schedule)?.isPlanned == true {
      for (key, column) in [
        ("forward", "t_f_ms"), ("backward-input", "t_b_ms"), ("backward-weight", "t_w_ms"),
        ("transfer", "t_comm_ms"),
      ] { planOverrides.append("pass-times.\(key)=\(row[column]) ms") }
    } else {
      planOverrides.append("pass-times=null")
    }
    if schedule == "interleaved-1f1b" {
      planOverrides.append("stages-per-rank=\((row.integer("layers") + 2) / row.integer("p"))")
    }
    self.name = "\(row["model"]), \(row["m"]) microbatches, \(schedule)"
    (model, cluster, plan) = (name, "a100-roce", name)
  }
}
