import Foundation
import TestSupport
import Testing

/// Runs that go on without the ranks that they lose.
@Suite(.serialized, .enabled(if: Program.canTrain)) struct ElasticTests {
  /// Twelve sequences a step, which 4, 3 and 2 ranks divide.
  private func scene(steps: Int, every: Int = 10) throws -> Scene {
    try Scene("gpt2-tiny", plan: "data-parallel: 4", steps: steps, checkpointEvery: every)
  }

  static let batch = ["--set", "plan.global-batch=12"]

  /// Headers of the log, one for each beginning.
  private func beginnings(_ scene: Scene) -> Int {
    let text = (try? String(contentsOfFile: scene.path("log.jsonl"), encoding: .utf8)) ?? ""
    return text.matches(of: /"after_step"/).count
  }

  /// Waits until the run has begun for the n-th time, on so many ranks, and kills one of them.
  private func killOne(of count: Int, beginning: Int, _ scene: Scene) throws {
    // Only behind the header are those that an earlier beginning has left gone.
    try #require(Launch.wait(milliseconds: 1) { beginnings(scene) >= beginning })
    let ranks = scene.ranks()
    try #require(ranks.count == count)
    kill(ranks[beginning % count], SIGKILL)
  }

  /// 4 → 3 → 2 → 4 ranks: the losses and the last checkpoint of a run that nothing happened to.
  @Test func goesOnWithTheSameBits() throws {
    let calm = try scene(steps: 120)
    let whole = try Launch.run(
      [Program.path, "train", calm.run, "--ranks", "4", "--set", "plan.gradient-lanes=12"]
        + Self.batch)
    #expect(whole.status == 0, "\(whole.output)")
    let scene = try scene(steps: 120)
    let outcome = try Launch.run(
      [
        Program.path, "train", scene.run, "--ranks", "4", "--elastic", "--minimum-ranks", "2",
        "--take-back-after", "2",
      ] + Self.batch
    ) { _ in
      try #require(Launch.wait { scene.checkpoints().contains("step-00000010") })
      try killOne(of: 4, beginning: 1, scene)
      try killOne(of: 3, beginning: 2, scene)
    }
    #expect(outcome.status == 0, "\(outcome.output)")
    #expect(outcome.output.contains("4: DP4, 3: DP3, 2: DP2"), "\(outcome.output)")
    #expect(outcome.output.contains("ran on 4 → 3 → 2 → 4 ranks; goodput "), "\(outcome.output)")
    #expect(try scene.losses() == calm.losses())
    #expect(try scene.losses().count == 120)
    let names = try FileManager.default.contentsOfDirectory(atPath: calm.path("out/step-00000120"))
    #expect(names.count { $0.hasSuffix(".safetensors") } >= 2)
    for name in names where name.hasSuffix(".safetensors") {
      let files = [calm, scene].map { scene in
        FileManager.default.contents(atPath: scene.path("out/step-00000120/\(name)"))
      }
      #expect(files[0] != nil && files[0] == files[1], "\(name)")
    }
  }

  /// Fewer ranks than it may go on with end it, and a checkpoint is left.
  @Test func endsBelowTheMinimum() throws {
    let scene = try scene(steps: 1_000_000)
    let outcome = try Launch.run(
      [
        Program.path, "train", scene.run, "--ranks", "4", "--elastic", "--minimum-ranks", "4",
      ] + Self.batch
    ) { _ in
      try scene.waitForCheckpoint()
      try killOne(of: 4, beginning: 1, scene)
    }
    #expect(outcome.status == 5, "\(outcome.output)")
    #expect(outcome.output.contains("3 of 4 ranks are left, and --minimum-ranks is 4"))
    #expect(Launch.wait { scene.ranks().isEmpty && scene.launchers().isEmpty })
  }

  /// A killed mpirun costs a rank too; a signal ends all of it in good order.
  @Test func goesOnWithoutItsLauncherAndObeysSignals() throws {
    let scene = try scene(steps: 1_000_000)
    let outcome = try Launch.run(
      [Program.path, "train", scene.run, "--ranks", "4", "--elastic", "--take-back-after", "0"]
        + Self.batch
    ) { _ in
      try scene.waitForCheckpoint()
      kill(try #require(scene.launchers().first), SIGKILL)
      try #require(Launch.wait { scene.ranks().count == 3 && beginnings(scene) >= 2 })
      kill(try #require(scene.launchers().last), SIGTERM)
    }
    #expect(outcome.status == 6, "\(outcome.output)")
    #expect(outcome.output.contains("going on with 3 of 4 ranks: DP3"), "\(outcome.output)")
    try scene.expectGoodCheckpoint(ranks: 4, Self.batch)
  }

  /// A signal that somebody sends to a rank of a whole run ends it: nothing was lost that could be taken back.
  @Test func aWholeRunThatIsStoppedIsNotStartedAgain() throws {
    let scene = try scene(steps: 1_000_000)
    let outcome = try Launch.run(
      [Program.path, "train", scene.run, "--ranks", "4", "--elastic"] + Self.batch
    ) { _ in
      try scene.waitForCheckpoint()
      kill(try #require(scene.ranks().first), SIGUSR1)
    }
    #expect(outcome.status == 0, "\(outcome.output)")
    #expect(!outcome.output.contains("taken back"), "\(outcome.output)")
    #expect(beginnings(scene) == 1)
  }

  /// What an earlier run left is removed once; a restart goes on from what this one has done.
  @Test func overwritesOnce() throws {
    let scene = try scene(steps: 120)
    let words = [Program.path, "train", scene.run, "--ranks", "4"] + Self.batch
    #expect(try Launch.run(words).status == 0)
    let outcome = try Launch.run(
      words + ["--overwrite", "--elastic", "--take-back-after", "0"]
    ) { _ in
      // What was there is gone before the first rank begins.
      try #require(Launch.wait { scene.ranks().count == 4 })
      try #require(Launch.wait { scene.checkpoints().contains("step-00000010") })
      try killOne(of: 4, beginning: 1, scene)
    }
    #expect(outcome.status == 0, "\(outcome.output)")
    #expect(outcome.output.contains("checkpoints of an earlier run were removed"))
    #expect(outcome.output.contains("ran on 4 → 3 ranks"), "\(outcome.output)")
    #expect(try scene.losses().count == 120)
  }

  @Test func whatCannotGoOnIsRefused() throws {
    let scene = try scene(steps: 4)
    let cases: [([String], String)] = [
      (["--elastic", "--set", "plan.data-parallel=1"], "the plan has one rank"),
      (["--elastic", "--ranks", "4", "--set", "checkpoints=null"], "keeps none"),
      (["--elastic", "--ranks", "4", "--minimum-ranks", "5"], "from 1 to the plan's 4"),
      (["--ranks", "4", "--minimum-ranks", "2"], "no effect without --elastic"),
      (["--elastic", "--ranks", "4", "--stop-after", "2"], "no effect beside --elastic"),
    ]
    for (arguments, words) in cases {
      let outcome = try Launch.run([Program.path, "train", scene.run] + arguments)
      #expect(outcome.status == 1 && outcome.output.contains(words), "\(outcome.output)")
    }
    let outline = try Launch.run(
      [Program.path, "train", scene.run, "--elastic", "--ranks", "4", "--dry-run"] + Self.batch)
    #expect(outline.status == 0 && outline.output.contains("1: one rank"), "\(outline.output)")
  }
}
