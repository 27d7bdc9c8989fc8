import Foundation
import TestSupport
import Testing

/// The benchmark of goodput kills what it says, and writes what a forecast needs.
@Suite(.serialized, .enabled(if: Program.canTrain)) struct FaultBenchTests {
  @Test func killsAndMeasures() throws {
    let file = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    defer { try? FileManager.default.removeItem(at: file) }
    let outcome = try Launch.run([
      Launch.program("bench-faults", beside: Bundle.module), "--smoke", "out=\(file.path)",
    ])
    #expect(outcome.status == 0, "\(outcome.output)")
    #expect(outcome.output.contains("all equal to a run without kills"), "\(outcome.output)")
    // The parts were measured between the kills too, and what was lost adds up to what lies in no
    // step.
    #expect(outcome.output.contains("from launches of their own (3 on each number of ranks)"))
    let numbers = try #require(
      outcome.output.firstMatch(
        of:
          /that count ([0-9.]+) and .*kills ([0-9.]+) and .*again ([0-9.]+) and .*points ([0-9.]+)/
      ))
    let whole = try #require(outcome.output.firstMatch(of: /steps in ([0-9.]+) s, forecast/))
    let sum = [numbers.1, numbers.2, numbers.3, numbers.4].compactMap { Double($0) }.reduce(0, +)
    #expect(abs(sum - (Double(whole.1) ?? 0)) < 0.3)
    // So do the kinds of what lies between steps, which the forecast has too.
    let kinds = outcome.output.matches(of: /: measured ([0-9]+) in (-?[0-9.]+) s/)
    #expect(kinds.count == 5, "\(outcome.output)")
    let between = kinds.compactMap { Double($0.2) }.reduce(0, +)
    #expect(abs(between - (Double(numbers.4) ?? 0)) < 0.1)
    #expect(outcome.output.contains(/starts behind kills: measured [2-9] in/))
    #expect(outcome.output.contains(/checkpoints: .*, forecast [0-9]+ in [0-9.]+ s/))
    let value = try JSONSerialization.jsonObject(with: Data(contentsOf: file))
    let report = try #require(value as? [String: Any])
    let kills = try #require(report["kills"] as? [[String: Any]])
    let times = kills.compactMap { $0["seconds"] as? Double }
    #expect(times.count == 2 && times == times.sorted())
    let wall = try #require(report["wall_seconds"] as? Double)
    let useful = try #require(report["useful_seconds"] as? Double)
    #expect(times.allSatisfy { $0 < wall } && 0 < useful && useful < wall)
    let goodput = try #require(report["goodput"] as? Double)
    #expect(abs(goodput * wall - useful) < 1e-9 * useful)
  }
}
