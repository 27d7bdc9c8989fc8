import Checkpoints
import Documents
import Runs

extension RunFile {
  /// Refuses to go on with phases where one has begun behind another step than the last one of the phase in
  /// front of it: more steps there would take away what it began from.
  ///
  /// - Throws: `CheckpointError` that names the later phase's folder.
  public static func checkOrder(of phases: [RunFile]) throws(CheckpointError) {
    for (index, run) in phases.enumerated().dropLast() {
      guard let folder = run.place.folder, let last = folder.steps().last,
        !folder.steps().contains(run.steps),
        let later = phases[(index + 1)...].first(where: { $0.place.folder?.latest != nil }),
        let begun = later.place.folder?.path
      else { continue }
      throw CheckpointError(
        .mismatched, file: begun,
        rule: "has begun, and \(run.name) in front of it stands behind step \(last) where the run "
          + "file has \(run.steps) steps: --overwrite begins the whole run anew, and without "
          + "\(begun) its phase does")
    }
    // A phase that was trained further has no checkpoint left that the next one begins from.
    for (run, next) in zip(phases, phases.dropFirst()) {
      guard let folder = run.place.folder, let last = folder.steps().last, last > run.steps,
        let parent = next.model.checkpoint, parent == folder.checkpoint(atStep: run.steps),
        !folder.steps().contains(run.steps)
      else { continue }
      throw CheckpointError(
        .mismatched, file: folder.path,
        rule: "stands behind step \(last), and the run file has \(run.steps) steps for "
          + "\(run.name), whose checkpoint is no longer there: say phases' steps as they were "
          + "trained, or --overwrite")
    }
  }
}
