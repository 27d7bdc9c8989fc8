import Simulation

// NVIDIA/NeMo performance_long_sequence.md: Transformer Engine's FP8 throughout. Left open: microbatch 1, no
// recomputation, optimizer divided with both overlaps, tensor exchanges overlapped, a ring of keys and values. Rows without
// context parallelism do not publish their layout. Llama 2's name their container, NeMo 24.03.01: its launcher
// (NVIDIA/NeMo-Framework-Launcher 24.03.01) switches cuDNN's attention off (conf/config.yaml, NVTE_FUSED_ATTN: 0), its
// recipe of this model in FP8 reduces gradients in BF16 (examples/training/llama/h100/llama2_7b_fp8.sh), and its NeMo
// knows no fused loss.

extension DescribedRun {
  /// The rows of both models.
  package static var longSequences: [DescribedRun] {
    PublishedTable.longSequences.rows.map { row in
      let layout = row["tp"].isEmpty ? "best without context ranks" : "with context ranks"
      return DescribedRun(
        row, name: "\(row["model"]) \(row["seq"]), \(row["gpus"]) GPUs, \(layout)", longSequence)
    }
  }

  private static func longSequence(_ row: PublishedRow) throws(NotDescribed) -> PublishedRun {
    guard !row["tp"].isEmpty else { throw NotDescribed("its layout is not published") }
    let precision = try PublishedPrecision.recipe(row["precision"])
    let degrees = RunDegrees(
      data: row.integer("dp"), tensor: row.integer("tp"), pipeline: row.integer("pp"),
      context: row.integer("cp"), globalBatch: row.integer("global_batch"),
      length: row.integer("seq"))
    let isLlama2 = row["model"].hasPrefix("Llama-2")
    let ofItsLauncher = [
      "precision={base: \(precision), gradients: bf16, gradient-reduction: bf16}",
      "fused-loss=false", "attention-library=flash-2",
    ]
    return PublishedRun(
      on: degrees, model: isLlama2 ? "llama-2-7b" : "llama-3.1-8b",
      modelOverrides: ["max_position_embeddings=\(row["seq"])"],
      cluster: row["gpu"].contains("B200") ? "b200-256" : "h100-2048", plan: "nemo-gpt-3-175b",
      (isLlama2
        ? ofItsLauncher : ["precision=\(precision)", "fused-loss=true", "loss-average=null"]) + [
          "dropout=false",
          "overlap.tensor-exchange=\(degrees.tensor > 1 ? "true" : "null")",
        ] + PublishedRun.ringOfKeysAndValues(degrees) + PublishedRun.overlappedData(degrees))
  }
}

extension ValidationTable {
  /// Throughput from 4K to 1M tokens.
  static func longSequences(_ files: PublishedFiles) throws -> ValidationTable {
    // One ran out of memory, without a layout: there is nothing to compare.
    let runs = try ComparedRun.simulate(DescribedRun.longSequences, from: files)
    var table = predicted(
      "long-sequences", title: "Llama-2-7B on H100s and Llama-3-8B on B200s, 4K to 1M tokens",
      source: "NVIDIA/NeMo docs/source/performance/performance_long_sequence.md 8cfedd72",
      assumptions: ["microbatch 1, no recomputation, keys and values in a ring"],
      rows: runs.map { run in
        run.comparison(Double(run.row["value"]) ?? 0, unit: "TFLOPS per GPU") {
          $0.flopsPerGPUNonCausal / 1e12
        }
      })
    table.axes = [axis("length", of: runs, in: "seq", sharing: ["model"])]
    return table
  }
}
