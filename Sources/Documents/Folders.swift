import Foundation

/// Makes a folder with those around it, where they are not there yet.
///
/// - Returns: the ones that it made, outermost first.
package func makeFolder(_ folder: String) throws(CheckpointError) -> [String] {
  var made: [String] = []
  do throws(SystemError) {
    var missing: [String] = []
    var path = folder
    while try !exists(path), path != parentFolder(of: path) {
      missing.append(path)
      path = parentFolder(of: path)
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
package func move(_ source: String, to target: String) throws(CheckpointError) {
  _ = try naming(source, "cannot be renamed to \(target)") { () throws(SystemError) in
    try systemCall { rename(source, target) }
  }
}

/// Forces a folder's list of names to the disk.
package func synchronizeFolder(_ path: String) throws(CheckpointError) {
  let descriptor = try naming(path, "cannot be opened") { () throws(SystemError) in
    try systemCall { open(path, O_RDONLY | O_CLOEXEC) }
  }
  defer { close(descriptor) }
  try naming(path, "cannot be written") { () throws(SystemError) in try synchronize(descriptor) }
}

/// The folder that a path lies in.
package func parentFolder(of path: String) -> String {
  URL(fileURLWithPath: path).deletingLastPathComponent().path
}

/// The last part of a path.
package func lastName(of path: String) -> String { URL(fileURLWithPath: path).lastPathComponent }

/// A file's length in bytes; 0 where there is none.
package func fileSize(_ path: String) -> Int {
  var status = stat()
  return stat(path, &status) == 0 ? Int(status.st_size) : 0
}

/// Whether `name` names something in the folder itself, and not elsewhere.
package func isPlainName(_ name: String) -> Bool {
  !name.isEmpty && name != "." && name != ".." && !name.utf8.contains(UInt8(ascii: "/"))
    && !name.utf8.contains(0)
}
