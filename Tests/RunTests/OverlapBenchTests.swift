import Foundation
import TestSupport
import Testing

/// What shapes a cable, and what the benchmark is written in.
private enum Shaping {
  static let isAvailable =
    (try? Launch.run(["sh", "-c", "command -v python3 && command -v tc"]).status) == 0
}

/// Orders of pairs between two hosts with a slow cable, in the benchmark's smallest form; it has no bound.
@Suite(
  .serialized,
  .enabled(
    if: Program.canTrain && TwoHosts.areAvailable && Shaping.isAvailable,
    "left out: needs root, mpirun, python3, `ip netns` and `tc`"))
struct OverlapBenchTests {
  /// All orders learn the same, and nothing is left behind.
  @Test func ordersAreComparedOverASlowCable() throws {
    let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../../benchmarks/overlap/overlap.py").standardizedFileURL.path
    let file = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    defer { try? FileManager.default.removeItem(at: file) }
    let outcome = try Launch.run([
      "python3", script, "--smoke", "--sluice", Program.path, "-o", file.path,
    ])
    #expect(outcome.status == 0, "\(outcome.output)")
    #expect(outcome.output.contains("the losses of every order and round"), "\(outcome.output)")
    let value = try JSONSerialization.jsonObject(with: Data(contentsOf: file))
    let figures = try #require(value as? [String: Any])
    for name in ["naive", "published", "planned"] {
      let order = try #require(figures[name] as? [String: Double])
      let (exposed, step) = (order["exposed_seconds"] ?? -1, order["step_seconds"] ?? -1)
      #expect(exposed > 0 && step > 0)
    }
    let order = try #require(figures["order"] as? [String])
    #expect(Set(order).isSuperset(of: ["f:dispatch", "b:combine"]))
    #expect((figures["naive_over_planned"] as? Double ?? 0) > 0)
    let left = try Launch.run(["ip", "netns", "list"]).output
    #expect(!left.contains("sluice-overlap-"), "\(left)")
  }
}
