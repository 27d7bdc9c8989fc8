import Simulation

// pytorch/torchtitan: FSDP2 over data and context ranks together, which is ZeRO-3 with shards in 32 bits, gathers in
// BF16 and reductions in 32 bits; under a pipeline parameters stay gathered and gradients are reduced once, which is
// ZeRO-1's traffic. Loss operator by operator over 32-bit logits. "selective (op)" recomputes norms, SwiGLU and every
// second product. Asynchronous tensor parallelism overlaps tensor exchanges. The H100s have 96 GB
// of HBM2e at 2.4 TB/s and 500 W; attention is PyTorch's own, FlashAttention 2.

extension DescribedRun {
  /// All rows, those that ran out of memory among them.
  package static var torchTitan: [DescribedRun] {
    PublishedTable.torchTitan.rows.map { row in
      DescribedRun(row, name: torchTitanName(row), torchTitanRun)
    }
  }

  private static func torchTitanName(_ row: PublishedRow) -> String {
    var parts = [row["model"], "\(row["gpus"]) x \(row["gpu"].prefix { $0 != " " })"]
    for degree in ["tp", "pp", "cp"] where row.degree(degree) > 1 {
      parts.append("\(degree)\(row[degree])")
    }
    parts += [row["seq"], row["precision"], row["recompute"]].filter { !$0.isEmpty }
    if !row["compile"].isEmpty { parts.append(row["compile"]) }
    if row["note"].contains("async TP") { parts.append("async TP") }
    return parts.joined(separator: " ")
  }

  private static func torchTitanRun(_ row: PublishedRow) throws(NotDescribed) -> PublishedRun {
    let model = try torchTitanModel(row["model"])
    let device = try torchTitanCluster(row)
    let precision = try PublishedPrecision.recipe(row["precision"])
    let degrees = torchTitanDegrees(row)
    let isAsynchronous = degrees.tensor > 1 && row["note"].contains("async TP")
    return PublishedRun(
      name: "", model: model.name, modelOverrides: model.overrides, cluster: device.name,
      clusterOverrides: device.overrides + ["nodes=\(max(1, degrees.ranks / 8))"],
      plan: "torchtitan-llama-3.1-8b",
      planOverrides: degrees.overrides + [
        "precision=\(precision)", "recompute=\(try torchTitanRecomputation(row["recompute"]))",
        "zero-stage=\(degrees.pipeline > 1 ? 1 : 3)",
        "overlap.tensor-exchange=\(isAsynchronous ? "true" : "null")",
        "framework=torchtitan",
        "fused-loss=\(compilesLoss(row))",
        "optimizer=\(isOfMid2025(row) ? "adamw" : "adamw-foreach")",
        "execution=\(row["compile"] == "torch.compile" ? "compiled" : "eager")",
      ]
        + (device.name != "a100-selene" ? ["attention-library=flash-2"] : [])
        + torchTitanRecomputedLayers(row, model.layers),
      leftOut: torchTitanLeftOut(row), replaysAllocator: true)
  }

  /// Whether the loss is compiled too, which makes one kernel a pass of it: so since early 2025 (e7c0cae and 820504e of
  /// 2025-06-13, `components/loss.py`), while it is commented out in 9dec370 of 2024-12-26 (`train.py`).
  private static func compilesLoss(_ row: PublishedRow) -> Bool {
    row["compile"] == "torch.compile" && isOfMid2025(row)
  }

  /// Whether a row is of June 2025, when AdamW was fused too (820504e, `config_manager.py`, `implementation`); before, it
  /// was operators over all parameters (`foreach`, 1ea476e9 and 9dec370, `optimizer.fused` off).
  private static func isOfMid2025(_ row: PublishedRow) -> Bool {
    ["2025-06", "202506"].contains { row["source"].contains($0) }
  }

  /// What has no key yet.
  private static func torchTitanLeftOut(_ row: PublishedRow) -> [String] {
    var parts: [String] = []
    if row["fsdp_zero"].contains("float8 all-gather") { parts.append("gathers in FP8") }
    if row["precision"].hasPrefix("float8"), row.degree("pp") > 1 {
      parts.append("casts of weights in every pass")
    }
    return parts
  }

  /// `selective layer` computes every second layer again; as many are the first of each stage.
  private static func torchTitanRecomputedLayers(_ row: PublishedRow, _ layers: Int) -> [String] {
    guard row["recompute"] == "selective layer" else { return [] }
    return ["recompute-layers=\(max(1, layers / row.degree("pp") / 2))"]
  }

  /// Llama 3 has the shapes of Llama 3.1.
  private static func torchTitanModel(
    _ name: String
  ) throws(NotDescribed) -> (name: String, layers: Int, overrides: [String]) {
    switch name.split(separator: " ").first ?? "" {
    case "Llama-3.1-8B", "Llama-3-8B": ("llama-3.1-8b", 32, [])
    case "Llama-3.1-70B", "Llama-3-70B": ("llama-3.1-70b", 80, [])
    case "Llama-3.1-405B": ("llama-3.1-405b", 126, [])
    case "Llama-2-13B": ("llama-2-13b", 40, [])
    case "Llama-2-70B": ("llama-2-70b", 80, [])
    default: throw NotDescribed("the model \(name)")
    }
  }

  private static func torchTitanCluster(
    _ row: PublishedRow
  ) throws(NotDescribed) -> (name: String, overrides: [String]) {
    let gpu = row["gpu"]
    if gpu.hasPrefix("A100") { return ("a100-selene", []) }
    if gpu.hasPrefix("H200") { return ("h200-256", powerCap(row)) }
    if gpu.hasPrefix("B200") {
      throw NotDescribed("B200s under a power limit that is not published")
    }
    if gpu.hasPrefix("H100") {
      return ("h100-2048", memory(gigabytes: 96, bandwidth: 2.4) + powerCap(row))
    }
    throw NotDescribed("a cluster of \(gpu)s")
  }

  private static func powerCap(_ row: PublishedRow) -> [String] {
    row["power_w"].isEmpty ? [] : ["device.power-cap=\(row["power_w"]) W"]
  }

  /// The share of the bandwidth that is reached is the H100's, 3 of 3.35 TB/s.
  private static func memory(gigabytes: Int, bandwidth: Double) -> [String] {
    [
      "device.memory.size=\(gigabytes) GB", "device.memory.bandwidth=\(bandwidth) TB/s",
      "device.memory.reached=\((bandwidth * 3 / 3.35 * 1000).rounded()) GB/s",
    ]
  }

  private static func torchTitanDegrees(_ row: PublishedRow) -> RunDegrees {
    let pipeline = row.degree("pp")
    let local = row.integer("global_batch") / row.degree("dp")
    // The code's default is as many microbatches as the pipeline has ranks.
    return RunDegrees(
      data: row.degree("dp"), tensor: row.degree("tp"), pipeline: pipeline,
      context: row.degree("cp"),
      // Schedules of several stages a rank have two where no split is given (`pipelining_utils.py`).
      stagesPerRank: row["note"].contains("interleaved") ? 2 : 1,
      microbatch: max(1, local / pipeline),
      globalBatch: row.integer("global_batch"), length: row.integer("seq"))
  }

  private static func torchTitanRecomputation(
    _ published: String
  ) throws(NotDescribed) -> String {
    switch published {
    case "none", "": "none"
    case "full", "selective layer": "full"
    case "selective (op)", "selective op": "[rms-norm, swiglu, alternate-products]"
    default: throw NotDescribed("recomputation '\(published)'")
    }
  }
}

extension ValidationTable {
  private static let torchTitanSource = "pytorch/torchtitan benchmarks/ and docs/performance.md"

  private static let torchTitanAssumptions = [
    "A100s of a100-selene; the network of those runs is not published"
  ]

  /// Throughput and memory of PyTorch's own trainer, and which of its runs run out of memory.
  static func torchTitan(_ files: PublishedFiles) throws -> [ValidationTable] {
    let runs = try ComparedRun.simulate(DescribedRun.torchTitan, from: files)
    func table(
      _ name: String, _ title: String, _ own: [ComparedRun],
      _ row: (ComparedRun) -> ValidationRow
    ) -> ValidationTable {
      var table = predicted(
        name, title: title, source: torchTitanSource,
        fittedTo: "\(h100Constants); on A100s: \(a100Constants)",
        assumptions: torchTitanAssumptions, rows: own.map(row))
      let shared = ["model", "gpu", "precision", "recompute", "compile", "tp", "pp"]
      table.axes = [
        axis("ranks", of: own, in: "gpus", sharing: shared + ["cp", "seq", "microbatch"]),
        // Context ranks grow with the length.
        axis("length", of: own, in: "seq", sharing: shared + ["gpus"]),
      ]
      return table
    }
    let finished = runs.filter { $0.row["status"] == "ok" }
    let failed = runs.filter { $0.row["status"] == "oom" }
    return [
      table("torchtitan", "Tokens of PyTorch's own trainer on A100s, H100s and later", finished) {
        $0.comparison($0.row.number("value"), unit: "tokens/s/GPU") { $0.tokensPerSecondPerGPU }
      },
      table(
        "torchtitan-memory", "Peak memory of PyTorch's own trainer",
        finished.filter { Double($0.row["peak_memory_gib"]) != nil }
      ) {
        $0.comparison($0.row.number("peak_memory_gib"), unit: "GiB") {
          Double($0.memory.reservation?.reserved ?? $0.memory.peak) / 1_073_741_824
        }
      },
      table("torchtitan-failures", "Runs of PyTorch's own trainer that ran out of memory", failed) {
        run in
        var row = run.comparison(1, unit: "fails") { $0.fits ? 0 : 1 }
        row.measure = .points
        return row
      },
    ]
  }
}
