import Foundation
import TestSupport
import Testing

/// Programs that judge a real run's completions, and hang: the run ends without them, and they with it.
@Suite(.serialized, .enabled(if: Program.canTrain)) struct RewardProgramTests {
  /// A run whose program waits as long as the file `slow` is there, having written its number to `program`.
  private func scene() throws -> Scene {
    let scene = try Scene("deepseek-v3-tiny", plan: "data-parallel: 1")
    let prompts = (0..<9).map { "{\"prompt\": \"\($0)\($0 * 7)=\"}\n" }
    try prompts.joined().write(
      toFile: scene.path("prompts.jsonl"), atomically: true, encoding: .utf8)
    try """
    if [ -e \(scene.path("slow")) ]; then
      sleep 3000 & echo $$ $! > \(scene.path("program.new"))
      mv \(scene.path("program.new")) \(scene.path("program"))
      wait
    fi
    while read -r line; do echo ${#line}; done
    """.write(toFile: scene.path("judge.sh"), atomically: true, encoding: .utf8)
    try """
    model: config.json
    objective: grpo
    grpo:
      prompts: prompts.jsonl
      group: 4
      max-tokens: 6
      rewards: [{command: [/bin/sh, \(scene.path("judge.sh"))], time-limit: 3000}]
    plan: {global-batch: 8, sequence-length: 12}
    learning-rate: 0.01
    steps: 3
    seed: 3
    checkpoints: {folder: \(scene.folder.path)/out, every: 1, keep: 9}
    log: {file: \(scene.folder.path)/log.jsonl}
    """.write(toFile: scene.run, atomically: true, encoding: .utf8)
    return scene
  }

  /// Starts a run whose program hangs, and sends a signal once it does.
  private func interrupt(_ scene: Scene, by signal: Int32) throws -> Outcome {
    try Data().write(to: URL(filePath: scene.path("slow")))
    return try Program.sluice("train", scene.run) { _ in
      try #require(
        Launch.wait { FileManager.default.fileExists(atPath: scene.path("program")) })
      for rank in scene.ranks() { kill(rank, signal) }
    }
  }

  /// The program and what it has started are gone.
  private func expectNoProgram(_ scene: Scene) throws {
    let text = try String(contentsOfFile: scene.path("program"), encoding: .utf8)
    let numbers = text.split(whereSeparator: \.isWhitespace).compactMap { Int32($0) }
    try #require(numbers.count == 2)
    for number in numbers { #expect(Launch.wait { !isRunning(number) }, "\(number)") }
  }

  private func isRunning(_ process: Int32) -> Bool {
    let status = try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
    return status.map { !$0.contains("State:\tZ") } ?? false
  }

  /// Also where nobody is left to kill it.
  @Test func aProgramEndsWithAKilledRun() throws {
    let scene = try scene()
    let outcome = try interrupt(scene, by: SIGKILL)
    #expect(outcome.status != 0)
    try expectNoProgram(scene)
  }

  /// The update that it judges for is not made; the run goes on with the bits of one that nobody stopped.
  @Test func aSignalDoesNotWaitForAProgram() throws {
    let (whole, scene) = (try scene(), try scene())
    let undisturbed = try Program.sluice("train", whole.run)
    #expect(undisturbed.status == 0, "\(undisturbed.output)")
    let stopped = try interrupt(scene, by: SIGTERM)
    #expect(stopped.status == 6, "\(stopped.output)")
    try expectNoProgram(scene)
    #expect(scene.checkpoints() == ["step-00000000"])
    try FileManager.default.removeItem(atPath: scene.path("slow"))
    let rest = try Program.sluice("train", scene.run, "--resume")
    #expect(rest.status == 0, "\(rest.output)")
    let losses = try scene.losses()
    #expect(try losses.count == 3 && losses == whole.losses())
  }
}
