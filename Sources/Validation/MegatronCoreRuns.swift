import Simulation

// Megatron-LM's README (Megatron-Core 0.8): --overlap-grad-reduce --overlap-param-gather --tp-comm-overlap. Left
// open: heads of width 128, microbatch 1, no recomputation, dropout 0.1, unfused loss, untied embeddings, one layer a
// virtual stage where there is a pipeline; the strong-scaling rows with the degrees of the weak-scaling row.
//
// arXiv 2407.21783: ZeRO-2, 32-bit accumulation and reduction, no recomputation, embedding and head as chunks of
// their own. Left open: microbatch 1, 8 chunks a rank, no overlap of tensor exchanges, fused loss.
//
// arXiv 2402.15627: Megatron-LM of June 2023 without FlashAttention, dropout 0.1, unfused loss, selective
// recomputation, no distributed optimizer, no overlap.

extension DescribedRun {
  /// The quantity of each run of the table that the others follow from.
  private static let primary = [
    "mcore-h100-weak": ["tflops_per_gpu"],
    "mcore-h100-strong": ["mfu_96_gpus", "mfu_4608_gpus"],
    "llama405b": ["tflops_per_gpu"], "janus": ["wallclock_total_training"],
    "megascale": ["iteration_time"], "modelzoo-qwen3": ["step_time"],
    "mcore-moe-DeepSeek-V3": ["tokens_per_s_per_gpu"],
  ]

  /// The rows of some runs, by how their names begin: those that follow from no others, or the others.
  static func more(
    _ prefixes: [String], derived: Bool = false,
    _ describe: (PublishedRow) throws(NotDescribed) -> PublishedRun
  ) -> [DescribedRun] {
    PublishedTable.moreRuns.rows.compactMap { row in
      guard let prefix = prefixes.first(where: { row["id"].hasPrefix($0) }) else { return nil }
      let isPrimary = primary[prefix]?.contains(row["quantity"]) ?? true
      guard isPrimary != derived else { return nil }
      let name = "\(row["id"]), \(row["gpus"]) GPUs\(derived ? ", \(row["quantity"])" : "")"
      return DescribedRun(row, name: name, describe)
    }
  }

  /// Megatron-Core's weak and strong scaling.
  package static func megatronCore(derived: Bool = false) -> [DescribedRun] {
    more(["mcore-h100-weak", "mcore-h100-strong"], derived: derived, megatronCoreRun)
  }

  private static func megatronCoreRun(_ row: PublishedRow) -> PublishedRun {
    let isStrong = row["id"].contains("strong")
    let (tensor, pipeline) = isStrong ? (8, 6) : (row.integer("tp"), row.integer("pp"))
    let size = row["model"].split(separator: "-").last.map(String.init) ?? ""
    let degrees = RunDegrees(
      data: row.integer("gpus") / (tensor * pipeline), tensor: tensor, pipeline: pipeline,
      stagesPerRank: pipeline > 1 ? 96 / pipeline : 1,
      globalBatch: row.integer("global_batch"), length: row.integer("seq"))
    let overlap = "overlap.tensor-exchange=\(tensor > 1 ? "true" : "null")"
    return PublishedRun(
      on: degrees, model: "megatron-core-\(size.lowercased())", plan: "nemo-gpt-3-175b",
      ["precision=bf16", overlap] + PublishedRun.overlappedData(degrees))
  }

  /// Llama 3.1 405B, and a run that is no step.
  package static func others(derived: Bool = false) -> [DescribedRun] {
    more(["llama405b", "janus"], derived: derived) { row throws(NotDescribed) in
      guard row["id"].hasPrefix("llama") else {
        throw NotDescribed("days of three stages together, whose batches are not published")
      }
      let degrees = RunDegrees(
        data: row.integer("dp"), tensor: row.integer("tp"), pipeline: row.integer("pp"),
        stagesPerRank: 8, globalBatch: row.integer("global_batch"), length: row.integer("seq"))
      return PublishedRun(
        on: degrees, model: "llama-3.1-405b", plan: "nemo-gpt-3-175b",
        [
          "precision=bf16", "zero-stage=2", "units-per-stage=even", "fused-loss=true",
          "dropout=false", "loss-average=null", "overlap.tensor-exchange=null",
        ])
    }
  }

  /// Megatron-LM as MegaScale measured it on A100s.
  package static func megaScale(derived: Bool = false) -> [DescribedRun] {
    more(["megascale"], derived: derived) { row in
      let degrees = RunDegrees(
        data: row.integer("dp"), tensor: row.integer("tp"), pipeline: row.integer("pp"),
        stagesPerRank: row.integer("vpp"), globalBatch: row.integer("global_batch"),
        length: row.integer("seq"))
      return PublishedRun(
        name: "", model: "megatron-175b", modelOverrides: ["vocab_size=64512"],
        cluster: "a100-selene", clusterOverrides: ["nodes=\(degrees.ranks / 8)"],
        plan: "nemo-gpt-3-175b",
        planOverrides: degrees.overrides + [
          "precision=bf16", "zero-stage=0", "recompute=selective", "fused-attention=false",
          "overlap.tensor-exchange=null", "overlap.gradient-reduction=false",
        ])
    }
  }
}

extension ComparedRun {
  /// The row's own quantity, as the step has it.
  func quantity() -> ValidationRow {
    let (quantity, published) = (row.text("quantity") ?? row["unit"], row.number("value"))
    switch quantity {
    case "tflops_per_gpu":
      // Megatron-Core counts attention with its mask since 2025: the published step and rate of
      // Qwen3-235B agree only so.
      let isMasked =
        row.text("source")?.contains("2603.07685") == true || row["id"].hasPrefix("modelzoo")
      return comparison(published, unit: "TFLOPS per GPU") {
        (isMasked ? $0.flopsPerGPUCausal : $0.flopsPerGPUNonCausal) / 1e12
      }
    case "iteration_time", "step_time": return comparison(published, unit: "s") { $0.stepSeconds }
    case "throughput": return comparison(published, unit: "tokens/s") { $0.tokensPerSecond }
    case "tokens_per_s_per_gpu":
      return comparison(published, unit: "tokens/s/GPU") { $0.tokensPerSecondPerGPU }
    case "aggregate":
      return comparison(published, unit: "PFLOPS") {
        $0.flopsPerGPUNonCausal * Double($0.ranks) / 1e15
      }
    case let name where name.hasPrefix("mfu"):
      return comparison(published, unit: "% MFU") { $0.mfuNonCausal * 100 }
    default:
      return comparison(published, unit: row["unit"]) { _ in
        preconditionFailure("No figure of a step is called \(quantity).")
      }
    }
  }
}

extension ValidationTable {
  /// Megatron-Core's scaling on H100s, Llama 3.1 405B, and Megatron-LM as MegaScale measured it.
  static func megatronCore(_ files: PublishedFiles) throws -> [ValidationTable] {
    let scaling = try more(
      "megatron-core-scaling",
      title: "Megatron-Core's weak and strong scaling on 48 to 4,608 H100s",
      source: "Megatron-LM README, Megatron-Core 0.8",
      assumptions: [
        "microbatch 1, no recomputation, dropout 0.1, one layer a virtual stage",
        "the strong-scaling rows with tp 8, pp 6",
      ], DescribedRun.megatronCore, from: files)
    let others = try more(
      "llama-3.1-405b", title: "Llama 3.1 405B on 8,192 H100s, and a run that is no step",
      source: "arXiv 2407.21783 table 4; arXiv 2501.17811",
      assumptions: ["microbatch 1, 8 chunks a rank, tensor exchanges waited for"],
      DescribedRun.others, from: files)
    let megaScale = try more(
      "megascale-baseline", title: "Megatron-LM as MegaScale measured it on 256 and 3,072 A100s",
      source: "arXiv 2402.15627 table 2", fittedTo: a100Constants,
      assumptions: [
        "no FlashAttention, selective recomputation, all-reduced gradients, none overlapped"
      ], DescribedRun.megaScale, from: files)
    return [scaling, others, megaScale]
  }

  /// A table of some runs of `more-runs`, with what follows from its rows beneath.
  static func more(
    _ name: String, title: String, source: String, fittedTo: String = h100Constants,
    assumptions: [String], _ rows: (_ derived: Bool) -> [DescribedRun], from files: PublishedFiles
  ) throws -> ValidationTable {
    let runs = try ComparedRun.simulate(rows(false), from: files)
    var table = predicted(
      name, title: title, source: source, fittedTo: fittedTo, assumptions: assumptions,
      rows: runs.map { $0.quantity() })
    table.derivedRows = rows(true).compactMap { other in
      // The same step in other units.
      var run = runs.first { $0.row.text("id") == other.row["id"] }
      run?.row = other.row
      run?.name = other.name
      return run?.quantity()
    }
    table.axes = [
      ValidationAxis(
        "ranks", places: runs.map { Double($0.row["gpus"]) },
        series: runs.map { run in
          (run.row.text("id") ?? run.name).split(separator: "-").prefix(3).joined()
        })
    ]
    return table
  }
}
