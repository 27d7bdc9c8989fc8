import Foundation
import TestSupport
import Testing

/// Whole runs of the program under mpirun.
@Suite(.serialized, .enabled(if: Program.canTrain)) struct RunTests {
  static let one = "gradient-lanes: 2"
  static let splits = [
    ("2", "data-parallel: 2"), ("2", "pipeline-parallel: 2, gradient-lanes: 2"),
    ("4", "data-parallel: 2, pipeline-parallel: 2"),
  ]

  /// On 2 and 4 ranks the same bits as on one.
  @Test(arguments: ["gpt2-tiny", "deepseek-v3-tiny"])
  func manyRanksEqualOne(model: String) throws {
    let single = try Scene(model, plan: Self.one, steps: 2)
    let whole = try Program.sluice("train", single.run)
    #expect(whole.status == 0, "\(whole.output)")
    let expected = try single.losses()
    #expect(expected.count == 2)
    for (ranks, plan) in Self.splits {
      let scene = try Scene(model, plan: plan, steps: 2)
      let outcome = try Program.sluice("train", scene.run, "--ranks", ranks)
      #expect(outcome.status == 0, "\(outcome.output)")
      #expect(try scene.losses() == expected, "\(plan)")
    }
  }

  static let dualPipe =
    "data-parallel: 2, pipeline-parallel: 2, expert-parallel: 2, schedule: dualpipe"

  /// A run that is stopped and resumed gives the bits of one that goes through.
  @Test func resumedEqualsUninterrupted() throws {
    let whole = try Scene("deepseek-v3-tiny", plan: Self.dualPipe, steps: 5)
    #expect(try Program.sluice("train", whole.run, "--ranks", "4").status == 0)
    let parts = try Scene("deepseek-v3-tiny", plan: Self.dualPipe, steps: 5)
    let first = try Program.sluice("train", parts.run, "--ranks", "4", "--stop-after", "3")
    #expect(first.status == 0, "\(first.output)")
    #expect(parts.checkpoints() == ["step-00000002", "step-00000003"])
    let second = try Program.sluice("train", parts.run, "--ranks", "4", "--resume")
    #expect(second.status == 0, "\(second.output)")
    #expect(second.output.contains("going on after step 3"))
    #expect(try parts.losses() == whole.losses())
    #expect(try parts.losses().count == 5)
    // Finished, it has nothing to add.
    let before = try parts.written()
    let third = try Program.sluice("train", parts.run, "--ranks", "4", "--resume")
    #expect(third.status == 0, "\(third.output)")
    #expect(try parts.written() == before)
  }

  /// Routers that are trained over all layers need nothing but weights to go on, on another number of stages.
  @Test func joinedBalanceGoesOnElsewhere() throws {
    let one = "gradient-lanes: 1"
    let whole = try Scene("qwen3-moe-tiny", plan: one)
    #expect(try Program.sluice("train", whole.run).status == 0)
    let parts = try Scene("qwen3-moe-tiny", plan: "pipeline-parallel: 2, \(one)")
    let first = try Program.sluice("train", parts.run, "--ranks", "2", "--stop-after", "2")
    #expect(first.status == 0, "\(first.output)")
    let second = try Program.sluice(
      "train", parts.run, "--set", "plan.pipeline-parallel=1", "--resume")
    #expect(second.status == 0, "\(second.output)")
    #expect(try parts.losses() == whole.losses())
    #expect(try parts.losses().count == 4)
  }

  /// What the step did equals what the simulator says of the same plan.
  @Test(arguments: [
    ("gpt2-tiny", "2", "pipeline-parallel: 2, schedule: zb-h1"),
    ("deepseek-v3-tiny", "4", dualPipe),
    // Stages tell each other what their routers chose.
    ("qwen3-moe-tiny", "4", "pipeline-parallel: 4"),
  ])
  func equalsTheSimulation(model: String, ranks: String, plan: String) throws {
    let scene = try Scene(model, plan: plan, steps: 2)
    let trace = scene.path("trace.json")
    let outcome = try Program.sluice(
      "train", scene.run, "--ranks", ranks, "--check-simulation", "--trace", trace)
    #expect(outcome.status == 0, "\(outcome.output)")
    #expect(outcome.output.contains("equal in all of it"), "\(outcome.output)")
    let text = try Data(contentsOf: URL(filePath: trace))
    let value = try JSONSerialization.jsonObject(with: text) as? [String: Any]
    let events = try #require(value?["traceEvents"] as? [[String: Any]])
    let processes = Set(events.compactMap { $0["pid"] as? Int })
    #expect(processes == Set(0..<(Int(ranks) ?? 0)))
    #expect(events.contains { ($0["name"] as? String)?.contains("matmul") == true })
    #expect(try TraceNesting.overlaps(in: text).isEmpty)
    func count(_ key: String, _ value: String) -> Int {
      events.count { $0[key] as? String == value }
    }
    // Actions, a counter of memory for each rank, and an arrow from every send to a receive.
    #expect(count("cat", "action") >= 16)
    #expect(
      Set(events.filter { $0["ph"] as? String == "C" }.compactMap { $0["pid"] as? Int })
        == processes)
    let tails = events.filter { $0["ph"] as? String == "s" }
    let heads = events.filter { $0["ph"] as? String == "f" }
    #expect(tails.count >= 16)
    let starts = Dictionary(
      uniqueKeysWithValues: tails.map { ($0["id"] as? String ?? "", $0["ts"] as? Double ?? -1) })
    #expect(Set(heads.compactMap { $0["id"] as? String }) == Set(starts.keys))
    for head in heads {
      // All ranks of a host have one clock: nothing arrives before it is sent.
      let (sent, came) = (starts[head["id"] as? String ?? ""], head["ts"] as? Double)
      #expect(try #require(sent) <= #require(came))
    }
    #expect(events.last?["name"] as? String == "trace")
    let inputs = (value?["otherData"] as? [String: Any])?["inputs"] as? [String: Any]
    #expect(inputs?["seed"] as? Int == 3)
    #expect((inputs?["plan"] as? [String: Any])?["settings"] != nil)
  }

  /// A checkpoint of the program speaks and is measured.
  @Test func checkpointGeneratesAndEvaluates() throws {
    let scene = try Scene("gpt2-tiny", plan: Self.one, steps: 2)
    #expect(try Program.sluice("train", scene.run).status == 0)
    let folder = scene.path("out/step-00000002")
    func text(_ seed: String) throws -> String {
      let outcome = try Program.sluice(
        "generate", "--checkpoint", folder, "--prompt", "the", "--tokens", "8",
        "--temperature", "0.9", "--seed", seed)
      #expect(outcome.status == 0, "\(outcome.output)")
      return outcome.output
    }
    let first = try text("1")
    #expect(first.hasPrefix("the"))
    #expect(try text("1") == first)
    #expect(try text("2") != first)
    let shared = try Launch.run([
      "mpirun", "--oversubscribe", "-np", "2", Program.path, "generate", "--checkpoint", folder,
      "--prompt", "the", "--tokens", "8", "--temperature", "0.9", "--seed", "1",
    ])
    #expect(shared.status == 0 && shared.output == first, "\(shared.output)")
    let long = try Program.sluice(
      "generate", "--checkpoint", folder, "--prompt", "the", "--tokens", "30")
    #expect(long.status == 1 && long.output.contains("takes 32 at most"), "\(long.output)")
    #expect(!long.output.contains("the\n"))
    let outcome = try Program.sluice(
      "evaluate", "--checkpoint", folder, "--tokens", scene.path("words.txt"), "--json")
    #expect(outcome.status == 0 && outcome.output.contains("\"loss\""), "\(outcome.output)")
    let tokens = scene.path("words.bin")
    #expect(try Program.sluice("data", scene.path("words.txt"), "-o", tokens).status == 0)
    let same = try Program.sluice("evaluate", "--checkpoint", folder, "--tokens", tokens, "--json")
    let figures = try [outcome, same].map { outcome in
      let value = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8))
      return try #require(value as? [String: Any])
    }
    for key in ["loss", "perplexity", "tokens", "sequences"] {
      #expect(figures[0][key] as? Double == figures[1][key] as? Double, "\(key)")
    }
    let inputs = try figures.map { try #require($0["inputs"] as? [String: Any]) }
    #expect(inputs.map { $0["checkpoint"] as? String } == [folder, folder])
    #expect(inputs.map { $0["tokens"] as? String } == [scene.path("words.txt"), tokens])
    #expect(inputs[0]["version"] is String && inputs[0]["ranks"] as? Int == 1)
  }

  @Test func parityNamesWhatDiffers() throws {
    let scene = try Scene("gpt2-tiny", plan: "schedule: 1f1b", steps: 2)
    let lanes = "gradient-lanes=2"
    let equal = try Program.sluice(
      "parity", scene.run, "--plan", lanes, "--plan", "pipeline-parallel=2,\(lanes)")
    #expect(equal.status == 0 && equal.output.contains("equal in every bit"), "\(equal.output)")
    let other = try Program.sluice(
      "parity", scene.run, "--plan", lanes, "--plan", "gradient-lanes=4")
    #expect(other.status == 7 && other.output.contains("gradient of"), "\(other.output)")
  }
}
