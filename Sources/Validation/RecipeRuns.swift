import Simulation

// NVIDIA/dgxc-benchmarking 35a9aec. What its tables leave open stands in its own configurations
// (nemo_megatron/gpt3_175b_hydra.yaml, llama3.1/llama3.1_8b.yaml) and in the scripts beside them: the optimizer divided
// over data ranks with both overlaps, gradients and reductions in BF16, no recomputation; GPT-3 with dropout 0.1, an
// unfused loss, overlapped tensor exchanges and FlashAttention 2 (launch.sh sets NVTE_FUSED_ATTN=0); Llama without
// dropout, with Megatron-Core's fused loss (compiled pieces in NeMo 24.09) and cuDNN's attention (configure.sh sets NVTE_FLASH_ATTN=0, NVTE_FUSED_ATTN=1).

extension DescribedRun {
  /// The rows of NVIDIA's recipes.
  package static var recipes: [DescribedRun] {
    PublishedTable.recipeSteps.rows.map { row in
      DescribedRun(row, name: "\(row["model"]) \(row["precision"]), \(row["gpus"]) GPUs") {
        row throws(NotDescribed) in
        row["model"].hasPrefix("GPT3") ? try gpt3Recipe(row) : try llamaRecipe(row)
      }
    }
  }

  private static func degrees(_ row: PublishedRow) -> RunDegrees {
    RunDegrees(
      data: row.integer("dp"), tensor: row.integer("tp"), pipeline: row.integer("pp"),
      context: row.integer("cp"), stagesPerRank: row.integer("vpp"),
      microbatch: row.integer("micro_batch"), globalBatch: row.integer("global_batch"),
      length: row.integer("seq"))
  }

  private static func gpt3Recipe(_ row: PublishedRow) throws(NotDescribed) -> PublishedRun {
    PublishedRun(
      on: degrees(row), model: "megatron-175b", modelOverrides: ["vocab_size=50688"],
      plan: "nemo-gpt-3-175b",
      [try precision(row), "attention-library=flash-2"] + PublishedRun.overlappedData(degrees(row)))
  }

  /// Gradients and their reduction in BF16 (`grad_sync_dtype`).
  ///
  /// FP8 of these recipes has weights in FP8 alone (`fp8_params`), scales of steps before and `hybrid` formats.
  private static func precision(_ row: PublishedRow) throws(NotDescribed) -> String {
    let recipe = try PublishedPrecision.recipe(row["precision"])
    let weights = recipe == "fp8-tensor" ? ", fp8-param-gather: true" : ""
    return "precision={base: \(recipe)\(weights), gradients: bf16, gradient-reduction: bf16}"
  }

  private static func llamaRecipe(_ row: PublishedRow) throws(NotDescribed) -> PublishedRun {
    PublishedRun(
      on: degrees(row), model: "llama-3.1-8b", plan: "nemo-gpt-3-175b",
      [
        try precision(row), "fused-loss=null", "loss=compiled", "dropout=false",
        "overlap.tensor-exchange=null",
        "attention-library=cudnn",
      ] + PublishedRun.ringOfKeysAndValues(degrees(row)) + PublishedRun.overlappedData(degrees(row))
    )
  }
}

extension ValidationTable {
  /// Steps of NVIDIA's recipes, BF16 and FP8 apart.
  static func recipeSteps(_ files: PublishedFiles) throws -> [ValidationTable] {
    let runs = try ComparedRun.simulate(DescribedRun.recipes, from: files)
    return [("bf16", "BF16"), ("fp8", "FP8")].map { precision, title in
      let own = runs.filter { $0.row["precision"] == precision }
      var table = predicted(
        "h100-steps-\(precision)",
        title: "Steps of NVIDIA's recipes in \(title) on 8 to 2,048 H100s",
        source: "NVIDIA/dgxc-benchmarking 35a9aec",
        assumptions: ["optimizer divided, reductions and gathers overlapped, as the recipes say"],
        rows: own.map { run in
          run.comparison(run.row.number("measured"), unit: "s") { $0.stepSeconds }
        })
      table.axes = [axis("ranks", of: own, in: "gpus", sharing: ["model"])]
      return table
    }
  }
}
