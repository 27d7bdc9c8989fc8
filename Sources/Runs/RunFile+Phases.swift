import Checkpoints
import Documents
import Foundation

extension RunFile {
  /// The run as a phase of a longer one: its outputs bear its name, and it starts where the phase before
  /// ended.
  ///
  /// - Parameters:
  ///   - earlier: the phases before it.
  ///   - own: the phase's own table.
  /// - Throws: `ConfigurationError` that names file, line and key.
  func asPhase(behind earlier: [RunFile], _ own: Table) throws(ConfigurationError) -> RunFile {
    guard own.contains("name") else { throw own.error("required key is missing", at: "name") }
    guard isPlainName(name) else {
      throw own.error("must be a name that a folder can have", at: "name")
    }
    if let index = earlier.firstIndex(where: { $0.name == name }) {
      throw own.error("is the name of phases[\(index)], too: each has its own", at: "name")
    }
    var phase = self
    if let folder = checkpoints?.folder { phase.checkpoints?.folder = "\(folder)/\(name)" }
    phase.log.file = log.file.map { Self.path($0, naming: name) }
    phase.log.tensorboard = log.tensorboard.map { "\($0)/\(name)" }
    phase.log.samples = log.samples.map { Self.path($0, naming: name) }
    var sum = Checksum()
    sum.add(Array("\(checksum) \(name)".utf8))
    phase.checksum = sum.value
    guard let before = earlier.last else { return phase }
    guard plan.worldSize == before.plan.worldSize else {
      throw own.error(
        "has \(plan.worldSize) ranks, and the phase before has \(before.plan.worldSize)", at: "plan"
      )
    }
    if own.contains("model"), model.checkpoint != nil { return phase }
    guard let folder = before.checkpoints?.folder else {
      throw own.error(
        "cannot start from \(before.name), which writes no checkpoint (checkpoints)", at: "model")
    }
    if let difference = before.model.architecture.difference(from: model.architecture) {
      throw own.error(
        "cannot start from \(before.name), which is of another model: \(difference)", at: "model")
    }
    // A run's last step is always followed by a checkpoint.
    phase.model.checkpoint = CheckpointFolder(path: folder).checkpoint(atStep: before.steps)
    return phase
  }

  /// The run as it can be looked at before the phases in front of it are done.
  public var withoutCheckpoint: RunFile {
    var run = self
    run.model.checkpoint = nil
    return run
  }

  /// `runs/log.jsonl` as `runs/log.NAME.jsonl`.
  private static func path(_ path: String, naming name: String) -> String {
    let url = URL(fileURLWithPath: path)
    let stem = path.dropLast(url.pathExtension.isEmpty ? 0 : url.pathExtension.count + 1)
    return url.pathExtension.isEmpty ? "\(stem).\(name)" : "\(stem).\(name).\(url.pathExtension)"
  }
}
