import Foundation

/// A file that others may see while it grows.
///
/// A part of a checkpoint, whose folder gets its name when it is whole, or a log. What appears whole is
/// an `OutputFile`.
///
/// A class, since it owns a descriptor. `finish()` must be called before the bytes count as
/// written: only it forces them to the disk.
package final class GrowingFile {
  package enum Mode {
    /// A new file; there must be none of the name.
    case new
    /// A file that several processes write parts of; whoever comes first creates it.
    case shared
    /// Lines are added behind those that are there.
    case append
  }

  package let path: String
  private var descriptor: Int32

  package init(path: String, mode: Mode = .new) throws(CheckpointError) {
    self.path = path
    let flags: Int32 =
      switch mode {
      case .new: O_WRONLY | O_CREAT | O_EXCL
      case .shared: O_WRONLY | O_CREAT
      case .append: O_WRONLY | O_CREAT | O_APPEND
      }
    descriptor = try naming(path, "cannot be created") { () throws(SystemError) in
      try systemCall { open(path, flags | O_CLOEXEC, 0o644) }
    }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// Writes all bytes behind those written before, or from `offset` on.
  package func write(
    _ bytes: UnsafeRawBufferPointer, at offset: Int? = nil
  ) throws(CheckpointError) {
    guard let base = bytes.baseAddress else { return }
    var done = 0
    while done < bytes.count {
      let length = min(bytes.count - done, 1 << 30)
      done += try naming(path, "cannot be written") { () throws(SystemError) in
        try systemCall {
          if let offset {
            pwrite(descriptor, base + done, length, off_t(offset + done))
          } else {
            Foundation.write(descriptor, base + done, length)
          }
        }
      }
    }
  }

  /// Writes all bytes of an array.
  package func write(_ bytes: [UInt8], at offset: Int? = nil) throws(CheckpointError) {
    var failure: CheckpointError?
    bytes.withUnsafeBytes { buffer in
      do throws(CheckpointError) { try write(buffer, at: offset) } catch { failure = error }
    }
    if let failure { throw failure }
  }

  /// Forces the bytes to the disk and closes the file.
  package func finish() throws(CheckpointError) {
    try naming(path, "cannot be written") { () throws(SystemError) in
      try synchronize(descriptor)
      let closing = descriptor
      descriptor = -1
      guard close(closing) == 0 else { throw SystemError(code: errno) }
    }
  }

  /// Writes a whole file and forces it to the disk.
  package static func write(_ bytes: [UInt8], to path: String) throws(CheckpointError) {
    let file = try GrowingFile(path: path)
    try file.write(bytes)
    try file.finish()
  }
}

/// Makes a system call whose failure is told as one of a file: `out/a.bin: cannot be written: …`.
package func naming<Value>(
  _ path: String, _ what: String, _ call: () throws(SystemError) -> Value
) throws(CheckpointError) -> Value {
  do throws(SystemError) {
    return try call()
  } catch {
    throw CheckpointError(.system, file: path, rule: "\(what): \(error.message)")
  }
}
