import Foundation

/// A regular file that is open for reading at any place.
///
/// Reads are `pread`s and not a mapping: a file that shrinks while it is read then gives an error
/// and not a bus error that ends the process. A class, since it owns a descriptor.
package final class InputFile: Sendable {
  package let path: String
  /// The length when the file was opened, in bytes.
  package let count: Int
  private let descriptor: Int32
  /// When the content was last changed before it was opened.
  private let modified: timespec

  package init(path: String) throws(CheckpointError) {
    func failure(_ rule: String) -> CheckpointError { .init(.system, file: path, rule: rule) }
    guard !path.isEmpty, !path.utf8.contains(0) else { throw failure("is not a path") }
    let descriptor = try naming(path, "cannot be opened") { () throws(SystemError) in
      try systemCall { open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC) }
    }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      throw failure("is not a file")
    }
    self.path = path
    self.descriptor = descriptor
    count = Int(status.st_size)
    modified = status.st_mtim
  }

  /// Refuses to go on with a file that is no longer what it was when it was opened.
  ///
  /// A file that was replaced by another one of its name is still there for whoever opened it.
  package func checkUnchanged() throws(CheckpointError) {
    var status = stat()
    guard fstat(descriptor, &status) == 0, Int(status.st_size) == count,
      status.st_mtim.tv_sec == modified.tv_sec, status.st_mtim.tv_nsec == modified.tv_nsec
    else {
      throw CheckpointError(.system, file: path, rule: "was changed while it was in use")
    }
  }

  deinit { close(descriptor) }

  /// Fills `buffer` from `offset` on, or throws.
  package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int)
    throws(CheckpointError)
  {
    guard let base = buffer.baseAddress else { return }
    var filled = 0
    while filled < buffer.count {
      let got = try naming(path, "cannot be read") { () throws(SystemError) in
        try systemCall {
          pread(
            descriptor, base + filled, min(buffer.count - filled, 1 << 30), off_t(offset + filled))
        }
      }
      guard got > 0 else {
        throw CheckpointError(.damaged, file: path, rule: "is cut short at byte \(offset + filled)")
      }
      filled += got
    }
  }

  /// `count` bytes from `offset` on.
  package func bytes(at offset: Int, count: Int) throws(CheckpointError) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: count)
    var failure: CheckpointError?
    result.withUnsafeMutableBytes { buffer in
      do throws(CheckpointError) {
        try read(into: buffer, at: offset)
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    return result
  }

  /// The whole file, which must not be longer than `limit`.
  package func allBytes(limit: Int) throws(CheckpointError) -> [UInt8] {
    guard count <= limit else {
      throw CheckpointError(
        .damaged, file: path, rule: "has \(count) bytes; at most \(limit) are read")
    }
    return try bytes(at: 0, count: count)
  }
}

extension InputFile {
  /// The checksum of a range of bytes, read piece by piece.
  package func checksum(of range: Range<Int>) throws(CheckpointError) -> String {
    var sum = Checksum()
    var position = range.lowerBound
    while position < range.upperBound {
      let count = min(range.upperBound - position, 1 << 22)
      sum.add(try bytes(at: position, count: count))
      position += count
    }
    return sum.text
  }
}
