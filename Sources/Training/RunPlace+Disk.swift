import Checkpoints
import Documents
import Foundation

extension RunPlace {
  /// Makes the folder and a file in it, and removes what it made: only that tells whether it can be.
  ///
  /// Permissions as they are listed do not say it of a network's file system, nor of a full one.
  static func probe(_ folder: String) throws(CheckpointError) {
    let made = try makeFolder(folder)
    defer { for path in made.reversed() { rmdir(path) } }
    let path = "\(folder)/.sluice-\(getpid())"
    let descriptor = try naming(folder, "cannot be written") { () throws(SystemError) in
      try systemCall { open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644) }
    }
    close(descriptor)
    unlink(path)
  }

  /// A log can be made, or the one that is there is a log of sluice's.
  ///
  /// - Parameter key: what names it in a run file.
  func checkLog(_ path: String, _ key: String) throws(CheckpointError) {
    guard FileManager.default.fileExists(atPath: path) else {
      return try Self.probe(parentFolder(of: path))
    }
    guard try MetricsLog.isLog(path) else {
      throw CheckpointError(
        .system, file: path,
        rule: "is not a log that sluice wrote, and is not overwritten: give \(key) another name")
    }
  }

  /// Bytes that the file system of a folder has left for this user; nil where it does not say.
  private static func freeBytes(_ folder: String) -> Int? {
    var path = folder
    var status = statvfs()
    while statvfs(path, &status) != 0 {
      guard errno == ENOENT, path != parentFolder(of: path) else { return nil }
      path = parentFolder(of: path)
    }
    // Some say 0 blocks altogether where they do not know.
    guard status.f_blocks > 0 else { return nil }
    return Int(
      clamping: UInt64(status.f_bavail).multipliedReportingOverflow(
        by: UInt64(status.f_frsize)
      ).partialValue)
  }

  /// There is room for a checkpoint.
  func checkSpace(
    _ folder: CheckpointFolder, _ beginning: RunBeginning
  ) throws(CheckpointError) {
    guard var free = Self.freeBytes(folder.path) else { return }
    if beginning == .overwriting {
      free += folder.steps().reduce(0) { $0 + folder.bytes(atStep: $1) }
    }
    guard free < checkpointBytes else { return }
    throw CheckpointError(
      .system, file: folder.path,
      rule: "has room for \(mebibytes(free)) MiB, and a checkpoint takes "
        + "\(mebibytes(checkpointBytes))")
  }

  /// What to say where there is not room for as many checkpoints as are to be kept, and one that grows.
  func spaceNotice(_ folder: CheckpointFolder) -> [String] {
    guard let free = Self.freeBytes(folder.path), checkpointBytes > 0 else { return [] }
    let room = free / checkpointBytes
    let wanted = keep + 1 - folder.steps().count
    guard room < wanted else { return [] }
    return [
      "\(folder.path) has room for \(room) more checkpoints of \(mebibytes(checkpointBytes)) "
        + "MiB, and to keep \(keep) while one grows takes \(wanted)"
    ]
  }
}

/// Bytes in MiB with a decimal, for people.
public func mebibytes(_ bytes: Int) -> String {
  String(format: "%.1f", Double(bytes) / 1_048_576)
}
