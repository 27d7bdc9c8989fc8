import Documents
import Foundation
import Testing
import Validation

/// `sluice validate --set`.
@Suite struct OverrideTests {
  @Test func anOverrideActsWhereItsKeyExists() throws {
    let seeded = try ValidationReport(
      parts: ["deepseek-v3", "zero-bubble"],
      overrides: ["plan.expert-load.seed=2", "cluster.device.clock.loaded=1300 MHz"])
    let step = try #require(seeded.tables.first { $0.name == "v3-step" }?.rows.first)
    let shipped = try Computed.table("v3-step", of: "deepseek-v3").rows[0]
    #expect(step.prediction != shipped.prediction)
    #expect(
      step.inputs?.overrides == [
        "plan.expert-load.seed=2", "cluster.device.clock.loaded=1300 MHz",
      ])
    // These models have no experts: their runs stay as they were published, but for the clock.
    let dense = try #require(seeded.tables.first { $0.name == "zero-bubble-throughput" })
    #expect(dense.refusedCount == 0)
    for row in dense.rows {
      let overrides = try #require(row.inputs?.overrides)
      #expect(overrides.contains("cluster.device.clock.loaded=1300 MHz"), "\(row.name)")
      #expect(!overrides.contains { $0.hasPrefix("plan.expert-load") }, "\(row.name)")
    }
    let before = try Computed.table("zero-bubble-throughput", of: "zero-bubble")
    for (slow, row) in zip(dense.rows, before.rows) {
      #expect(try #require(slow.prediction) < #require(row.prediction), "\(row.name)")
    }
    #expect(seeded.overrides.map(\.text).first == "plan.expert-load.seed=2")
    // Both networks; the traced pair has a balanced load, which has no seed.
    #expect(seeded.overrides[0].uses == 2)
    #expect(seeded.overrides[1].uses >= 24)
  }

  @Test func componentsAreOverriddenToo() throws {
    let slow = try ValidationReport(
      parts: ["components"], overrides: ["cluster.node.exchange.network-share=0.442"])
    let name = "deepep-on-the-production-cluster"
    let table = try #require(slow.tables.first { $0.name == name })
    let shipped = try Computed.table(name, of: "components")
    #expect(table.errors.mean > shipped.errors.mean + 0.3)
  }

  @Test(arguments: [
    ("plan.expert-lode.seed=2", "expert-lod"), ("cluster.device.clock.loaded=fast", "fast"),
    ("model.num_hidden_layers=3", "expected plan.key=value or cluster.key=value"),
    ("plan.zero-stage", "expected key=value"), ("planet.zero-stage=1", "plan"),
  ]) func whatActsNowhereIsRefused(override: String, message: String) throws {
    let error = try #require(throws: ConfigurationError.self) {
      try ValidationReport(parts: ["mixtures"], overrides: [override])
    }
    #expect("\(error)".contains(message), "\(error)")
  }

  @Test func partsWithoutRunsRefuseOverrides() throws {
    let error = try #require(throws: ConfigurationError.self) {
      try ValidationReport(parts: ["activations"], overrides: ["plan.zero-stage=1"])
    }
    #expect(error.rule.contains("acts on nothing"))
  }

  @Test func anOtherScheduleHasNoPair() throws {
    let report = try ValidationReport(
      parts: ["deepseek-v3"], overrides: ["plan.schedule=1f1b", "plan.send-mode=eager"])
    let pair = try #require(report.tables.first { $0.name == "v3-traced-pair" })
    #expect(pair.refusedCount == 1 && pair.rows[0].note?.contains("1f1b") == true)
  }
}
