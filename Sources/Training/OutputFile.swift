import Foundation

/// A file that is being written, whose every failure is an error that names it.
///
/// A class, since it owns a descriptor. `finish()` must be called before the bytes count as
/// written: only it forces them to the disk.
final class OutputFile {
  enum Mode {
    /// A new file; there must be none of the name.
    case new
    /// A file that several processes write parts of; whoever comes first creates it.
    case shared
    /// Lines are added behind those that are there.
    case append
  }

  let path: String
  private var descriptor: Int32

  init(path: String, mode: Mode = .new) throws(CheckpointError) {
    self.path = path
    let flags: Int32 =
      switch mode {
      case .new: O_WRONLY | O_CREAT | O_EXCL
      case .shared: O_WRONLY | O_CREAT
      case .append: O_WRONLY | O_CREAT | O_APPEND
      }
    descriptor = open(path, flags | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw CheckpointError(.system, file: path, rule: "cannot be created: \(systemMessage())")
    }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// Writes all bytes behind those written before, or from `offset` on.
  func write(
    _ bytes: UnsafeRawBufferPointer, at offset: Int? = nil
  ) throws(CheckpointError) {
    guard let base = bytes.baseAddress else { return }
    var done = 0
    while done < bytes.count {
      let length = min(bytes.count - done, 1 << 30)
      let written =
        if let offset {
          pwrite(descriptor, base + done, length, off_t(offset + done))
        } else {
          Foundation.write(descriptor, base + done, length)
        }
      if written < 0, errno == EINTR { continue }
      guard written > 0 else { throw failure("cannot be written") }
      done += written
    }
  }

  /// Writes all bytes of an array.
  func write(_ bytes: [UInt8], at offset: Int? = nil) throws(CheckpointError) {
    var failure: CheckpointError?
    bytes.withUnsafeBytes { buffer in
      do throws(CheckpointError) { try write(buffer, at: offset) } catch { failure = error }
    }
    if let failure { throw failure }
  }

  /// Forces the bytes to the disk and closes the file.
  func finish() throws(CheckpointError) {
    guard fsync(descriptor) == 0 || errno == EINVAL else { throw failure("cannot be written") }
    let result = close(descriptor)
    descriptor = -1
    guard result == 0 else { throw failure("cannot be written") }
  }

  private func failure(_ what: String) -> CheckpointError {
    CheckpointError(.system, file: path, rule: "\(what): \(systemMessage())")
  }

  /// Writes a whole file and forces it to the disk.
  static func write(_ bytes: [UInt8], to path: String) throws(CheckpointError) {
    let file = try OutputFile(path: path)
    try file.write(bytes)
    try file.finish()
  }
}

/// Removes a file if it is there.
func removeFile(_ path: String) { unlink(path) }
