import Foundation
import MessagePassing
import Runs
import TestSupport
import Testing
import Training

/// Where a run writes: nothing of another run or of a person is lost, and what cannot be is found first.
@Suite struct RunPlaceTests: SmallRuns {
  let folder: ScratchFolder

  init() throws { folder = try ScratchFolder() }

  /// Both where nothing is changed, as for `--dry-run`, and where the run would begin.
  private func refusal(_ run: RunFile, _ beginning: RunBeginning) -> String {
    let said = refusal { try run.place.check(beginning) }
    #expect(refusal { try train(run, beginning) } == said)
    return said
  }

  // MARK: - What cannot be written

  @Test func aPlaceThatCannotBeIsFoundFirst() throws {
    _ = try folder.write("mine", to: "file")
    let before = try names(".")
    for (path, rule) in [
      ("FOLDER/file", "is not a folder"), ("FOLDER/file/out", "created: Not a directory"),
      ("/proc/out", "cannot be created"), ("/dev/full", "is not a folder"),
    ] {
      let said = refusal(try run(["FOLDER/out": path]), .anew)
      #expect(said.contains(rule), "\(said)")
    }
    for path in ["FOLDER/file/log", "/proc/log", "/dev/full", "FOLDER"] {
      let said = refusal { try run(["FOLDER/log.jsonl": path]).place.check(.anew) }
      #expect(said.contains("cannot be") || said.contains("is not a f"), "\(said)")
    }
    #expect(try names(".").filter { !["rows.json", "run.yaml"].contains($0) } == before)
    #expect(try contents(of: folder.file("file")) == Array("mine".utf8))
  }

  /// Looking makes folders to see whether they can be made, and leaves none.
  @Test func lookingLeavesNothing() throws {
    let run = try run(["FOLDER/out": "FOLDER/deep/deeper/out", "FOLDER/log": "FOLDER/far/log"])
    try run.place.check(.anew)
    try run.place.check(.resumingIfAny)
    #expect(try names(".") == ["rows.json", "run.yaml"])
  }

  /// A checkpoint that no disk holds.
  @Test func noRoomIsFoundFirst() throws {
    var place = try run([fixture("checkpoints/gpt2-tiny/config.json"): "deepseek-v3"]).place
    // 671 billion weights and two moments of each, as 32-bit numbers.
    #expect(place.checkpointBytes > 671 * 12 * 1_000_000_000)
    place.checkpointBytes = .max
    let said = refusal { try place.check(.anew) }
    #expect(said.contains("has room for") && said.contains("a checkpoint takes"), "\(said)")
  }

  // MARK: - Clearing

  /// A run that is started again and again clears its place once: no checkpoint and no line is left, and it
  /// goes on as if nobody had been there.
  @Test func aPlaceIsClearedOnce() throws {
    let run = try run([:])
    try train(run, .anew)
    #expect(!checkpoints.steps().isEmpty)
    let notices = try RunFile.clearPlaces(of: [run])
    #expect(notices.contains { $0.contains("were removed") }, "\(notices)")
    let left = try steps(of: "log.jsonl")
    #expect(checkpoints.steps().isEmpty && left.isEmpty)
    try run.place.check(.anew)
    let again = try RunFile.clearPlaces(of: [run])
    #expect(!again.contains { $0.contains("were removed") })
    // What the run reads stays, and so does what a person has put there.
    try train(run, .resumingIfAny)
    #expect(try names(".").filter { $0.hasPrefix("log") } == ["log.jsonl"])
    _ = try folder.write("mine", to: "out/step-00000001/mine")
    let said = refusal { _ = try RunFile.clearPlaces(of: [run]) }
    #expect(said.contains("was not written by sluice"), "\(said)")
  }

  // MARK: - Used folders

  @Test func aUsedPlaceIsRefused() throws {
    try train(try run(), .anew)
    let log = try contents(of: folder.file("log.jsonl"))
    let said = refusal(try run(), .anew)
    #expect(said.contains("holds checkpoints of an earlier run (the newest is step-00000003)"))
    #expect(said.contains("--overwrite") && said.contains("--resume"))
    // A log alone is enough.
    let elsewhere = refusal(try run(["FOLDER/out": "FOLDER/other"]), .anew)
    #expect(elsewhere.contains("is the log of an earlier run"), "\(elsewhere)")
    #expect(try contents(of: folder.file("log.jsonl")) == log)
    #expect(checkpoints.steps() == [1, 2, 3])
  }

  @Test func overwritingRemovesWhatSluiceWrote() throws {
    try train(try run(), .anew)
    _ = try folder.write("mine", to: "out/notes.txt")
    let shorter = try run(["steps: 3": "steps: 2"])
    let notices = try train(shorter, .overwriting)
    #expect(notices.contains("3 checkpoints of an earlier run were removed"))
    #expect(try names("out") == ["notes.txt", "step-00000001", "step-00000002"])
    #expect(try steps(of: "log.jsonl").count == 2)
  }

  /// Before anything is removed.
  @Test func overwritingStopsAtWhatIsNotSluices() throws {
    try train(try run(), .anew)
    let mine = try folder.write("mine", to: "out/step-00000002/notes.txt")
    #expect(refusal(try run(), .overwriting).contains("notes.txt: was not written by sluice"))
    try FileManager.default.removeItem(atPath: mine)
    let manifest = folder.file("out/step-00000003/manifest.json")
    try FileManager.default.moveItem(atPath: manifest, toPath: folder.file("manifest"))
    #expect(refusal(try run(), .overwriting).contains("was not written by sluice"))
    try FileManager.default.moveItem(atPath: folder.file("manifest"), toPath: manifest)
    let config = fixture("checkpoints/gpt2-tiny/config.json")
    let source = try run([
      config: "{config: \(config), checkpoint: FOLDER/out/step-00000003}"
    ])
    #expect(refusal(source, .overwriting).contains("is read by the run, and --overwrite would"))
    let data = try run(["FOLDER/log.jsonl": "FOLDER/rows.json", "FOLDER/out": "FOLDER/other"])
    for beginning in [RunBeginning.anew, .overwriting, .resumingIfAny] {
      #expect(refusal(data, beginning).contains("is not a log that sluice wrote"))
    }
    #expect(checkpoints.steps() == [1, 2, 3])
  }

  /// What a person wrote under the name of an output is no log of sluice's, however much it looks like one.
  @Test(arguments: [
    "my precious notes\n", "{\"step\":1,\"prompt\":\"mine\"}\n{\"my\":1}\n",
    "{\"step\": 1, \"mine\": 2}\n",
    "{\"run\": \"mine\"}\n", "{\"run\": \"unended",
  ])
  func aPersonsFileIsNoLog(text: String) throws {
    let mine = try folder.write(text, to: "mine.jsonl")
    for beginning in [RunBeginning.anew, .overwriting, .resumingIfAny] {
      let said = refusal(try run(["FOLDER/log.jsonl": mine]), beginning)
      #expect(said.contains("mine.jsonl: is not a log that sluice wrote"), "\(said)")
      #expect(said.contains("give log.file another name"))
      var sampling = try run()
      sampling.log.samples = mine
      let other = refusal(sampling, beginning)
      #expect(other.contains("mine.jsonl: is not a log that sluice wrote"), "\(other)")
      #expect(other.contains("give log.samples another name"))
      #expect(
        refusal { _ = try RunFile.clearPlaces(of: [sampling]) }.contains("is not a log"))
    }
    #expect(try contents(of: mine) == Array(text.utf8))
  }

  /// A checkpoint that somebody has put a file into stays, whatever `keep` says.
  @Test func keepingLeavesWhatPeopleAdded() throws {
    let few = try run(["keep: 9": "keep: 1"])
    try train(few, .anew)
    #expect(checkpoints.steps() == [3])
    _ = try folder.write("mine", to: "out/step-00000003/notes.txt")
    try train(try run(["keep: 9": "keep: 1", "steps: 3": "steps: 5"]), .resuming)
    #expect(checkpoints.steps() == [3, 5])
  }

  // MARK: - Going on

  @Test func goesOnFromTheNewestGoodOne() throws {
    #expect(try train(try run(), .resumingIfAny).contains { $0.contains("the run begins anew") })
    let whole = try steps(of: "log.jsonl").map(loss)
    for (step, file) in [(3, "model-00001-of-00001.safetensors"), (2, "state.json")] {
      let path = folder.file("out/step-0000000\(step)/\(file)")
      var bytes = try contents(of: path)
      bytes[bytes.count / 2] ^= 1
      try Data(bytes).write(to: URL(fileURLWithPath: path))
    }
    #expect(refusal { try train(try run(), .resuming) }.contains("was altered"))
    let partial = folder.file("out/.step-00000004.partial")
    try FileManager.default.createDirectory(atPath: partial, withIntermediateDirectories: false)
    let notices = try train(try run(), .resumingIfAny)
    for text in [
      "step-00000003/model-00001-of-00001.safetensors", "set aside as step-00000003.damaged",
      "step-00000002/state.json", "set aside as step-00000002.damaged", "half-written",
    ] {
      #expect(notices.contains { $0.contains(text) }, "\(text) in \(notices)")
    }
    #expect(
      try names("out") == [
        "step-00000001", "step-00000002", "step-00000002.damaged", "step-00000003",
        "step-00000003.damaged",
      ])
    let again = try steps(of: "log.jsonl").map(loss)
    #expect(again == whole)
  }

  /// A line of the log without what depends on time.
  private func loss(_ line: String) -> Substring {
    line.split(separator: ", \"wall_time\"")[0]
  }

  @Test func onlyDamagedOnesAreNoReasonToBeginAnew() throws {
    try train(try run(), .anew)
    for step in 1...3 {
      try FileManager.default.removeItem(
        atPath: folder.file("out/step-0000000\(step)/optimizer-00001-of-00001.safetensors"))
    }
    let said = refusal { try train(try run(), .resumingIfAny) }
    #expect(said.contains("holds no good checkpoint") && said.contains("optimizer-00001"))
    #expect(checkpoints.steps() == [1, 2, 3])
  }

  /// A process that was killed between the two renames of a replacement left the older one hidden.
  @Test func aHiddenCheckpointGetsItsNameBack() throws {
    try train(try run(), .anew)
    try FileManager.default.moveItem(
      atPath: folder.file("out/step-00000003"), toPath: folder.file("out/.step-00000003.replaced"))
    try train(try run(["steps: 3": "steps: 4"]), .resuming)
    #expect(checkpoints.steps() == [1, 2, 3, 4])
    #expect(try steps(of: "log.jsonl").count == 4)
  }

  /// What looks like a hidden checkpoint and bears no name that sluice gives is a person's.
  @Test func hiddenNamesOfOthersStay() throws {
    let mine = [
      ".step-00000009", ".step-00000009.mine", ".step-9.partial", ".step-00000009.partial.old",
      ".step-notes.replaced", ".step-by-step.md",
    ]
    for name in mine + [".step-00000009.partial", ".step-00000009.removed"] {
      try FileManager.default.createDirectory(
        atPath: folder.file("out/\(name)"), withIntermediateDirectories: true)
      _ = try folder.write("mine", to: "out/\(name)/notes.txt")
    }
    try train(try run(), .anew)
    #expect(try names("out").filter { $0.hasPrefix(".") } == mine.sorted())
    for name in mine { #expect(try names("out/\(name)") == ["notes.txt"]) }
    try train(try run(), .overwriting)
    #expect(try names("out").filter { $0.hasPrefix(".") } == mine.sorted())
  }

  @Test func changedSettingsAreSaid() throws {
    try train(try run(), .anew)
    #expect(try train(try run(), .resuming).filter { $0.contains(" was ") }.isEmpty)
    let other = try run([
      "global-batch: 2": "global-batch: 4", "0.95": "0.99", "0.01": "0.02", "steps: 3": "steps: 4",
    ])
    let notices = try train(other, .resuming).filter { $0.contains(" was ") }
    #expect(
      notices == [
        "steps was 3 up to here and is 4 from here on",
        "plan.global-batch was 2 up to here and is 4 from here on",
        "optimizer.betas was [0.9, 0.95] up to here and is [0.9, 0.99] from here on",
        "learning-rate was 0.01 up to here and is 0.02 from here on",
      ])
    let shorter = try run(["sequence-length: 4": "sequence-length: 3"])
    #expect(
      shorter.settings.changes(since: try run().settings)
        == ["plan.sequence-length was 4 up to here and is 3 from here on"])
    #expect(shorter.settings.changes(since: nil).isEmpty)
  }

  // MARK: - Locks

  @Test func twoRunsAreKeptApart() throws {
    let prepared = try PreparedRun(try run(), ranks: 1)
    let said = try withRanksAsThreads(1, timeout: Launch.hangLimit) { communicator in
      let first = try TrainingRun(prepared, communicator)
      _ = try first.step()
      // Another folder and the same log, too.
      let others = [try run(), try run(["FOLDER/out": "FOLDER/other"])]
      let said = others.flatMap { other in
        [
          refusal { try other.place.check(.overwriting) },
          refusal { try train(other, .overwriting) },
        ]
      }
      try first.finish()
      return said
    }[0]
    let busy = "is in use by another run, process \(getpid()) on "
    for (text, place) in zip(said, ["out", "out", "log.jsonl", "log.jsonl"]) {
      #expect(text.contains("/\(place): \(busy)"), "\(text)")
    }
    #expect(try names("out") == ["step-00000001", "step-00000002", "step-00000003"])
    #expect(try names(".").filter { $0.contains("lock") }.isEmpty)
    try train(try run(["steps: 3": "steps: 4"]), .resuming)
  }

  private var host: String {
    let text = (try? String(contentsOfFile: "/proc/sys/kernel/hostname", encoding: .utf8)) ?? ""
    return text.trimmingCharacters(in: .newlines)
  }

  private func lock(_ text: String) throws {
    try FileManager.default.createDirectory(
      atPath: folder.file("out"), withIntermediateDirectories: true)
    _ = try folder.write(text, to: "out/sluice.lock")
  }

  @Test func staleLocksAreRecognised() throws {
    try lock("{\"host\": \"\(host)\", \"process\": 1}\n")
    let notices = try train(try run(), .anew)
    #expect(notices.contains { $0.hasPrefix("process 1 on \(host) is gone") }, "\(notices)")
    // Killed before it could write its name.
    try lock("")
    try train(try run(["steps: 3": "steps: 4"]), .resuming)
    #expect(try !names("out").contains("sluice.lock"))
  }

  @Test func anotherHostsLockIsLeftToPeople() throws {
    try lock("{\"host\": \"elsewhere\", \"process\": 77}\n")
    let said = refusal(try run(), .anew)
    #expect(said.contains("process 77 on elsewhere; if that is gone, remove "), "\(said)")
    #expect(said.hasSuffix("out/sluice.lock"))
    try lock("my own notes")
    #expect(refusal(try run(), .anew).contains("is not a lock that sluice wrote"))
    #expect(try contents(of: folder.file("out/sluice.lock")) == Array("my own notes".utf8))
  }

  /// Somebody removed the locks by hand, and other runs have taken the place meanwhile.
  @Test func anothersLockIsNotRemoved() throws {
    let prepared = try PreparedRun(try run(), ranks: 1)
    let locks = ["out/sluice.lock", "log.jsonl.lock"]
    _ = try withRanksAsThreads(1, timeout: Launch.hangLimit) { communicator in
      let first = try TrainingRun(prepared, communicator)
      for path in locks {
        try FileManager.default.removeItem(atPath: folder.file(path))
        _ = try folder.write("another's", to: path)
      }
      try first.finish()
    }
    for path in locks { #expect(try contents(of: folder.file(path)) == Array("another's".utf8)) }
  }
}
