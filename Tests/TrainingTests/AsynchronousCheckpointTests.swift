import Checkpoints
import Foundation
import MessagePassing
import Runs
import TestSupport
import Testing
import Training

/// Checkpoints that are copied between two steps and written while the next ones run.
@Suite struct AsynchronousCheckpointTests: SmallRuns {
  let folder: ScratchFolder

  init() throws { folder = try ScratchFolder() }

  private func run(_ isAsynchronous: Bool, steps: Int = 6, ranks: Int = 2) throws -> RunFile {
    try run([
      "keep: 9}": "keep: 9, asynchronous: \(isAsynchronous)}", "steps: 3": "steps: \(steps)",
      "plan: {": "plan: {data-parallel: \(ranks), ",
    ])
  }

  private func train(_ run: RunFile, ranks: Int = 2, to last: Int = .max) throws {
    let prepared = try PreparedRun(run, ranks: ranks)
    _ = try withRanksAsThreads(ranks, timeout: Launch.hangLimit) { communicator in
      let training = try TrainingRun(prepared, communicator)
      while !training.isFinished, training.state.step < last { _ = try training.step() }
      try training.save()
    }
  }

  /// All files of all checkpoints.
  private func files() throws -> [String: Data] {
    var files: [String: Data] = [:]
    for name in try FileManager.default.subpathsOfDirectory(atPath: folder.file("out")) {
      files[name] = FileManager.default.contents(atPath: folder.file("out/\(name)"))
    }
    return files.filter { !$0.key.hasSuffix("state.json") && !$0.key.hasSuffix("manifest.json") }
  }

  /// The numbers of each step's end, though later steps ran while they were written: the files of a run
  /// that waits for each.
  @Test func holdsWhatTheStepLeft() throws {
    try train(run(false))
    let expected = try files()
    #expect(expected.keys.count { $0.hasSuffix("/config.json") } == 6)
    try FileManager.default.removeItem(atPath: folder.path + "/out")
    try FileManager.default.removeItem(atPath: folder.path + "/log.jsonl")
    try train(run(true))
    #expect(try files() == expected)
    #expect(checkpoints.steps() == [1, 2, 3, 4, 5, 6])
    for step in checkpoints.steps() {
      try CheckpointReader(path: checkpoints.checkpoint(atStep: step)).verify()
    }
  }

  /// What is asked for between two steps is there when it is said to be.
  @Test func aStopWaitsForIt() throws {
    try train(run(true, steps: 1000), to: 3)
    #expect(checkpoints.steps() == [1, 2, 3])
    #expect(try names("out").filter { $0.hasPrefix(".") }.isEmpty)
  }

  /// The last step ends when its checkpoint is written: nothing else has to be asked for.
  @Test func theLastOneIsWaitedFor() throws {
    let run = try run(true, steps: 5)
    let prepared = try PreparedRun(run, ranks: 2)
    let found = try withRanksAsThreads(2, timeout: Launch.hangLimit) { communicator in
      let training = try TrainingRun(prepared, communicator)
      while !training.isFinished { _ = try training.step() }
      // Seen by every rank as soon as its last step is over.
      return checkpoints.steps()
    }
    #expect(found == Array(repeating: [1, 2, 3, 4, 5], count: 2))
    #expect(try names("out").filter { $0.hasPrefix(".") }.isEmpty)
    try CheckpointReader(path: checkpoints.checkpoint(atStep: 5)).verify()
  }

  /// A rank whose part never comes is named when the time for messages has passed, whoever waits for it.
  @Test(arguments: [0, 1]) func aMissingPartIsNotWaitedForForEver(waiting: Int) throws {
    let run = try run([
      "every: 1, keep: 9}": "every: 100, keep: 9, asynchronous: true}", "steps: 3": "steps: 9",
      "plan: {": "plan: {data-parallel: 2, ",
    ])
    let prepared = try PreparedRun(run, ranks: 2)
    var message = "no error"
    do {
      _ = try withRanksAsThreads(2, timeout: .seconds(1)) { communicator in
        let training = try TrainingRun(prepared, communicator)
        _ = try training.step()
        // The other one does not know of a checkpoint.
        if communicator.rank == waiting { try training.save() }
      }
    } catch let error as MPIError { message = "\(error)" }
    let other = 1 - waiting
    #expect(
      message
        == "rank \(waiting) waits for rank \(other) (its part of the checkpoint of step 1): "
        + "not done after 1 s; rank \(other) is not waiting")
    #expect(checkpoints.steps().isEmpty)
  }

  /// A disk that refuses ends the run at a later step, and the checkpoints before stay.
  @Test func whatCannotBeWrittenIsSaid() throws {
    let run = try run(true, steps: 1000, ranks: 1)
    let prepared = try PreparedRun(run, ranks: 1)
    let message = refusal {
      _ = try withRanksAsThreads(1, timeout: Launch.hangLimit) { communicator in
        let training = try TrainingRun(prepared, communicator)
        for _ in 0..<2 { _ = try training.step() }
        try training.save()
        // A file stands where the folder was.
        try? FileManager.default.removeItem(atPath: folder.file("out"))
        _ = FileManager.default.createFile(atPath: folder.file("out"), contents: Data([1]))
        while !training.isFinished { _ = try training.step() }
      }
    }
    #expect(message.contains("out"), "\(message)")
  }
}
