import Checkpoints
import Documents
import Foundation
import MessagePassing
import Runs
import TestSupport
import Training

/// Suites that train a tiny run in a folder of their own.
protocol SmallRuns {
  var folder: ScratchFolder { get }
}

extension SmallRuns {
  /// One rank, three steps, a checkpoint after each.
  func run(_ change: [String: String] = [:]) throws -> RunFile {
    _ = try folder.write("[[1,2,3,4,5],[5,4,3,2,1],[7,7,7,8,8],[9,1,9,1,9]]", to: "rows.json")
    var text = """
      model: \(fixture("checkpoints/gpt2-tiny/config.json"))
      data: rows.json
      plan: {global-batch: 2, sequence-length: 4}
      optimizer: {betas: [0.9, 0.95]}
      learning-rate: 0.01
      steps: 3
      checkpoints: {folder: FOLDER/out, every: 1, keep: 9}
      log: {file: FOLDER/log.jsonl}
      """
    for (mark, other) in change { text = text.replacingOccurrences(of: mark, with: other) }
    text = text.replacingOccurrences(of: "FOLDER", with: folder.path)
    return try RunFile.read(path: folder.write(text, to: "run.yaml"))
  }

  /// Trains to the end, and says what people should know.
  @discardableResult func train(_ run: RunFile, _ beginning: RunBeginning) throws
    -> [String]
  {
    let prepared = try PreparedRun(run, ranks: 1)
    return try withRanksAsThreads(1, timeout: Launch.hangLimit) { communicator in
      let training = try TrainingRun(prepared, communicator, beginning)
      try training.finish()
      return training.notices
    }[0]
  }

  func refusal(_ body: () throws -> Void) -> String {
    do { try body() } catch let error as CheckpointError { return "\(error)" } catch {}
    return "no error of a checkpoint"
  }

  var checkpoints: CheckpointFolder { CheckpointFolder(path: folder.file("out")) }

  func names(_ path: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder.file(path)).sorted()
  }

  /// The lines of a log, its headers among them.
  func lines(of log: String) throws -> [String] {
    let text = String(decoding: try contents(of: folder.file(log)), as: UTF8.self)
    return text.split(separator: "\n").map(String.init)
  }

  /// The lines of a log that are of steps.
  func steps(of log: String) throws -> [String] {
    try lines(of: log).filter { $0.hasPrefix("{\"step\": ") }
  }
}
