import Foundation
import TestSupport
import Testing

/// A run whose standard output is lost trains on, to its last step and its checkpoint.
@Suite(.serialized, .enabled(if: Program.canTrain)) struct LostOutputTests {
  /// A shell command in which `$0` is the program and `$1` the run file.
  private func shell(_ line: String, _ scene: Scene) throws -> Outcome {
    try Launch.run(["sh", "-c", line, Program.path, scene.run])
  }

  /// The reader goes away after the first line.
  @Test(arguments: [("pipeline-parallel: 1", ""), ("data-parallel: 2", "--ranks 2")])
  func aClosedPipeStopsNothing(_ plan: String, _ ranks: String) throws {
    // More lines than mpirun would bear to lose by itself.
    let scene = try Scene("gpt2-tiny", plan: plan, steps: 60, checkpointEvery: 60)
    let outcome = try shell(
      "{ \"$0\" train \"$1\" \(ranks) --set log.every=1; echo status $? >&2; } | head -1", scene)
    #expect(outcome.output.contains("status 0\n"), "\(outcome.output)")
    #expect(!outcome.output.contains("sluice: "), "\(outcome.output)")
    #expect(scene.checkpoints() == ["step-00000060"])
    #expect(try scene.losses().count == 60)
  }

  @Test(
    .enabled(if: FileManager.default.fileExists(atPath: "/dev/full")), arguments: ["", "--ranks 2"])
  func aFullDiskIsSaidAtTheEnd(_ ranks: String) throws {
    let plan = ranks.isEmpty ? "pipeline-parallel: 1" : "data-parallel: 2"
    let scene = try Scene("gpt2-tiny", plan: plan)
    let outcome = try shell("\"$0\" train \"$1\" \(ranks) > /dev/full", scene)
    #expect(outcome.status == 4, "\(outcome.output)")
    #expect(
      outcome.output.contains(
        "sluice: standard output: cannot be written: No space left on device\n"),
      "\(outcome.output)")
    #expect(scene.checkpoints() == ["step-00000002", "step-00000004"])
    #expect(try scene.losses().count == 4)
  }

  @Test(.enabled(if: FileManager.default.fileExists(atPath: "/dev/full")))
  func otherCommandsEndWithAStatus() throws {
    let scene = try Scene("gpt2-tiny", plan: "pipeline-parallel: 1", steps: 2)
    #expect(try Program.sluice("train", scene.run).status == 0)
    let folder = scene.path("out/step-00000002")
    for command in [
      "generate --checkpoint \(folder) --prompt the --tokens 4",
      "evaluate --checkpoint \(folder) --tokens \(scene.path("words.txt"))",
      "data \(scene.path("words.txt")) -o \(scene.path("words.bin"))",
      "train \(scene.run) --dry-run --overwrite",
    ] {
      let outcome = try shell("\"$0\" \(command) > /dev/full", scene)
      #expect(outcome.status == 4, "\(command): \(outcome.output)")
      #expect(
        outcome.output
          == "sluice: standard output: cannot be written: No space left on device\n")
      let closed = try shell("{ \"$0\" \(command); echo status $?; } >&2 | true", scene)
      #expect(closed.output.hasSuffix("status 0\n"), "\(closed.output)")
    }
  }

  /// Lines of metrics have keys in snake case, and the time at which their step ended; before them stands
  /// what they were computed from, and again where the run goes on.
  @Test func metricsSayWhen() throws {
    let scene = try Scene("deepseek-v3-tiny", plan: "pipeline-parallel: 1")
    let start = Date().timeIntervalSince1970
    #expect(try Program.sluice("train", scene.run, "--stop-after", "3").status == 0)
    let second = try Program.sluice("train", scene.run, "--resume", "--set", "learning-rate=0.02")
    #expect(second.status == 0, "\(second.output)")
    let text = try String(contentsOfFile: scene.path("log.jsonl"), encoding: .utf8)
    var times: [Double] = []
    var headers: [[String: Any]] = []
    for line in text.split(separator: "\n") {
      let value = try JSONSerialization.jsonObject(with: Data(line.utf8))
      let metrics = try #require(value as? [String: Any])
      if metrics["step"] == nil {
        headers.append(metrics)
        continue
      }
      let kinds = try #require(metrics["times"] as? [String: Any])
      for key in Array(metrics.keys) + Array(kinds.keys) {
        #expect(key.wholeMatch(of: /[a-z0-9_]+/) != nil, "\(key)")
      }
      times.append(try #require(metrics["wall_time"] as? Double))
    }
    #expect(headers.map { $0["after_step"] as? Int } == [0, 3])
    #expect(headers.allSatisfy { $0["run"] is String })
    let inputs = try headers.map { try #require($0["inputs"] as? [String: Any]) }
    let runs = inputs.map { $0["run"] as? [String: Any] }
    #expect(runs.map { $0?["given"] as? String } == [scene.run, scene.run])
    #expect(runs.map { $0?["overrides"] as? [String] } == [[], ["learning-rate=0.02"]])
    #expect(inputs[0]["data"] as? [String] == [scene.path("words.txt")])
    #expect(inputs[0]["version"] is String && inputs[0]["seed"] as? Int == 3)
    #expect(times.count == 4 && times == times.sorted())
    #expect((times.first ?? 0) >= start.rounded(.down))
    #expect((times.last ?? .infinity) <= Date().timeIntervalSince1970 + 1)
  }
}
