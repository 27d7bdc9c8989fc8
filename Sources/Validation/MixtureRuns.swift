import Simulation

// Megatron-MoE-ModelZoo best_practice/Qwen3: DeepEP, norms and activations recomputed; its model file: distributed
// optimizer with both overlaps, fused loss, embedding and loss a layer each, no overlap of tensor exchanges.
//
// arXiv 2603.07685: blockwise FP8 as DeepSeek's, but for dispatch in BF16, attention's output kept in E4M3 and
// SwiGLU's input in BF16; layout Et|(tt|)*30mL; the latent up-projection recomputed; DeepEP.
//
// arXiv 2504.14960 tables 3 to 5: microbatch 1, no recomputation, no virtual stages, NCCL's all-to-all, data and tensor
// exchanges overlapped, unfused loss, as the same authors' files in that zoo have it; FSDP is ZeRO-3.

extension DescribedRun {
  /// Qwen3-235B without and with expert exchanges beside computation.
  package static func qwen3(derived: Bool = false) -> [DescribedRun] {
    more(["modelzoo-qwen3"], derived: derived) { row in
      let overlap = row["id"].hasSuffix("overlap") ? overlappedExperts : []
      var degrees = mixtureDegrees(row)
      degrees.data = row.integer("dp")
      return PublishedRun(
        on: degrees, model: "qwen3-235b-a22b", plan: "nemo-gpt-3-175b",
        mixture + [
          "units-per-stage=even", "recompute=[rms-norm, swiglu]", "dispatcher=deepep",
          "overlap.tensor-exchange=null",
        ] + overlap + PublishedRun.overlappedData(degrees))
    }
  }

  /// What merged pairs of a forward and a backward under 1F1B add to a plan.
  private static let overlappedExperts = ["overlap.expert-exchange=true"]

  /// DeepSeek-V3 on 1,024 H100s, with the published runners-up that say less.
  package static func deepSeekV3(derived: Bool = false) -> [DescribedRun] {
    let measured = more(["mcore-moe-DeepSeek-V3"], derived: derived) { row in
      var degrees = mixtureDegrees(row)
      degrees.data = row.integer("gpus") / (degrees.tensor * degrees.pipeline)
      let units = [Int](repeating: 2, count: 32)
      return PublishedRun(
        on: degrees, model: "deepseek-v3", plan: "nemo-gpt-3-175b",
        mixture + [
          "precision={base: fp8-deepseek, dispatch: bf16, kept-attention-outputs: e4m3, "
            + "kept-activation-inputs: bf16}",
          "units-per-stage=\(units)", "recompute=[mla-up-projection, mlp]", "dispatcher=deepep",
          "overlap.tensor-exchange=null", "fused-loss=null", "loss=compiled",
        ] + overlappedExperts + PublishedRun.overlappedData(degrees))
    }
    if derived { return measured }
    // Its first row is the one above.
    let others = PublishedTable.bestPlans.rows.filter { row in
      row["group"].hasPrefix("deepseek-v3/") && row["gpus"] == "1024" && row["value"] != "368"
    }
    return measured
      + others.map { row in
        DescribedRun(row, name: "\(row["note"]), \(row["gpus"]) GPUs") { _ throws(NotDescribed) in
          throw NotDescribed("neither the recipe nor what is recomputed is published")
        }
      }
  }

  private static let mixture = [
    "precision=bf16", "fused-loss=true", "dropout=false", "loss-average=null",
  ]

  private static func mixtureDegrees(_ row: PublishedRow) -> RunDegrees {
    RunDegrees(
      tensor: row.integer("tp"), pipeline: row.integer("pp"), expert: row.integer("ep"),
      expertTensor: row.integer("etp"), stagesPerRank: row.integer("vpp"),
      microbatch: row.integer("micro_batch"), globalBatch: row.integer("global_batch"),
      length: row.integer("seq"))
  }

  /// The layouts of two mixtures; those of the longer sequences stand among the best plans.
  package static var mixtureLayouts: [DescribedRun] {
    let longer = PublishedTable.bestPlans.rows.filter {
      $0["group"].hasPrefix("folding/") && $0["seq"] == "16384"
    }
    return (PublishedTable.mixtureLayouts.rows + longer).map { row in
      DescribedRun(row, name: "\(row["model"]) \(row["seq"]), \(method(row))", layout)
    }
  }

  /// `MCore+Folding`: a column of its own, or the beginning of a note.
  static func method(_ row: PublishedRow) -> String {
    if row.columns.contains("method") { return row["method"] }
    return row["note"].split(separator: " ").first.map(String.init) ?? ""
  }

  private static func layout(_ row: PublishedRow) -> PublishedRun {
    let method = method(row)
    var degrees = RunDegrees(
      tensor: row.degree("tp"), pipeline: row.degree("pp"), context: row.degree("cp"),
      expert: row.degree("ep"), expertTensor: Int(row["etp"]),
      globalBatch: row.integer("global_batch"), length: row.integer("seq"))
    degrees.data =
      row.integer("gpus") / (degrees.tensor * degrees.pipeline * degrees.context)
    return PublishedRun(
      on: degrees, model: row["model"].lowercased(), plan: "nemo-gpt-3-175b",
      [
        "precision=bf16", "dropout=false",
        "dispatcher=\(degrees.expert > 1 ? "all-to-all" : "null")",
        "zero-stage=\(method.hasPrefix("FSDP") ? 3 : 1)",
        "overlap.tensor-exchange=\(degrees.tensor > 1 ? "true" : "null")",
      ] + PublishedRun.ringOfKeysAndValues(degrees) + PublishedRun.overlappedData(degrees))
  }
}

extension ValidationTable {
  /// Mixtures on H100s: five ways to lay one out, and two large ones.
  static func mixtures(_ files: PublishedFiles) throws -> [ValidationTable] {
    let qwen3 = try more(
      "qwen3-235b", title: "Qwen3-235B-A22B on 256 H100s, without and with overlapped exchanges",
      source: "Megatron-MoE-ModelZoo best_practice/Qwen3",
      assumptions: ["equal load of the experts, as its benchmarks force"], DescribedRun.qwen3,
      from: files)
    let deepSeek = try more(
      "deepseek-v3-h100", title: "DeepSeek-V3 on 1,024 H100s",
      source: "arXiv 2603.07685 tables 11, 17 and 20; Megatron-Bridge; NVIDIA/dgxc-benchmarking",
      assumptions: [
        "equal load of the experts"
      ],
      DescribedRun.deepSeekV3, from: files)
    return [try mixtureLayouts(files), qwen3, deepSeek]
  }

  private static func mixtureLayouts(_ files: PublishedFiles) throws -> ValidationTable {
    let runs = try ComparedRun.simulate(DescribedRun.mixtureLayouts, from: files)
    var table = predicted(
      "moe-layouts", title: "Five layouts of a mixture on 64 and 128 H100s",
      source: "arXiv 2504.14960 tables 3 to 5",
      assumptions: ["microbatch 1, no recomputation, no virtual stages, equal load of the experts"],
      rows: runs.map { run in
        let published = run.row.columns.contains("mfu_pct") ? "mfu_pct" : "value"
        return run.comparison(run.row.number(published), unit: "% MFU") { $0.mfuNonCausal * 100 }
      })
    table.axes = [
      ValidationAxis(
        "length", places: runs.map { Double($0.row["seq"]) },
        series: runs.map { $0.row["model"] + DescribedRun.method($0.row) })
    ]
    table.findings = bestLayouts(runs, table.rows)
    return table
  }

  /// For each model and length, the best layout as predicted and as published.
  private static func bestLayouts(_ runs: [ComparedRun], _ rows: [ValidationRow]) -> [String] {
    var groups: [(name: String, rows: [(method: String, row: ValidationRow)])] = []
    for (run, row) in zip(runs, rows) {
      let name = "\(run.row["model"]), \(run.row["gpus"]) GPUs, length \(run.row["seq"])"
      let member = (DescribedRun.method(run.row), row)
      if let index = groups.firstIndex(where: { $0.name == name }) {
        groups[index].rows.append(member)
      } else {
        groups.append((name, [member]))
      }
    }
    return groups.compactMap { group in
      let known = group.rows.filter { $0.row.prediction != nil }
      let predicted = known.max { ($0.row.prediction ?? 0) < ($1.row.prediction ?? 0) }
      let published = group.rows.max { $0.row.publication < $1.row.publication }
      guard let published else { return nil }
      return "best of \(group.name): \(predicted?.method ?? "none") predicted, "
        + "\(published.method) published"
    }
  }
}
