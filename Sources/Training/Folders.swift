import Documents
import Foundation

/// Makes a folder with those around it, where they are not there yet.
///
/// - Returns: the ones that it made, outermost first.
func makeFolder(_ folder: String) throws(CheckpointError) -> [String] {
  var made: [String] = []
  do throws(SystemError) {
    var missing: [String] = []
    var path = folder
    while try !exists(path), path != RunPlace.parent(of: path) {
      missing.append(path)
      path = RunPlace.parent(of: path)
    }
    for path in missing.reversed() {
      do throws(SystemError) {
        try systemCall { mkdir(path, 0o777) }
        made.append(path)
      } catch {
        // Another process was faster.
        guard error.code == EEXIST else { throw error }
      }
    }
  } catch {
    for path in made.reversed() { rmdir(path) }
    throw CheckpointError(.system, file: folder, rule: "cannot be created: \(error.message)")
  }
  var status = stat()
  guard stat(folder, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
    throw CheckpointError(
      .system, file: folder, rule: "is not a folder, and checkpoints or a log should go into it")
  }
  return made
}

private func exists(_ path: String) throws(SystemError) -> Bool {
  var status = stat()
  do throws(SystemError) {
    try systemCall { stat(path, &status) }
  } catch {
    if error.code == ENOENT { return false }
    throw error
  }
  return true
}

/// Renames a file or folder.
func move(_ source: String, to target: String) throws(CheckpointError) {
  _ = try naming(source, "cannot be renamed to \(target)") { () throws(SystemError) in
    try systemCall { rename(source, target) }
  }
}

/// Forces a folder's list of names to the disk.
func synchronizeFolder(_ path: String) throws(CheckpointError) {
  let descriptor = try naming(path, "cannot be opened") { () throws(SystemError) in
    try systemCall { open(path, O_RDONLY | O_CLOEXEC) }
  }
  defer { close(descriptor) }
  try naming(path, "cannot be written") { () throws(SystemError) in try synchronize(descriptor) }
}
