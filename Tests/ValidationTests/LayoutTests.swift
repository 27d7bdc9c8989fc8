import Documents
import TestSupport
import Testing
import Validation

/// A file of measured layouts: read, described, compared and chosen from.
///
/// The rows here are invented.
@Suite struct LayoutTests {
  private static let head =
    "model,gpus,nodes,tp,pp,dp,fsdp_zero,microbatch,grad_accum,value,unit,step_s,peak_memory_gib,status"

  private static func text(_ rows: String...) -> String {
    ([head] + rows).joined(separator: "\n") + "\n"
  }

  /// nanotron's rule, walked block by block: a stage ends with the first block beyond its share.
  @Test func layersAreSpreadAsNanotronDoes() throws {
    let layer = 4 * 3_072 * 3_072 + 3 * 3_072 * 8_192
    let blocks = [0] + [Int](repeating: layer, count: 28) + [0, 131_072 * 3_072, 0]
    let total = blocks.reduce(0, +)
    for stages in [1, 2, 4, 8, 16] {
      var counts = [Int](repeating: 0, count: stages)
      var (stage, sum, head) = (0, 0, -1)
      for (index, block) in blocks.enumerated() {
        if block == layer { counts[stage] += 1 }
        if index == 30 { head = stage }
        sum += block
        if Double(sum) > Double(total) * Double(stage + 1) / Double(stages) { stage += 1 }
      }
      let spread = LayoutModel.middle.layersPerStage(stages)
      #expect(spread == (head == stages - 1 ? counts : nil), "\(stages)")
    }
    #expect(LayoutModel.middle.layersPerStage(2) == [16, 12])
    #expect(LayoutModel.middle.layersPerStage(4) == [8, 8, 8, 4])
    #expect(LayoutModel.middle.layersPerStage(64) == nil)
  }

  @Test(arguments: [
    ("nanotron-llama-3B,8,1,2,1,2,zero1,1,128,9000,t,1,30,ok", "gpus"),
    ("nanotron-llama-3b,8,1,2,1,4,zero1,1,64,9000,t,1,30,ok", "model"),
    ("nanotron-llama-3B,8,1,2,1,4,zero3,1,64,9000,t,1,30,ok", "fsdp_zero"),
    ("nanotron-llama-3B,8,1,two,1,4,zero1,1,64,9000,t,1,30,ok", "tp"),
    ("nanotron-llama-3B,8,1,2,1,4,zero1,1,64,,t,1,30,ok", "value"),
    ("nanotron-llama-3B,8,1,2,1,4,zero1,1,64,9000,t,1,-3,ok", "peak_memory_gib"),
  ])
  func whatIsWrongIsSaid(row: String, column: String) throws {
    let good = "nanotron-llama-3B,8,1,2,1,4,zero1,1,64,9000,t,1,30,ok"
    let error = #expect(throws: ConfigurationError.self) {
      try MeasuredLayouts([UInt8](Self.text(good, row).utf8), file: "mine.csv")
    }
    #expect(error?.line == 3 && error?.keyPath == column)
  }

  @Test func aColumnIsMissed() throws {
    let error = #expect(throws: ConfigurationError.self) {
      try MeasuredLayouts([UInt8]("model,gpus\nnanotron-llama-3B,8\n".utf8), file: "mine.csv")
    }
    #expect(error?.line == 1)
    #expect(throws: ConfigurationError.self) { try MeasuredLayouts([], file: "none.csv") }
  }

  /// A layout that failed and is predicted to be the fastest of those that fit is a wrong first choice; one
  /// that is predicted not to fit is not chosen.
  @Test func failuresCount() {
    var sweep = LayoutSweep(predictions: [3, 5, 4], measurements: [10, 8, 9], isRate: true)
    #expect(sweep.regret == 0.25 && !sweep.failsFirst)
    sweep.isRefused = [false, true, false]
    #expect(abs(sweep.regret - 1.0 / 9) < 1e-12)
    sweep.failures = [4.5]
    #expect(sweep.failsFirst)
    #expect(ChoiceTable.Row("cell", [sweep]).failedFirst == 1)
    sweep.failures = [3.5]
    #expect(!sweep.failsFirst)
  }

  /// Two layouts that went through, one that failed and one that nobody can describe.
  @Test func aFileIsCompared() throws {
    let folder = try ScratchFolder()
    let path = try folder.write(
      Self.text(
        "nanotron-llama-3B,8,1,2,1,4,zero1,1,2,9000,t,1,30,ok",
        "nanotron-llama-3B,8,1,1,2,4,zero1,1,2,9500,t,1,40,ok",
        "nanotron-llama-3B,8,1,1,1,8,zero0,32,1,,t,,,crashed_or_oom",
        "nanotron-llama-3B,64,8,1,64,1,zero0,1,256,,t,,,crashed_or_oom"), to: "mine.csv")
    let report = try ValidationReport(parts: ["layouts"], layouts: path)
    #expect(
      report.tables.map(\.name)
        == ["layouts", "layouts-memory", "layouts-failed", "layouts-fit"])
    #expect(report.tables.map(\.rows.count) == [2, 2, 2, 2])
    #expect(report.tables[2].undescribedCount == 1)
    // 32 sequences of whole logits in 32 bits do not fit.
    #expect(report.tables[2].rows.first?.prediction == 1)
    let row = try #require(report.choices.first?.rows.first)
    #expect(row.layouts == 2 && row.failedFirst == 0)
  }
}
