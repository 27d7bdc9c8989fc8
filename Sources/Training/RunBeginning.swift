import Documents
import Runs

/// How a run begins where it writes.
public enum RunBeginning: Hashable, Sendable {
  /// At its first step, where no other run has written.
  case anew
  /// At its first step; checkpoints and log of an earlier run are removed.
  case overwriting
  /// Behind the newest checkpoint, which must be there and good.
  case resuming
  /// Behind the newest good checkpoint; at the first step if there is no checkpoint at all.
  case resumingIfAny

  /// Whether it goes on from a checkpoint if there is one.
  var resumes: Bool { self == .resuming || self == .resumingIfAny }
}

extension RunFile {
  /// Refuses to go on where the run keeps nothing to go on from.
  public func check(_ beginning: RunBeginning) throws(ConfigurationError) {
    if beginning.resumes, checkpoints == nil {
      throw ConfigurationError(
        file: file, keyPath: "checkpoints", rule: "is missing: there is nothing to resume")
    }
  }
}
