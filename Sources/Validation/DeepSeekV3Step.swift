import Clusters
import Models
import Plans
import Simulation

extension ValidationTable {
  /// The tables of DeepSeek-V3's published step: figures, split, split by position, and loads.
  static func deepSeekV3Step() throws -> [ValidationTable] {
    let loads = [0.075, 0, 0.15, 0.3]
    let reports = try loads.mapInParallel { load in Result { try report(load: load) } }
      .map { try $0.get() }
    return [
      stepFigures(reports[0]), stepSplit(reports[0]), splitByPosition(reports[0]),
      stepByLoad(zip(loads, reports).sorted { $0.0 < $1.0 }),
    ]
  }

  private static let h800Constants =
    "DeepGEMM's and DeepEP's tables, the published training trace kernel by kernel, data sheets; "
    + "nothing end-to-end"

  private static let stepAssumptions = [
    "stages: 3 dense + 1 mixture layer | 14 x 4 mixture | 1 mixture, prediction module, both heads",
    "expert load of each exchange scatters by 7.5 % over ranks, seeded",
    "computation on 112 multiprocessors throughout",
    "the head's products apart from its loss, as frameworks have them; chosen after a first comparison",
  ]

  private static let stepSource = "arXiv 2505.09343v2 table 4, multi-plane network"

  private static func report(load: Double) throws -> StepReport {
    var plan = try Plan.named("deepseek-v3")
    plan.expertLoad = load == 0 ? .balanced : .deviation(load, seed: 1)
    return try PlannedStep(
      architecture: try .named("deepseek-v3"), cluster: try .named("h800-2048"), plan: plan
    ).report()
  }

  private static func published(_ quantity: String, of id: String = "dsv3-isca-mpft") -> Double {
    let row = PublishedTable.runs.rows.first { $0["id"] == id && $0["quantity"] == quantity }
    guard let row else { preconditionFailure("No published \(quantity).") }
    return row.number("value")
  }

  private static func stepFigures(_ report: StepReport) -> ValidationTable {
    func row(_ name: String, _ prediction: Double, _ quantity: String, _ unit: String)
      -> ValidationRow
    {
      ValidationRow(
        name, prediction: prediction, publication: published(quantity), unit: unit)
    }
    let pretraining = "dsv3-pretrain"
    let tokens = published("pretrain_tokens", of: pretraining) * 1e12
    let rows = [
      row("step", report.stepSeconds, "time_per_step", "s"),
      row("tokens per day", report.tokensPerDay / 1e9, "tokens_per_day", "1e9"),
      row("TFLOPS causal", report.flopsPerGPUCausal / 1e12, "tflops_causal", "TFLOPS per GPU"),
      row(
        "TFLOPS non-causal", report.flopsPerGPUNonCausal / 1e12, "tflops_noncausal",
        "TFLOPS per GPU"),
      row("MFU causal", report.mfuCausal * 100, "mfu_causal_bf16peak", "%"),
      row("MFU non-causal", report.mfuNonCausal * 100, "mfu_noncausal_bf16peak", "%"),
      ValidationRow(
        "GPU-hours per trillion tokens", prediction: report.gpuHours(tokens: 1e12),
        publication: published("gpu_hours_per_T_tokens", of: pretraining), unit: "h"),
      ValidationRow(
        "days per trillion tokens", prediction: 1e12 / report.tokensPerDay,
        publication: published("days_per_T_tokens", of: pretraining), unit: "d"),
      ValidationRow(
        "GPU-hours of pre-training", prediction: report.gpuHours(tokens: tokens),
        publication: published("gpu_hours_pretrain", of: pretraining), unit: "h",
        note: "at the full batch from the first step on"),
    ]
    return ValidationTable(
      "v3-step", title: "DeepSeek-V3's training step on 2,048 H800s",
      source: stepSource + "; arXiv 2412.19437", basis: .predicted, fittedTo: h800Constants,
      assumptions: stepAssumptions, rows: rows)
  }

  private static let parts: [(String, String, KeyPath<StepReport.Split, Double> & Sendable)] = [
    ("forward", "t_1F", \.forward), ("bubble", "t_bubble", \.bubble),
    ("backward for input", "t_1B", \.backwardOutsidePairs),
    ("backward for weight", "t_1W", \.backwardWeight), ("overlapped", "t_1F1B", \.overlapped),
    ("optimizer", "t_optimizer", \.optimizer),
  ]

  private static func stepSplit(_ report: StepReport) -> ValidationTable {
    var rows: [ValidationRow] = []
    for (name, split) in [("position 0", report.split), ("mean", report.splitMean)] {
      for (part, quantity, path) in parts {
        rows.append(
          ValidationRow(
            "\(part), \(name)", prediction: split[keyPath: path],
            publication: published(quantity), unit: "s"))
      }
    }
    return ValidationTable(
      "v3-split", title: "Where DeepSeek-V3's step goes, at position 0 and as a mean",
      source: stepSource, basis: .predicted, fittedTo: h800Constants,
      assumptions: stepAssumptions + ["the publication does not say which rank it reads"],
      rows: rows)
  }

  private static func splitByPosition(_ report: StepReport) -> ValidationTable {
    let rows = report.splitByPosition.enumerated().flatMap { position, split in
      parts.map { part, quantity, path in
        ValidationRow(
          "\(part), position \(position)", prediction: split[keyPath: path],
          publication: published(quantity), unit: "s")
      }
    }
    return ValidationTable(
      "v3-split-by-position", title: "Where DeepSeek-V3's step goes, at every position",
      source: stepSource, basis: .predicted, fittedTo: h800Constants,
      assumptions: stepAssumptions + ["the publication does not say which rank it reads"],
      rows: rows)
  }

  private static func stepByLoad(_ reports: [(Double, StepReport)]) -> ValidationTable {
    let rows = reports.map { load, report in
      let percent = Double((load * 1000).rounded()) / 10
      return ValidationRow(
        "step, load deviation \(percent) %", prediction: report.stepSeconds,
        publication: published("time_per_step"), unit: "s")
    }
    return ValidationTable(
      "v3-step-by-load", title: "DeepSeek-V3's step by how unevenly tokens spread over ranks",
      source: stepSource, basis: .predicted, fittedTo: h800Constants,
      assumptions: stepAssumptions, rows: rows)
  }
}
