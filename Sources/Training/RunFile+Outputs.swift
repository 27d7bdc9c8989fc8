import Checkpoints
import Documents
import Runs

extension RunFile {
  /// Looks at the files that the run writes beside its checkpoints, before its first step.
  ///
  /// - Parameter trace: where a trace of one step goes, if one is wanted.
  /// - Returns: the place of the trace.
  /// - Throws: `ConfigurationError` where a file may not be written.
  public func checkOutputs(trace: String?) throws(ConfigurationError) -> OutputPath? {
    let reserved = inputs + place.locks.map(\.path)
    if let path = log.file {
      try checkPlace(try OutputPath(path, besides: reserved, makingFolders: true))
    }
    if let path = log.samples {
      let others = reserved + [log.file].compactMap { $0 }
      try checkPlace(try OutputPath(path, besides: others, makingFolders: true))
    }
    if let folder = log.tensorboard {
      let path = "\(folder)/\(EventFile.name(number: 1, afterStep: 0))"
      try checkPlace(try OutputPath(path, besides: reserved, makingFolders: true))
    }
    guard let trace else { return nil }
    let place = try OutputPath(
      trace, besides: reserved + [log.file, log.samples].compactMap { $0 })
    try checkPlace(place)
    return place
  }

  /// Refuses a file within a checkpoint, which would go with it or keep it from going.
  private func checkPlace(_ output: OutputPath) throws(ConfigurationError) {
    guard let folder = checkpoints?.folder, let names = output.names(within: folder),
      let first = names.first, names.count > 1,
      CheckpointFolder.step(ofName: first) ?? CheckpointFolder.hidden(ofName: first)?.step != nil
    else { return }
    throw ConfigurationError(
      file: output.name, rule: "cannot be written: it lies in \(first), a checkpoint of the run")
  }
}
