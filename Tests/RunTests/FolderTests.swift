import Foundation
import TestSupport
import Testing

/// Folders of runs, as the program sees them: refused before the first step, with status 4.
@Suite(.serialized, .enabled(if: Program.canTrain)) struct FolderTests {
  private func expect(
    _ outcome: Outcome, status: Int32 = 4, _ text: String,
    _ location: SourceLocation = #_sourceLocation
  ) {
    #expect(outcome.status == status, "\(outcome.output)", sourceLocation: location)
    let lines = outcome.output.split(separator: "\n").filter { $0.hasPrefix("sluice: ") }
    #expect(
      lines.count == 1 && lines[0].contains(text), "\(outcome.output)", sourceLocation: location)
  }

  @Test func dryRunSaysWhatTheRunWouldSay() throws {
    let scene = try Scene("gpt2-tiny", plan: "data-parallel: 2")
    try "mine".write(toFile: scene.path("file"), atomically: true, encoding: .utf8)
    let unusable = "checkpoints.folder=\(scene.path("file"))"
    for more in [["--dry-run"], []] {
      let command = [Program.path, "train", scene.run, "--ranks", "2"] + more
      expect(try Launch.run(command + ["--set", unusable]), "is not a folder")
    }
    #expect(try Program.sluice("train", scene.run, "--ranks", "2", "--dry-run").status == 0)
    #expect(!FileManager.default.fileExists(atPath: scene.path("out")))
    #expect(try Program.sluice("train", scene.run, "--ranks", "2").status == 0)
    for more in [["--dry-run"], []] {
      let command = [Program.path, "train", scene.run, "--ranks", "2"] + more
      expect(try Launch.run(command), "holds checkpoints of an earlier run")
      expect(
        try Launch.run(command + ["--resume", "--overwrite"]), status: 1, "exclude each other")
    }
    // A shorter run, of which nothing older is left.
    let again = try Program.sluice(
      "train", scene.run, "--ranks", "2", "--overwrite", "--set", "steps=2")
    #expect(again.status == 0, "\(again.output)")
    #expect(scene.checkpoints() == ["step-00000002"])
    #expect(try scene.losses().count == 2)
  }

  /// A run of two phases that is overwritten, and stopped within the first: nothing of the earlier run's second
  /// phase is gone on from.
  @Test func overwritingClearsLaterPhases() throws {
    let scene = try Scene("gpt2-tiny", plan: "gradient-lanes: 2")
    let phases = try String(contentsOfFile: scene.run, encoding: .utf8)
    try (phases + "\nphases: [{name: a}, {name: b, steps: 2}]\n")
      .write(toFile: scene.run, atomically: true, encoding: .utf8)
    let last = scene.path("out/b/step-00000002")
    func train(_ options: String...) throws -> Outcome {
      let outcome = try Launch.run([Program.path, "train", scene.run] + options)
      #expect(outcome.status == 0, "\(outcome.output)")
      return outcome
    }
    _ = try train()
    #expect(FileManager.default.fileExists(atPath: last))
    let faster = "phases[0].learning-rate=0.02"
    _ = try train("--overwrite", "--set", faster, "--stop-after", "1")
    #expect(!FileManager.default.fileExists(atPath: last))
    let resumed = try train("--resume", "--set", faster)
    #expect(!resumed.output.contains("made no step"), "\(resumed.output)")
    #expect(FileManager.default.fileExists(atPath: last))
  }

  /// The first weights can be kept, to be compared with what becomes of them; a run goes on from them as if it
  /// had not stopped.
  @Test func noStepIsEnough() throws {
    let (whole, parts) = (
      try Scene("gpt2-tiny", plan: "gradient-lanes: 2"),
      try Scene("gpt2-tiny", plan: "gradient-lanes: 2")
    )
    #expect(try Program.sluice("train", whole.run).status == 0)
    let first = try Program.sluice("train", parts.run, "--stop-after", "0")
    #expect(first.status == 0, "\(first.output)")
    #expect(parts.checkpoints() == ["step-00000000"])
    #expect(try Program.sluice("train", parts.run, "--resume").status == 0)
    let losses = try parts.losses()
    #expect(try !losses.isEmpty && losses == whole.losses())
    for (more, words) in [
      (["--set", "checkpoints=null"], "keeps no checkpoints"),
      (["--check-simulation"], "--check-simulation has no effect beside --stop-after 0"),
    ] {
      let refused = try Launch.run(
        [Program.path, "train", parts.run, "--overwrite", "--stop-after", "0"] + more)
      #expect(refused.status == 1 && refused.output.contains(words), "\(refused.output)")
    }
  }

  /// Two at once, of which the second is told who was first; and its lock, once that was killed.
  @Test func theSecondOfTwoIsRefused() throws {
    let scene = try Scene("gpt2-tiny", plan: "gradient-lanes: 2", steps: 1_000_000)
    var first: Int32 = 0
    let outcome = try Program.sluice("train", scene.run) { _ in
      try scene.waitForCheckpoint()
      first = try #require(scene.ranks().first)
      for more in [["--resume"], ["--overwrite"], ["--resume-if-any"], []] {
        expect(
          try Launch.run([Program.path, "train", scene.run] + more),
          "is in use by another run, process \(first) on ")
      }
      kill(first, SIGKILL)
    }
    #expect(outcome.status == 137, "\(outcome.output)")
    let second = try Program.sluice("train", scene.run, "--resume-if-any", "--stop-after", "1")
    #expect(second.status == 0, "\(second.output)")
    #expect(second.output.contains("note: process \(first) on "), "\(second.output)")
    #expect(second.output.contains("going on after step "), "\(second.output)")
  }

  /// Slurm starts a job again on another host: only the later self of the same job takes its lock over.
  @Test func aRequeuedJobTakesItsLockOver() throws {
    let scene = try Scene("gpt2-tiny", plan: "gradient-lanes: 2")
    func start(_ job: String, restarts: Int) throws -> Outcome {
      try Launch.run([
        "env", "SLURM_JOB_ID=\(job)", "SLURM_RESTART_COUNT=\(restarts)", Program.path, "train",
        scene.run, "--resume-if-any", "--stop-after", "1",
      ])
    }
    let lock = scene.path("out/sluice.lock")
    try FileManager.default.createDirectory(
      atPath: scene.path("out"), withIntermediateDirectories: true)
    let holder = "{\"host\": \"elsewhere\", \"process\": 77, \"job\": \"4711\", \"restarts\": 1}\n"
    try holder.write(toFile: lock, atomically: true, encoding: .utf8)
    for (job, restarts) in [("4711", 1), ("4711", 0), ("4712", 2)] {
      expect(
        try start(job, restarts: restarts), "is in use by another run, process 77 on elsewhere")
      #expect(try String(contentsOfFile: lock, encoding: .utf8) == holder)
    }
    let again = try start("4711", restarts: 2)
    #expect(again.status == 0, "\(again.output)")
    #expect(
      again.output.contains("note: job 4711 goes on where process 77 on elsewhere held the lock"),
      "\(again.output)")
    #expect(scene.checkpoints() == ["step-00000001"])
    #expect(!FileManager.default.fileExists(atPath: lock))
  }

  /// The newest checkpoint is damaged: the one before serves, on all ranks.
  @Test func resumeIfAnySkipsADamagedOne() throws {
    let scene = try Scene("gpt2-tiny", plan: "data-parallel: 2", steps: 4)
    let command = [Program.path, "train", scene.run, "--ranks", "2", "--resume-if-any"]
    let whole = try Launch.run(command)
    #expect(whole.status == 0 && whole.output.contains("the run begins anew"), "\(whole.output)")
    let losses = try scene.losses()
    try scene.write([0x55], at: 20_000, of: "out/step-00000004/model-00001-of-00002.safetensors")
    let outcome = try Launch.run(command)
    #expect(outcome.status == 0, "\(outcome.output)")
    #expect(outcome.output.contains("set aside as step-00000004.damaged"), "\(outcome.output)")
    #expect(outcome.output.contains("going on after step 2"), "\(outcome.output)")
    #expect(try scene.losses() == losses)
    try scene.expectGoodCheckpoint()
  }

  /// What srun starts where Slurm hands out no PMI: one line from the first process, nothing written.
  @Test func processesThatDoNotFindEachOtherAreRefused() throws {
    let scene = try Scene("gpt2-tiny", plan: "gradient-lanes: 2")
    for (process, lines) in [(0, 1), (1, 0)] {
      let outcome = try Launch.run([
        "env", "SLURM_JOB_ID=77", "SLURM_STEP_ID=0", "SLURM_NTASKS=2", "SLURM_NPROCS=2",
        "SLURM_PROCID=\(process)", "SLURM_LOCALID=\(process)", Program.path, "train", scene.run,
      ])
      #expect(outcome.status == 1, "\(outcome.output)")
      #expect(outcome.output.split(separator: "\n").count == lines, "\(outcome.output)")
      #expect(outcome.output.contains("--mpi=pmix") == (lines == 1))
    }
    #expect(!FileManager.default.fileExists(atPath: scene.path("out")))
    // A batch script's variables, under which sluice starts its own ranks.
    let batch = try Launch.run([
      "env", "SLURM_NTASKS=2", "SLURM_PROCID=0", Program.path, "train", scene.run, "--dry-run",
    ])
    #expect(batch.status == 0, "\(batch.output)")
  }
}
