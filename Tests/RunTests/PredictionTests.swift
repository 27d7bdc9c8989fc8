import Foundation
import TestSupport
import Testing

/// This machine as a cluster: measured in its smallest form, and held beside real steps.
@Suite(.serialized, .enabled(if: Program.canTrain)) struct PredictionTests {
  @Test func measuredAndPredicted() throws {
    let scene = try Scene(
      "deepseek-v3-tiny", plan: "data-parallel: 2, expert-parallel: 2", steps: 3)
    let (here, table) = (scene.path("here.yaml"), scene.path("here.csv"))
    let measured = try Program.sluice(
      "calibrate", "--here", "--quick", "-o", here, "--csv", table)
    #expect(measured.status == 0, "\(measured.output)")
    #expect(measured.output.contains("messages inside a node"))
    // What was measured gives the same file again, and nothing is replaced unasked.
    let again = try Program.sluice("calibrate", "--here", "--from", table, "-o", here)
    #expect(again.status == 1 && again.output.contains("--overwrite replaces it"))
    let figures = scene.path("figures.json")
    let outcome = try Program.sluice(
      "train", scene.run, "--ranks", "2", "--predict", here, "--prediction-json", figures,
      "--trace",
      scene.path("trace.json"))
    #expect(outcome.status == 0, "\(outcome.output)")
    #expect(outcome.output.contains("measured") && outcome.output.contains("Where they part"))
    let trace = try String(contentsOfFile: scene.path("trace.json"), encoding: .utf8)
    #expect(trace.contains("simulated rank 1") && trace.contains("\"rank 1, position 0"))
    let json = try JSONSerialization.jsonObject(
      with: Data(contentsOf: URL(filePath: figures)))
    let fields = try #require(json as? [String: Any])
    #expect((fields["predicted_seconds"] as? Double ?? 0) > 0)
    #expect(fields["measured"] is [String: Any])
    try Self.benchmark(here, scene.path("table.json"))
  }

  /// The benchmark of a dozen plans in its smallest form, on what was measured before; it has no bound.
  private static func benchmark(_ here: String, _ table: String) throws {
    guard (try? Launch.run(["sh", "-c", "command -v python3"]).status) == 0 else { return }
    let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../../benchmarks/predict/predict.py").standardizedFileURL.path
    let outcome = try Launch.run([
      "python3", script, "--smoke", "--sluice", Program.path, "--cluster", here, "-o", table,
    ])
    #expect(outcome.status == 0, "\(outcome.output)")
    let rows = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: table)))
    #expect((rows as? [[String: Any]])?.count == 3)
    #expect(outcome.output.contains("pairs of one model in the measured order"))
  }

  @Test func otherClustersAreRefused() throws {
    let scene = try Scene("gpt2-tiny", plan: "data-parallel: 1", steps: 2)
    let outcome = try Program.sluice("train", scene.run, "--predict", "h800-2048")
    #expect(outcome.status == 1)
    #expect(outcome.output.contains("no cluster of CPU ranks"))
    #expect(outcome.output.split(separator: "\n").count == 1)
    let idle = try Program.sluice("train", scene.run, "--prediction-json", scene.path("x.json"))
    #expect(idle.status == 1 && idle.output.contains("without --predict"))
  }
}
