import Clusters
import Documents
import Foundation
import Models
import Plans
import Simulation
import Testing
import Validation

/// What a table says of its figures, and what they were computed from.
@Suite struct ValidationTests {
  @Test func ranksCorrelate() {
    #expect(RankCorrelation([1, 2, 3], [10, 20, 30]).coefficient == 1)
    #expect(RankCorrelation([1, 2, 3], [3, 2, 1]).coefficient == -1)
    #expect(abs(RankCorrelation([1, 2, 2, 3], [1, 2, 3, 4]).coefficient - 0.948683) < 1e-6)
  }

  /// The step that a person sees who types the inputs of a row after `sluice simulate`.
  private func typed(_ row: ValidationRow, with more: [String] = []) throws -> StepReport {
    let inputs = try #require(row.inputs)
    func own(_ noun: String) -> [String] {
      (inputs.overrides + more).filter { $0.hasPrefix("\(noun).") }
        .map { String($0.dropFirst(noun.count + 1)) }
    }
    return try PlannedStep(
      architecture: .named(inputs.model, overrides: own("model")),
      cluster: .named(inputs.cluster, overrides: own("cluster")),
      plan: .named(inputs.plan, overrides: own("plan"))
    ).report()
  }

  @Test func inputsGiveTheFigure() throws {
    let steps = [
      ("v3-step", "deepseek-v3", "step, multi-rail network"),
      ("megatron-22b-steps", "megatron", "megatron-22b-selective"),
      ("vtrain-multi-node", "vtrain", "GPT 39.1B h8192 a64 L48 tp4 pp4 dp32 mbs2 gbs1536"),
    ]
    for (table, part, name) in steps {
      let row = try Computed.table(table, of: part).row(name)
      #expect(try typed(row).stepSeconds == row.prediction, "\(name)")
    }
    let memory = try Computed.table("zero-bubble-memory", of: "zero-bubble")
    let row = try memory.row("6.2B, 32 microbatches, 1f1b")
    let report = try typed(row)
    #expect(row.prediction == Double(report.memory.peak) / 1e9)
    let rate = Double(report.tokensPerStep) / 1024 / report.stepSeconds / Double(report.ranks)
    let throughput = try Computed.table("zero-bubble-throughput", of: "zero-bubble")
    #expect(try throughput.row(row.name).prediction == rate)
  }

  /// What ships under a name is the published run itself.
  @Test func shippedPlansAreThePublishedRuns() throws {
    let memory = try Computed.table("zero-bubble-memory", of: "zero-bubble")
    for (size, microbatches) in [("1.5B", 64), ("6.2B", 32), ("14.6B", 128), ("28.3B", 128)] {
      let name = "zero-bubble-\(size.lowercased())"
      let row = try memory.row("\(size), \(microbatches) microbatches, zb-2p")
      let plan = try Plan.named(name)
      let report = try PlannedStep(
        architecture: .named(name), cluster: .named("a100-roce"), plan: plan
      ).report()
      #expect(row.prediction == Double(report.memory.peak) / 1e9, "\(name)")
    }
    let first = try Computed.table("vtrain-multi-node", of: "vtrain")
      .row("GPT 3.6B h3072 a32 L30 tp1 pp1 dp64 mbs8 gbs512")
    let report = try PlannedStep(
      architecture: .named("megatron-3.6b", overrides: ["vocab_size=50304"]),
      cluster: .named("a100-vtrain-512"), plan: .named("vtrain-3.6b")
    ).report()
    #expect(first.prediction == report.stepSeconds)
  }

  /// The overrides of a column undo its choice, together with those made later.
  @Test func columnsShowTheFiguresBefore() throws {
    let tables = [
      ("v3-step", "deepseek-v3", ["plan.fused-head=true"]),
      ("megatron-table-5", "megatron", ["plan.fused-loss=true"]),
      ("vtrain-multi-node", "vtrain", ["plan.fused-loss=true"]),
    ]
    for (name, part, overrides) in tables {
      let table = try Computed.table(name, of: part)
      #expect(table.basis == .chosenAfter && table.columns[0].kind == .before)
      #expect(table.columns[0].overrides == overrides && table.columns[0].choice != nil)
      let row = try #require(table.rows.last)
      #expect(try typed(row, with: overrides).stepSeconds == row.others[0], "\(name)")
      #expect(row.others[0] != row.prediction)
    }
    let clock = try Computed.table("megatron-22b-steps", of: "megatron")
    let host = clock.columns[1]
    #expect(host.overrides == ["plan.fused-loss=true", "cluster.device.launch.host=5 us"])
    #expect(clock.columns[2].overrides == ["cluster.device.clock.loaded=1410 MHz"])
    for row in clock.rows {
      let now = try #require(row.prediction)
      let (unfused, unfitted) = (try #require(row.others[1]), try #require(row.others[2]))
      #expect(unfused < now && unfitted < now, "\(row.name)")
    }
  }

  @Test func theSeedIsNoChoiceInSilence() throws {
    let table = try Computed.table("v3-step", of: "deepseek-v3")
    let row = try #require(table.rows.first)
    let column = try #require(table.columns.firstIndex { $0.steps == 30 })
    let steps = try (1...30).map {
      try typed(row, with: ["plan.expert-load.seed=\($0)"]).stepSeconds
    }
    let mean = steps.reduce(0, +) / 30
    #expect(abs(try #require(row.others[column]) - mean) < 1e-9)
    let longer = steps.count { $0 > row.prediction ?? 0 }
    #expect(row.note?.hasSuffix("\(longer) of them longer") == true)
  }

  @Test func positionAndMeanStandSideBySide() throws {
    let table = try Computed.table("v3-split", of: "deepseek-v3")
    let report = try typed(try #require(table.rows.first))
    #expect(table.columns[0].kind == .reading && table.columns[0].overrides.isEmpty)
    #expect(try table.row("bubble").prediction == report.split.bubble)
    #expect(try table.row("bubble").others[0] == report.splitMean.bubble)
    #expect(try table.row("optimizer").others[0] == report.splitMean.optimizer)
    #expect(try table.row("forward").prediction == report.split.forward)
    #expect(try table.row("forward").others[0] == report.splitMean.forward)
  }

  /// Nothing is counted twice: not in other units, not as a sum, not for another peer or position.
  @Test func everyPublishedNumberIsCountedOnce() throws {
    let deepSeek = try Computed.report("deepseek-v3").tables
    let counted = deepSeek.filter { $0.name.hasPrefix("v3-") }.flatMap(\.rows)
    #expect(Set(counted.map(\.publication)).count == counted.count && counted.count == 9)
    for part in ["megatron", "vtrain", "zero-bubble"] {
      for table in try Computed.report(part).tables {
        #expect(Set(table.rows.map(\.name)).count == table.rows.count, "\(table.name)")
        #expect(Set(table.rows.compactMap(\.inputs)).count == table.rows.count, "\(table.name)")
      }
    }
    let steps = try Computed.report("megatron").tables.filter { $0.source.contains("2205.05198") }
    #expect(steps.map(\.basis) == [.chosenAfter, .residual])
    #expect(steps[1].rows.map(\.name) == ["megatron-22b-full", "megatron-22b-selective"])
    let components = try Computed.report("components").tables
    #expect(!components.contains { $0.title.contains("phases") })
    #expect(Set(components.map(\.name)).count == components.count)
  }
}
