import Checkpoints
import Documents
import Runs

extension RunFile {
  /// Removes what an earlier run left where this one writes, once, before its ranks start: its checkpoints,
  /// and the lines of its log and samples.
  ///
  /// A run that is started again and again begins with this; whoever of its starts overwrote would remove what
  /// those before had done, and whoever did not would go on from a later phase of the earlier run.
  ///
  /// - Returns: what people should know.
  /// - Throws: `CheckpointError` where something is in use, not sluice's own, or read by the run.
  public func clearPlace() throws(CheckpointError) -> [String] {
    let (locks, notices) = try place.take(.overwriting)
    for path in [log.file, log.samples].compactMap({ $0 }) where fileSize(path) > 0 {
      do throws(ConfigurationError) {
        let file = try OutputFile(OutputPath(path, besides: inputs), limit: .max)
        try file.close()
      } catch {
        throw CheckpointError(.system, file: path, rule: error.rule)
      }
    }
    // Held until here.
    withExtendedLifetime(locks) {}
    return notices
  }
}
