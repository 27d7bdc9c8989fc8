import Plans
import Testing
import Validation

/// Published runs as plans: none is lost, and each is what its row says.
@Suite struct PublishedRunTests {
  /// Every row of a file of published runs stands in one table once, counted or beneath it.
  @Test func noRowIsLost() throws {
    func rows(_ part: String, _ names: String...) throws -> Int {
      try names.reduce(0) { sum, name in
        let table = try Computed.table(name, of: part)
        return sum + table.rows.count + table.derivedRows.count
      }
    }
    #expect(
      try rows("nvidia-recipes", "h100-steps-bf16", "h100-steps-fp8")
        == PublishedTable.recipeSteps.rows.count)
    // Three of DeepSeek-V3's rows are runners-up of the best plans.
    let core = try rows(
      "megatron-core", "megatron-core-scaling", "llama-3.1-405b", "megascale-baseline")
    let mixtures = try rows("mixtures", "qwen3-235b", "deepseek-v3-h100")
    #expect(core + mixtures - 3 == PublishedTable.moreRuns.rows.count)
    #expect(
      try rows("torchtitan", "torchtitan", "torchtitan-failures")
        == PublishedTable.torchTitan.rows.count)
    #expect(try rows("fsdp", "fsdp") == PublishedTable.fsdp.rows.count)
    #expect(
      try rows("long-sequences", "long-sequences") == PublishedTable.longSequences.rows.count)
    #expect(try rows("memory", "memory-b200") == PublishedTable.memoryB200.rows.count)
    #expect(try rows("memory", "memory-megatron-tests") == PublishedTable.memoryTests.rows.count)
    // Of the best plans five are layouts of the other file, one is V3's step, one V3 on H100s.
    #expect(
      try rows("mixtures", "moe-layouts") - PublishedTable.mixtureLayouts.rows.count + 5 + 2 + 3
        == PublishedTable.bestPlans.rows.count)
  }

  /// Ranks, length and sequences in a step of every run that can be described.
  @Test func plansAreWhatRowsSay() throws {
    let runs =
      DescribedRun.recipes + DescribedRun.megatronCore() + DescribedRun.others()
      + DescribedRun.megaScale() + DescribedRun.qwen3() + DescribedRun.deepSeekV3()
      + DescribedRun.mixtureLayouts + DescribedRun.torchTitan + DescribedRun.fsdp
      + DescribedRun.longSequences + DescribedRun.memoryB200 + DescribedRun.megatronTests
    let files = try PublishedFiles()
    var described = 0
    for run in runs {
      guard case .success(let published) = run.run else { continue }
      described += 1
      let planned = try files.planned(published)
      if let gpus = Int(run.row["gpus"]) {
        #expect(planned.plan.worldSize == gpus, "\(run.name)")
      }
      #expect(planned.plan.worldSize <= planned.cluster.rankCount, "\(run.name)")
      #expect(planned.plan.sequenceLength == Int(run.row["seq"]), "\(run.name)")
      if let batch = Int(run.row["global_batch"]) {
        #expect(planned.plan.globalBatch == batch, "\(run.name)")
      }
      for (column, degree) in [
        ("tp", planned.plan.tensorParallel), ("pp", planned.plan.pipelineParallel),
        ("cp", planned.plan.contextParallel), ("ep", planned.plan.expertParallel),
      ] where run.row.columns.contains(column) {
        if let published = Int(run.row[column]) { #expect(degree == published, "\(run.name)") }
      }
    }
    #expect(described > 120)
  }

  /// What no key describes has a reason and no figure.
  @Test(arguments: [
    "nvidia-recipes", "megatron-core", "mixtures", "torchtitan", "fsdp", "long-sequences", "memory",
  ])
  func whatIsNotDescribedSaysWhy(part: String) throws {
    for table in try Computed.report(part).tables {
      #expect(table.errors.count + table.refusedCount + table.undescribedCount == table.rows.count)
      #expect(table.axes.allSatisfy { $0.places.count == table.rows.count })
      for row in table.rows where row.prediction == nil {
        #expect(row.note?.isEmpty == false, "\(row.name)")
        #expect(row.isUndescribed == (row.note?.hasPrefix("not described yet: ") == true))
      }
    }
  }

  @Test func layoutsNameTheBest() throws {
    let table = try Computed.table("moe-layouts", of: "mixtures")
    #expect(table.findings.count == 3)
    #expect(table.findings.allSatisfy { $0.contains("MCore+Folding published") })
  }
}

/// Errors along an axis.
@Suite struct TrendTests {
  private func table(
    _ errors: [Double?], _ places: [Double?], _ series: [String]
  ) -> ValidationTable {
    var table = ValidationTable(
      "name", title: "Title", source: "paper", basis: .predicted, fittedTo: "tables",
      rows: errors.map { error in
        ValidationRow(
          "row", prediction: error.map { 1 + $0 }, publication: 1, unit: "s", note: "why")
      })
    table.axes = [ValidationAxis("ranks", places: places, series: series)]
    return table
  }

  /// Each series falls by 2 % a doubling from a level of its own; levels make no trend.
  @Test func slopesAreThoseWithinSeries() throws {
    let trend = try #require(
      table(
        [0.10, 0.08, 0.06, -0.20, -0.24], [8, 16, 32, 16, 64], ["a", "a", "a", "b", "b"]
      ).trends.first)
    #expect(abs(trend.perDoubling + 0.02) < 1e-12)
    #expect(trend.least.place == 8 && abs(trend.least.error - 0.10) < 1e-12)
    #expect(trend.greatest.place == 64 && abs(trend.greatest.error + 0.24) < 1e-12)
    #expect(trend.seriesCount == 2 && trend.rowCount == 5)
  }

  /// A series at one place, a row without a prediction and one without a place compare nothing.
  @Test func whatLiesAtOnePlaceIsLeftOut() throws {
    let trend = try #require(
      table(
        [0.1, 0.2, 0.5, nil, 0.9], [8, 16, 8, 64, nil], ["a", "a", "b", "a", "a"]
      ).trends.first)
    #expect(trend.rowCount == 2 && trend.greatest.place == 16)
    #expect(abs(trend.perDoubling - 0.1) < 1e-12)
    #expect(table([0.1, 0.2], [8, 8], ["a", "a"]).trends.isEmpty)
  }

  @Test func printing() {
    var table = table([0.10, 0.08, nil], [8, 32, 64], ["a", "a", "a"])
    table.rows[2].isUndescribed = true
    #expect(
      table.trends.map { $0.text(.share) } == [
        "over ranks: +10.0 % at 8, +8.0 % at 32; -1.0 % a doubling within 1 series"
      ])
    #expect(table.absent == ", 1 not described yet")
  }
}
