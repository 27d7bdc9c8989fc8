import Foundation
import TestSupport
import Testing

/// `kill -9` of a rank while a policy makes completions: the run goes on with the same bits.
///
/// Every second update begins with a rollout that takes most of its time; a checkpoint behind the other
/// ones lies within a rollout's updates and holds it. `KILLS=50 swift test --filter RolloutKillTests` sweeps
/// further than the few kills of every run.
@Suite(.serialized, .enabled(if: Program.canTrain)) struct RolloutKillTests {
  static let kills = ProcessInfo.processInfo.environment["KILLS"].flatMap { Int($0) } ?? 3
  static let steps = 6

  /// A run of reinforcement learning in a folder of its own.
  private func scene() throws -> Scene {
    let scene = try Scene("deepseek-v3-tiny", plan: "data-parallel: 2")
    let prompts = (0..<9).map { "{\"prompt\": \"\($0)\($0 * 7)=\"}\n" }
    try prompts.joined().write(
      toFile: scene.path("prompts.jsonl"), atomically: true, encoding: .utf8)
    try """
    model: config.json
    objective: grpo
    grpo:
      prompts: prompts.jsonl
      held-out: prompts.jsonl
      group: 4
      max-tokens: 24
      updates-per-rollout: 2
      beta: 0.1
      rewards: [{rule: length, maximum: 9}, {rule: pattern, pattern: "[0-9]", match: anywhere}]
    plan: {data-parallel: 2, expert-parallel: 2, global-batch: 16, sequence-length: 30}
    learning-rate: 0.01
    steps: \(Self.steps)
    seed: 3
    evaluation: {every: 3}
    checkpoints: {folder: \(scene.folder.path)/out, every: 1, keep: 3}
    log: {file: \(scene.folder.path)/log.jsonl, samples: \(scene.folder.path)/samples.jsonl}
    """.write(toFile: scene.run, atomically: true, encoding: .utf8)
    return scene
  }

  /// The log's lines of steps without what time they took.
  private func steps(_ scene: Scene) throws -> [Int: String] {
    let text = try String(contentsOfFile: scene.path("log.jsonl"), encoding: .utf8)
    var steps: [Int: String] = [:]
    for line in text.split(separator: "\n") where line.hasPrefix("{\"step\"") {
      let value = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
      let fields = try #require(value)
      // The share of the peak is a rate too.
      let kept = fields.filter {
        !$0.key.contains("second") && !$0.key.contains("time") && $0.key != "mfu"
      }
      let number = try #require(fields["step"] as? Int)
      let words = try JSONSerialization.data(withJSONObject: kept, options: .sortedKeys)
      // The line of step 0, and one for what an update and an evaluation say apart, are all kept.
      steps[number, default: ""] += String(decoding: words, as: UTF8.self) + "\n"
    }
    return steps
  }

  /// The files of the last checkpoint, byte by byte.
  private func lastCheckpoint(_ scene: Scene) throws -> [String: Data] {
    let name = try #require(scene.checkpoints().last)
    let folder = scene.folder.appending(path: "out/\(name)")
    let names = try FileManager.default.subpathsOfDirectory(atPath: folder.path)
    return try Dictionary(
      uniqueKeysWithValues: names.map {
        ($0, try Data(contentsOf: folder.appending(path: $0)))
      })
  }

  @Test func aKilledRolloutIsMadeAgainWithTheSameBits() throws {
    let whole = try scene()
    let outcome = try Program.sluice("train", whole.run, "--ranks", "2")
    try #require(outcome.status == 0, "\(outcome.output)")
    let expected = try steps(whole)
    #expect(Set(expected.keys) == Set(0...Self.steps))
    let seconds = try rolloutSeconds(whole)
    for seed in 1...Self.kills {
      try sweep(seed: UInt64(seed), rolloutSeconds: seconds, whole: whole, expected)
    }
  }

  /// Seconds of the run's shortest rollout.
  private func rolloutSeconds(_ scene: Scene) throws -> Double {
    let text = try String(contentsOfFile: scene.path("log.jsonl"), encoding: .utf8)
    let all = text.components(separatedBy: "\"rollout_seconds\": ").dropFirst().compactMap {
      Double($0.prefix { $0 != "," && $0 != "}" })
    }
    #expect(all.count == Self.steps / 2)
    return try #require(all.min())
  }

  /// A run whose rank is killed within a rollout, and that goes on until its end.
  private func sweep(
    seed: UInt64, rolloutSeconds: Double, whole: Scene, _ expected: [Int: String]
  ) throws {
    let scene = try scene()
    var generator = SplitMix64(state: seed)
    let victim = Int.random(in: 0..<2, using: &generator)
    // Behind an even number of updates comes a rollout.
    let update = 2 * Int.random(in: 1...2, using: &generator)
    let delay = Double.random(in: 0...1, using: &generator) * rolloutSeconds
    let name = String(format: "step-%08d", update)
    let outcome = try Program.sluice("train", scene.run, "--ranks", "2") { _ in
      try #require(Launch.wait(milliseconds: 2) { scene.checkpoints().contains(name) })
      Thread.sleep(forTimeInterval: delay)
      let ranks = scene.ranks()
      try #require(ranks.count == 2)
      kill(ranks[victim], SIGKILL)
    }
    #expect(outcome.status == 5, "seed \(seed): \(outcome.output)")
    let rest = try Program.sluice("train", scene.run, "--ranks", "2", "--resume")
    #expect(rest.status == 0, "seed \(seed): \(rest.output)")
    for (step, line) in try steps(scene) {
      #expect(line == expected[step], "seed \(seed), killed behind update \(update)")
    }
    #expect(try steps(scene).keys.max() == Self.steps)
    let (found, right) = (try lastCheckpoint(scene), try lastCheckpoint(whole))
    for (name, bytes) in right where name.hasSuffix(".safetensors") {
      #expect(found[name] == bytes, "seed \(seed): \(name)")
    }
  }
}
