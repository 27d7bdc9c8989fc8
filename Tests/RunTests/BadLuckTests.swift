import Foundation
import TestSupport
import Testing

/// Bad input and bad luck: one clear message, all ranks gone, a status of the table, the last checkpoint
/// good.
@Suite(.serialized, .enabled(if: Program.canTrain)) struct BadLuckTests {
  static let plan = "data-parallel: 2"

  @Test(arguments: [(SIGTERM, Int32(6), "ended by a signal"), (SIGUSR1, 0, "stopped as asked")])
  func signalsEndWithACheckpoint(signal: Int32, status: Int32, text: String) throws {
    let scene = try Scene("gpt2-tiny", plan: Self.plan, steps: 1_000_000)
    let outcome = try Program.sluice("train", scene.run, "--ranks", "2") { _ in
      try scene.waitForCheckpoint()
      kill(try #require(scene.launchers().last), signal)
    }
    #expect(outcome.status == status, "\(outcome.output)")
    #expect(outcome.output.contains(text), "\(outcome.output)")
    try scene.expectGoodCheckpoint()
  }

  @Test func wrongInputIsSaidOnce() throws {
    let scene = try Scene("gpt2-tiny", plan: Self.plan)
    func expect(_ outcome: Outcome, _ text: String, status: Int32 = 1) {
      #expect(outcome.status == status, "\(outcome.output)")
      let lines = outcome.output.split(separator: "\n").filter { $0.hasPrefix("sluice: ") }
      #expect(lines.count == 1 && lines[0].contains(text), "\(outcome.output)")
    }
    expect(try Program.sluice("train", scene.run, "--ranks", "3"), "try --ranks 2")
    expect(
      try Launch.run(["mpirun", "--oversubscribe", "-np", "3", Program.path, "train", scene.run]),
      "3 are running")
    // What is wrong with the command line alone, before ranks know of each other.
    for (options, text) in [
      (["--rank", "3"], "--rank"), (["--ranks", "3"], "mpirun has started 2"),
      (["--timeout", "-1"], "--timeout -1"),
    ] {
      let command = ["mpirun", "--oversubscribe", "-np", "2", Program.path, "train", scene.run]
      expect(try Launch.run(command + options), text)
    }
    expect(
      try Program.sluice("train", scene.run, "--ranks", "2", "--set", "data=nowhere.txt"),
      "nowhere.txt")
    expect(
      try Program.sluice(
        "train", scene.run, "--ranks", "2", "--set", "plan.sequence-length=8000"), "8")
    expect(
      try Program.sluice("train", scene.run, "--ranks", "2", "--resume"),
      "holds no checkpoint to resume", status: 4)
  }

  /// The folder for temporary files takes none: the disk's fault, not the run file's.
  @Test func noTemporaryFolderIsSaid() throws {
    let scene = try Scene("gpt2-tiny", plan: Self.plan)
    let outcome = try Launch.run([
      "env", "TMPDIR=\(scene.path("none"))", Program.path, "train", scene.run, "--ranks", "2",
    ])
    #expect(outcome.status == 4, "\(outcome.output)")
    #expect(
      outcome.output.hasSuffix("none: takes no temporary file: No such file or directory\n"),
      "\(outcome.output)")
  }

  @Test func flippedBitIsRefused() throws {
    let scene = try Scene("gpt2-tiny", plan: Self.plan, steps: 2)
    #expect(try Program.sluice("train", scene.run, "--ranks", "2").status == 0)
    let file = "out/step-00000002/model-00001-of-00002.safetensors"
    try scene.write([0x55], at: 20_000, of: file)
    let outcome = try Program.sluice(
      "train", scene.run, "--ranks", "2", "--resume", "--set", "steps=4")
    #expect(outcome.status == 4, "\(outcome.output)")
    #expect(outcome.output.contains("altered"))
    #expect(outcome.output.contains(file))
  }

  /// Weights that are no numbers make a loss that is none.
  @Test func notANumberEndsTheRun() throws {
    let scene = try Scene("gpt2-tiny", plan: Self.plan, steps: 2)
    #expect(try Program.sluice("train", scene.run, "--ranks", "2").status == 0)
    // Without its checksums the checkpoint is taken as another program's.
    let folder = "out/step-00000002"
    try FileManager.default.removeItem(atPath: scene.path("\(folder)/manifest.json"))
    for place in stride(from: UInt64(20_000), to: 60_000, by: 4) {
      try scene.write(
        [0, 0, 0xc0, 0x7f], at: place, of: "\(folder)/model-00001-of-00002.safetensors")
    }
    let outcome = try Program.sluice(
      "train", scene.run, "--ranks", "2", "--set", "model={checkpoint: \(scene.path(folder))}",
      "--set", "checkpoints.folder=\(scene.path("other"))", "--set",
      "log.file=\(scene.path("other.jsonl"))")
    #expect(outcome.status == 3, "\(outcome.output)")
    #expect(outcome.output.contains("rank 0: step 1: the loss is nan"))
    #expect(scene.checkpoints() == ["step-00000002"])
  }
}
