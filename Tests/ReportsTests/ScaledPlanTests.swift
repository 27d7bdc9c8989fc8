import Foundation
import Testing

/// Plans that the command line makes small.
@Suite struct ScaledPlanTests {
  /// The file that is written is a plan of four ranks, and what was dropped is said.
  @Test func writesAPlan() throws {
    let scratch = try Scratch()
    let path = scratch.file("small.yaml")
    let scaled = try Command.run("plan deepseek-v3 --scale-to 4 --output \(path)")
    #expect(scaled.status == 0 && scaled.output.isEmpty)
    #expect(scaled.errors.contains("sluice: pipeline-parallel 16 becomes 4\n"), "\(scaled.errors)")
    let printed = try Command.run("plan deepseek-v3 --scale-to 4")
    let text = try String(contentsOfFile: path, encoding: .utf8)
    #expect(printed.output == text)
    #expect(text.contains("schedule: \"dualpipe\"\n") && text.contains("precision: float32\n"))
    let placed = try Command.run("plan \(path) --json")
    #expect(placed.status == 0, "\(placed.errors)")
    let plan = try #require(
      try JSONSerialization.jsonObject(with: Data(placed.output.utf8)) as? [String: Any])
    #expect(plan["ranks"] as? Int == 4)
  }

  @Test func refusesWhatTheScheduleDoesNot() throws {
    let odd = try Command.run("plan deepseek-v3 --scale-to 1")
    #expect(odd.status == 1 && odd.errors.contains("dualpipe"), "\(odd.errors)")
  }
}
