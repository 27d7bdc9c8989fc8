import Clusters
import Models
import Plans
import Simulation

extension ValidationTable {
  /// Memory and throughput of the zero-bubble runs, simulated.
  static func zeroBubbleRuns() -> [ValidationTable] {
    let cluster = Cluster.published("a100-roce")
    let kinds = [
      ("zb-2p", "ZB-2p"), ("zb-1p", "ZB-1p"), ("1f1b", "1F1B"), ("interleaved-1f1b", "1F1B-I"),
    ]
    let runs = PublishedTable.zeroBubble.rows.flatMap { row in
      kinds.map { (PublishedRun(zeroBubble: row, schedule: $0.0, on: cluster), row, $0.1) }
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
  init(zeroBubble row: PublishedRow, schedule: String, on cluster: Cluster) {
    var plan = Plan()
    plan.pipelineParallel = row.integer("p")
    plan.microbatchSize = row.integer("mbs")
    plan.globalBatch = row.integer("mbs") * row.integer("m")
    plan.sequenceLength = row.integer("seq")
    plan.schedule = .named(schedule)
    plan.fusedAttention = false
    plan.fusedLoss = false
    plan.dropout = true
    if schedule == "interleaved-1f1b" {
      plan.stagesPerRank = (row.integer("layers") + 2) / plan.pipelineParallel
    }
    let architecture = Architecture.gpt(
      name: row["model"], hidden: row.integer("hidden"), layers: row.integer("layers"),
      heads: row.integer("heads"), vocabulary: Architecture.paddedVocabulary(tensorParallel: 1),
      positions: plan.sequenceLength)
    if plan.stagesPerRank == 1 {
      // Embedding and head count as a layer each.
      plan.layout = .units(
        Array(repeating: (architecture.layerCount + 2) / plan.stageCount, count: plan.stageCount))
    }
    self.init(
      name: "\(row["model"]), \(row["m"]) microbatches, \(schedule)", architecture: architecture,
      cluster: cluster, plan: plan, costs: row.passCosts)
  }
}
