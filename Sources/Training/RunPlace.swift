import Checkpoints
import Documents
import Foundation
import Models
import Runs

/// Where a run writes: the folder of its checkpoints, its log and its samples.
///
/// Whether it can be used is found out before the first step, and nothing that another run or a
/// person has put there is touched unless that was asked for.
public struct RunPlace: Hashable, Sendable {
  /// nil where no checkpoint is written.
  public var folder: CheckpointFolder?
  /// nil where no log is written.
  public var log: String?
  /// nil where no completions are logged.
  var samples: String?
  /// Checkpoints that are kept.
  var keep: Int
  /// The bytes of one checkpoint, but for its texts.
  package var checkpointBytes: Int
  /// The files that the run reads; never removed.
  var inputs: [String]
}

extension RunFile {
  /// Where the run writes.
  public var place: RunPlace {
    RunPlace(
      folder: checkpoints.map { CheckpointFolder(path: $0.folder) }, log: log.file,
      samples: log.samples, keep: checkpoints?.keep ?? 1,
      checkpointBytes: model.architecture.checkpointBytes,
      inputs: inputs)
  }
}

extension RunPlace {
  /// Finds out whether a run can begin here, and leaves everything as it is.
  ///
  /// - Throws: `CheckpointError` if the place cannot be written, has no room for a checkpoint, is in
  ///   use, or holds what this beginning would spoil.
  public func check(_ beginning: RunBeginning) throws(CheckpointError) {
    try checkUse()
    for (path, what) in locks { try RunLock.check(path: path, for: what) }
    if let folder { try checkSpace(folder, beginning) }
    try checkContents(beginning)
  }

  /// The folder and the logs can be written.
  private func checkUse() throws(CheckpointError) {
    if let folder { try Self.probe(folder.path) }
    if let log { try checkLog(log, "log.file") }
    if let samples { try checkLog(samples, "log.samples") }
  }

  /// Makes the place this process's own, as `beginning` says.
  ///
  /// - Returns: locks, which hold as long as they live, and what people should know.
  /// - Throws: `CheckpointError`, as `check` does.
  func take(
    _ beginning: RunBeginning
  ) throws(CheckpointError) -> (locks: [RunLock], notices: [String]) {
    try checkUse()
    if let folder { _ = try makeFolder(folder.path) }
    if let log { _ = try makeFolder(parentFolder(of: log)) }
    var held: [RunLock] = []
    for (path, what) in locks { held.append(try RunLock(path: path, for: what)) }
    var notices = held.compactMap(\.notice)
    if let folder { try checkSpace(folder, beginning) }
    try checkContents(beginning)
    guard let folder else { return (held, notices) }
    notices += try folder.recover()
    if beginning == .overwriting { notices += try folder.removeAll() }
    notices += spaceNotice(folder)
    return (held, notices)
  }

  /// The files that tell other runs to stay away, and what they are for.
  var locks: [(path: String, what: String)] {
    var result: [(path: String, what: String)] = []
    if let folder { result.append(("\(folder.path)/sluice.lock", folder.path)) }
    if let log { result.append(("\(log).lock", log)) }
    return result
  }

  /// What is there already goes with this beginning.
  private func checkContents(_ beginning: RunBeginning) throws(CheckpointError) {
    let steps = folder?.recoverableSteps() ?? []
    switch beginning {
    case .anew:
      if let folder, let newest = steps.last.map(folder.checkpoint) {
        throw CheckpointError(
          .system, file: folder.path,
          rule: "holds \(steps.count == 1 ? "a checkpoint" : "checkpoints") of an earlier run "
            + "(the newest is \(lastName(of: newest))): --resume goes on from it, --overwrite removes "
            + "them, and --set checkpoints.folder=… leaves them alone")
      }
      if let log, fileSize(log) > 0 {
        throw CheckpointError(
          .system, file: log,
          rule: "is the log of an earlier run: --overwrite removes it, and --set log.file=… leaves "
            + "it alone")
      }
    case .overwriting: try checkRemovable()
    case .resuming:
      if let folder, steps.isEmpty {
        throw CheckpointError(.system, file: folder.path, rule: "holds no checkpoint to resume")
      }
    case .resumingIfAny: break
    }
  }

  /// All that would be removed is sluice's own, and is not what the run reads.
  private func checkRemovable() throws(CheckpointError) {
    guard let folder else { return }
    let stepsRead = stepsRead
    for step in folder.steps() {
      let path = folder.checkpoint(atStep: step)
      if let stray = CheckpointFolder.foreignFile(in: path) {
        throw CheckpointError(
          .system, file: "\(path)/\(stray)",
          rule: "was not written by sluice, and --overwrite removes only what was: move it away")
      }
      if let read = stepsRead[step] {
        throw CheckpointError(
          .system, file: read,
          rule: "is read by the run, and --overwrite would remove it with \(lastName(of: path)): "
            + "give the run another checkpoints.folder")
      }
    }
  }

  /// The folder's checkpoints of which the run itself reads something, by whatever name or link, each
  /// with a file that is read.
  var stepsRead: [Int: String] {
    guard let own = folder.flatMap({ resolvedPath($0.path) }) else { return [:] }
    var steps: [Int: String] = [:]
    for input in inputs {
      guard let path = resolvedPath(input), path.hasPrefix(own + "/"),
        let name = path.dropFirst(own.count + 1).split(separator: "/").first,
        let step = CheckpointFolder.step(ofName: String(name))
      else { continue }
      steps[step] = steps[step] ?? input
    }
    return steps
  }
}
