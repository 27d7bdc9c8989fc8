import Checkpoints
import Documents
import Foundation

extension RunFile {
  /// The run as a phase of a longer one: its outputs bear its name, and it starts where the phase before
  /// ended.
  ///
  /// - Parameters:
  ///   - earlier: the phases before it.
  ///   - keys: those that the phase's own table has.
  func asPhase(
    behind earlier: [RunFile], ownKeys keys: [String]
  ) throws(ConfigurationError) -> RunFile {
    func failure(_ key: String, _ rule: String) -> ConfigurationError {
      ConfigurationError(file: file, keyPath: "phases[\(earlier.count)].\(key)", rule: rule)
    }
    guard keys.contains("name") else { throw failure("name", "required key is missing") }
    guard isPlainName(name), !earlier.contains(where: { $0.name == name }) else {
      throw failure("name", "must be a name of its own that a folder can have")
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
      throw failure(
        "plan", "has \(plan.worldSize) ranks, and the phase before has \(before.plan.worldSize)")
    }
    if keys.contains("model"), model.checkpoint != nil { return phase }
    guard let folder = before.checkpoints?.folder else {
      throw failure(
        "model", "cannot start from \(before.name), which writes no checkpoint (checkpoints)")
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
