import Clusters
import Models
import Plans
import Simulation
import Testing
import Validation

/// The bounds that hold today, as the issue requires them; nothing is fitted to these figures.
@Suite struct ValidationTests {
  private func tables(_ part: String) throws -> [String: ValidationTable] {
    let found = try #require(Validation.parts.first { $0.name == part })
    return try Dictionary(uniqueKeysWithValues: found.tables().map { ($0.name, $0) })
  }

  private func error(_ name: String, in table: ValidationTable) throws -> Double {
    let row = try #require(table.rows.first { $0.name == name })
    return abs(try #require(row.error))
  }

  @Test func ranksCorrelate() {
    #expect(RankCorrelation([1, 2, 3], [10, 20, 30]).coefficient == 1)
    #expect(RankCorrelation([1, 2, 3], [3, 2, 1]).coefficient == -1)
    #expect(abs(RankCorrelation([1, 2, 2, 3], [1, 2, 3, 4]).coefficient - 0.948683) < 1e-6)
  }

  @Test func deepSeekV3() throws {
    let tables = try tables("deepseek-v3")
    let counts = try #require(tables["model-counts"])
    // Published counts are rounded, or counted with another sequence length.
    #expect(counts.rows.allSatisfy { abs($0.error ?? 1) < 0.011 })
    let pair = try #require(tables["v3-traced-pair"])
    #expect(try error("overlapped pair", in: pair) <= 0.05)
    for row in pair.rows where row.name.hasSuffix(", four layers") {
      let bound = row.name.contains("payload") ? 0.15 : 0.10
      #expect(abs(row.error ?? 1) <= bound, "\(row.name)")
    }
    let step = try #require(tables["v3-step"])
    #expect(try error("step", in: step) <= 0.06)
    let split = try #require(tables["v3-split"])
    for part in ["forward", "backward for input", "overlapped"] {
      #expect(try error("\(part), position 0", in: split) <= 0.15, "\(part)")
    }
    for part in ["bubble", "backward for weight"] {
      #expect(try error("\(part), position 0", in: split) <= 0.25, "\(part)")
    }
    #expect(tables["v3-step-by-load"]?.rows.count == 4)
    #expect(tables["v3-split-by-position"]?.rows.count == 96)
  }

  @Test func schedules() throws {
    let tables = try tables("schedules")
    #expect(try #require(tables["dualpipe-table"]).rows.allSatisfy { abs($0.error ?? 1) < 1e-9 })
    let rates = try #require(tables["zero-bubble-rates"])
    for row in rates.rows {
      let difference = try #require(row.prediction) - row.publication
      switch row.name.split(separator: " ").last {
      case "1f1b", "zb-h1", "zb-h2": #expect(abs(difference) <= 0.01, "\(row.name)")
      case "interleaved-1f1b": #expect(abs(difference) <= 0.5, "\(row.name)")
      default: #expect(difference <= 0.005, "\(row.name)")
      }
    }
    #expect(rates.rows.count == 36)
  }

  /// What a person who types the names of what ships sees.
  private func report(
    _ model: String, _ plan: String, on cluster: String, setting overrides: [String] = []
  ) throws -> StepReport {
    try PlannedStep(
      architecture: .named(model, overrides: overrides), cluster: .named(cluster),
      plan: .named(plan)
    ).report()
  }

  private func row(_ name: String, in table: ValidationTable?) throws -> ValidationRow {
    let rows = try #require(table).rows
    return try #require(rows.first { $0.name == name }, "\(name)")
  }

  @Test func zeroBubbleRuns() throws {
    let tables = try tables("zero-bubble")
    let memory = try #require(tables["zero-bubble-memory"])
    #expect(memory.rows.count == 24 && memory.refusedCount == 0)
    #expect(memory.rows.allSatisfy { abs($0.error ?? 1) <= 0.10 })
    for (size, microbatches) in [("1.5B", 64), ("6.2B", 32), ("14.6B", 128), ("28.3B", 128)] {
      let name = "zero-bubble-\(size.lowercased())"
      let typed = try report(name, name, on: "a100-roce")
      let run = "\(size), \(microbatches) microbatches, zb-2p"
      #expect(try row(run, in: memory).prediction == Double(typed.memory.peak) / 1e9)
      let rate = Double(typed.tokensPerStep) / 1024 / typed.stepSeconds / Double(typed.ranks)
      #expect(try row(run, in: tables["zero-bubble-throughput"]).prediction == rate)
    }
  }

  @Test func megatron() throws {
    let tables = try tables("megatron")
    let steps = try #require(tables["megatron-table-5"])
    #expect(steps.rows.count == 8 && steps.refusedCount == 0)
    #expect(steps.meanError <= 0.06)
    #expect(abs(steps.worst?.error ?? 1) <= 0.12)
    let scaling = try #require(tables["megatron-weak-scaling"])
    #expect(scaling.rows.count == 10 && scaling.refusedCount == 0)
  }

  @Test func vTrain() throws {
    let tables = try tables("vtrain")
    let nodes = try #require(tables["vtrain-multi-node"])
    #expect(nodes.rows.count == 73 && nodes.refusedCount == 0)
    #expect(nodes.meanError < 0.11)
    let small = try report(
      "megatron-3.6b", "vtrain-3.6b", on: "a100-vtrain-512", setting: ["vocab_size=50304"])
    let first = try row("GPT 3.6B h3072 a32 L30 tp1 pp1 dp64 mbs8 gbs512", in: nodes)
    #expect(first.prediction == small.stepSeconds)
    let large = try report(
      "megatron-39b", "vtrain-39b", on: "a100-vtrain-512", setting: ["vocab_size=50688"])
    let second = try row("GPT 39.1B h8192 a64 L48 tp4 pp4 dp32 mbs2 gbs1536", in: nodes)
    #expect(second.prediction == large.stepSeconds)
    let node = try #require(tables["vtrain-single-node"])
    #expect(node.rows.count == 474 && node.refusedCount == 0)
  }

  @Test func textAndSummary() throws {
    let table = ValidationTable(
      "name", title: "Title", source: "paper", basis: .predicted, fittedTo: "tables",
      rows: [
        ValidationRow("first", prediction: 2, publication: 1, unit: "s"),
        ValidationRow("second", prediction: nil, publication: 1, unit: "s", note: "too large"),
        ValidationRow("third", prediction: 0.9, publication: 1, unit: "s"),
      ])
    #expect(abs(table.meanError - 0.55) < 1e-12 && table.refusedCount == 1)
    #expect(table.markdown == "| Title | paper | 3 (1 refused) | predicted | 55.0 % | +100.0 % |")
    let text = table.text(rowLimit: 2)
    #expect(text.contains("first   2.00 against 1.00 s, +100.0 %"))
    #expect(text.contains("second  refused against 1.00 s (too large)"))
    #expect(text.contains("the worst of 3 rows") && !text.contains("third"))
  }
}
