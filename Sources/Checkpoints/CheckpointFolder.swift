import Documents
import Foundation

/// The folder of a run's checkpoints: one folder for each, `step-00000100`, and nothing visible
/// that is not whole.
///
/// What is being written, replaced or removed bears a name that begins with a point, so a process
/// that is killed at any moment leaves only names that are passed over.
public struct CheckpointFolder: Hashable, Sendable {
  public let path: String

  /// The folder at a path, which need not exist yet.
  public init(path: String) { self.path = path }

  /// The steps of the checkpoints that are there, ascending.
  public func steps() -> [Int] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    return names.compactMap(Self.step).sorted()
  }

  /// The path of the newest checkpoint; nil if there is none.
  public var latest: String? { steps().last.map(checkpoint) }

  /// The path of the checkpoint after a step.
  public func checkpoint(atStep step: Int) -> String { "\(path)/\(Self.name(ofStep: step))" }

  package static func name(ofStep step: Int) -> String {
    "step-" + String(repeating: "0", count: max(0, 8 - String(step).count)) + String(step)
  }

  package static func step(ofName name: String) -> Int? {
    guard name.hasPrefix("step-"), let step = Int(name.dropFirst(5)), step >= 0,
      Self.name(ofStep: step) == name
    else { return nil }
    return step
  }

  /// What a checkpoint is whose folder is hidden, as the end of the folder's name says.
  package enum Hidden: String, Hashable, Sendable {
    /// It grows.
    case partial
    /// It gives way to another one of the same step.
    case replaced
    /// It goes.
    case removed
  }

  /// The hidden folder of the checkpoint after a step: `.step-00000100.partial`.
  func hidden(atStep step: Int, _ kind: Hidden) -> String {
    "\(path)/.\(Self.name(ofStep: step)).\(kind.rawValue)"
  }

  /// What the name of a hidden folder says; nil for every name that sluice does not give.
  package static func hidden(ofName name: String) -> (step: Int, kind: Hidden)? {
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 3, parts[0].isEmpty, let step = step(ofName: String(parts[1])),
      let kind = Hidden(rawValue: String(parts[2]))
    else { return nil }
    return (step, kind)
  }

  /// The folder in which the checkpoint after a step grows.
  func partial(atStep step: Int) -> String { hidden(atStep: step, .partial) }

  /// Makes the folder and an empty one for a new checkpoint, and clears what earlier processes
  /// left unfinished.
  func begin(step: Int) throws(CheckpointError) {
    _ = try makeFolder(path)
    _ = try recover()
    let partial = partial(atStep: step)
    _ = try naming(partial, "cannot be created") { () throws(SystemError) in
      try systemCall { mkdir(partial, 0o777) }
    }
    try synchronizeFolder(path)
  }

  /// Gives the finished folder its name, forces that to the disk and removes the oldest
  /// checkpoints beyond `keep`, but for those that are spared.
  func commit(step: Int, keep: Int, sparing spared: Set<Int> = []) throws(CheckpointError) {
    precondition(keep >= 1)
    let final = checkpoint(atStep: step)
    try synchronizeFolder(partial(atStep: step))
    let replaces = FileManager.default.fileExists(atPath: final)
    if replaces { try move(final, to: hidden(atStep: step, .replaced)) }
    try move(partial(atStep: step), to: final)
    try synchronizeFolder(path)
    if replaces { try? FileManager.default.removeItem(atPath: hidden(atStep: step, .replaced)) }
    // Never the one just written, even if checkpoints of later steps of an earlier run are there.
    for old in steps().dropLast(keep) where old != step && !spared.contains(old) {
      // Nor one that somebody has put something into.
      if Self.foreignFile(in: checkpoint(atStep: old)) == nil { try remove(old) }
    }
  }
}
