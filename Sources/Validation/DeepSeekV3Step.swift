import Quantities
import Simulation

extension ValidationTable {
  /// DeepSeek-V3's published step on both of its networks, and where it goes.
  static func deepSeekV3Step(_ files: PublishedFiles) throws -> [ValidationTable] {
    let runs = try SimulatedRun.simulate(
      [
        PublishedRun(
          name: "step, multi-plane network", model: "deepseek-v3", cluster: "h800-2048",
          plan: "deepseek-v3"),
        PublishedRun(
          name: "step, multi-rail network", model: "deepseek-v3", cluster: "h800-2048-mrft",
          plan: "deepseek-v3"),
      ], variants: variants, from: files)
    return [stepFigures(runs), stepSplit(runs[0])]
  }

  /// The seeds and the head, and what nobody published: how unevenly tokens spread.
  private static let variants =
    [Choices.head, Choices.seeds, load("balanced", "plan.expert-load=balanced")]
    + [15, 30].map { load("scattered by \($0) %", "plan.expert-load.deviation=0.\($0)") }
    + [Choices.oneDraw]

  private static func load(_ title: String, _ override: String) -> Variant {
    Variant(.reading, "expert load \(title)", [override])
  }

  private static let h800Constants =
    "DeepGEMM's and DeepEP's tables, the published training trace kernel by kernel, data sheets; "
    + "nothing end-to-end"

  private static let stepAssumptions = [
    "stages: 3 dense + 1 mixture layer | 14 x 4 mixture | 1 mixture, prediction module, both heads",
    "expert load of each exchange scatters by 7.5 % over ranks, seeded, each layer and microbatch anew",
    "computation on 112 multiprocessors throughout",
  ]

  private static let stepSource = "arXiv 2505.09343v2 table 4"

  private static func published(_ quantity: String, of id: String = "dsv3-isca-mpft") -> Double {
    let row = PublishedTable.runs.rows.first { $0["id"] == id && $0["quantity"] == quantity }
    guard let row else { preconditionFailure("No published \(quantity).") }
    return row.number("value")
  }

  private static func table(
    _ name: String, _ title: String, columns: [ValidationColumn], rows: [ValidationRow]
  ) -> ValidationTable {
    var table = ValidationTable(
      name, title: title, source: stepSource, basis: .chosenAfter, fittedTo: h800Constants,
      assumptions: stepAssumptions, rows: rows)
    table.columns = columns
    table.recordedChoices = Choices.recordedV3
    return table
  }

  private static func stepFigures(_ runs: [SimulatedRun]) -> ValidationTable {
    var rows = zip(runs, ["dsv3-isca-mpft", "dsv3-isca-mrft"]).map { run, id in
      run.row(nil, published("time_per_step", of: id), unit: "s") { $0.stepSeconds }
    }
    let seeds = runs[0].variants[1].map(\.stepSeconds)
    if let least = seeds.min(), let most = seeds.max(), let step = rows[0].prediction {
      rows[0].note =
        "seeds 1 to \(seeds.count): \(fixed(least, decimals: 2)) to \(fixed(most, decimals: 2)) s, "
        + "\(seeds.count { $0 > step }) of them longer"
    }
    var table = table(
      "v3-step", "DeepSeek-V3's training step on 2,048 H800s", columns: variants.map(\.column),
      rows: rows)
    table.derivedRows = derivedRows(of: runs[0])
    return table
  }

  /// The step on the multi-plane network in the other units in which it was published.
  private static func derivedRows(of run: SimulatedRun) -> [ValidationRow] {
    func row(
      _ name: String, _ quantity: String, _ unit: String, of id: String = "dsv3-isca-mpft",
      _ figure: (StepReport) -> Double
    ) -> ValidationRow {
      run.row(name, published(quantity, of: id), unit: unit, figure)
    }
    let pretraining = "dsv3-pretrain"
    let tokens = published("pretrain_tokens", of: pretraining) * 1e12
    return [
      row("tokens per day", "tokens_per_day", "1e9") { $0.tokensPerDay / 1e9 },
      row("TFLOPS causal", "tflops_causal", "TFLOPS per GPU") { $0.flopsPerGPUCausal / 1e12 },
      row("TFLOPS non-causal", "tflops_noncausal", "TFLOPS per GPU") {
        $0.flopsPerGPUNonCausal / 1e12
      },
      row("MFU causal", "mfu_causal_bf16peak", "%") { $0.mfuCausal * 100 },
      row("MFU non-causal", "mfu_noncausal_bf16peak", "%") { $0.mfuNonCausal * 100 },
      row("GPU-hours per trillion tokens", "gpu_hours_per_T_tokens", "h", of: pretraining) {
        $0.gpuHours(tokens: 1e12)
      },
      row("days per trillion tokens", "days_per_T_tokens", "d", of: pretraining) {
        1e12 / $0.tokensPerDay
      },
      row("GPU-hours of pre-training", "gpu_hours_pretrain", "h", of: pretraining) {
        $0.gpuHours(tokens: tokens)
      },
    ]
  }

  private static let parts: [(String, String, KeyPath<StepReport.Split, Double> & Sendable)] = [
    ("forward", "t_1F", \.forward), ("bubble", "t_bubble", \.bubble),
    ("backward for input", "t_1B", \.backwardOutsidePairs),
    ("backward for weight", "t_1W", \.backwardWeight), ("overlapped", "t_1F1B", \.overlapped),
    ("optimizer", "t_optimizer", \.optimizer),
  ]

  private static func stepSplit(_ run: SimulatedRun) -> ValidationTable {
    let mean = ValidationColumn(
      kind: .reading, title: "the mean over pipeline positions", choice: nil, overrides: [])
    // How tokens spread moves the step; the split is read with the load of the plan.
    var run = run
    run.variants = Array(run.variants.prefix(2))
    let rows = parts.map { part, quantity, path in
      run.row(
        part, published(quantity), unit: "s", readings: [{ $0.splitMean[keyPath: path] }]
      ) { $0.split[keyPath: path] }
    }
    var table = table(
      "v3-split", "Where DeepSeek-V3's step goes, read at pipeline position 0",
      columns: [mean] + variants.prefix(2).map(\.column), rows: rows)
    table.assumptions.append("the publication does not say which rank it reads")
    return table
  }
}
