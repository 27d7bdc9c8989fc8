import Simulation

// mosaicml/llm-foundry scripts/train/benchmarking: MPT is a GPT with learned positions, as its parameter counts say.
// mixed_precision DEFAULT gathers in BF16 and reduces in 32 bits; FULL_SHARD is ZeRO-3, SHARD_GRAD_OP ZeRO-2; fused
// cross-entropy, no dropout, flash attention. Its MFU counts embeddings and the full square: tokens are compared.

extension DescribedRun {
  /// The rows of llm-foundry's benchmark.
  package static var fsdp: [DescribedRun] {
    PublishedTable.fsdp.rows.map { row in
      let recomputes = row["recompute"].hasPrefix("full") ? " recomputed" : ""
      let name =
        "\(row["model"]), \(row["gpus"]) GPUs, \(row["microbatch"]) of \(row["seq"]) "
        + "\(row["precision"])\(recomputes)"
      return DescribedRun(row, name: name, fsdpRun)
    }
  }

  private static func fsdpRun(_ row: PublishedRow) throws(NotDescribed) -> PublishedRun {
    let precision = try PublishedPrecision.recipe(row["precision"])
    let degrees = RunDegrees(
      data: row.integer("dp"), microbatch: row.integer("microbatch"),
      globalBatch: row.integer("global_batch"), length: row.integer("seq"))
    return PublishedRun(
      on: degrees, model: row["model"].lowercased(),
      modelOverrides: ["n_positions=\(row["seq"])"], plan: "llm-foundry-mpt-7b",
      [
        "precision=\(precision)",
        "zero-stage=\(row["fsdp_zero"].contains("SHARD_GRAD_OP") ? 2 : 3)",
        "recompute=\(row["recompute"].hasPrefix("full") ? "full" : "none")",
        "attention-library=\(attendsByTriton(row) ? "triton" : "flash-2")",
      ])
  }

  /// The rows of October 2023 (b2a43a1) were run by scripts whose `attn_impl` is `triton`; of those of January 2024 on 128
  /// GPUs and more (5e85bd6, sweep.py) the 30B ones were.
  private static func attendsByTriton(_ row: PublishedRow) -> Bool {
    row.integer("gpus") < 128 || row["model"] == "MPT-30b"
  }
}

extension ValidationTable {
  /// Throughput of MPT models under FSDP.
  static func fsdp(_ files: PublishedFiles) throws -> ValidationTable {
    let runs = try ComparedRun.simulate(DescribedRun.fsdp, from: files)
    var table = predicted(
      "fsdp", title: "Tokens of MPT models under FSDP on 8 to 512 H100s",
      source: "mosaicml/llm-foundry scripts/train/benchmarking/README.md 8c8dd48f",
      assumptions: [
        "400 Gb/s InfiniBand a GPU; the network is not published",
        "attention in Triton, of which no times on Hopper are published, takes 1.4 times FlashAttention 2's time "
          + "forward and twice backward, as on an A100 (arXiv 2307.08691, section 4.1)",
      ],
      rows: runs.map { run in
        run.comparison(run.row.number("value"), unit: "tokens/s/GPU") { $0.tokensPerSecondPerGPU }
      })
    table.axes = [
      axis("ranks", of: runs, in: "gpus", sharing: ["model", "seq", "precision", "recompute"]),
      axis("length", of: runs, in: "seq", sharing: ["model", "gpus", "precision", "recompute"]),
    ]
    return table
  }
}
