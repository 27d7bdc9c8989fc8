import Quantities

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A file that appears under its name only when all of it is written.
///
/// The bytes go to a file that has no name yet, or a hidden one in the same folder where the file system
/// knows no such files; `close()` forces them to the disk and gives them the name. Whatever goes wrong
/// before leaves what was there untouched, and a process killed on the way leaves nothing. A file that is
/// replaced passes its permissions on.
public struct OutputFile: ~Copyable {
  /// The largest number of bytes that a file may have unless told otherwise.
  public static let largestFile = 1 << 30

  private let path: OutputPath
  /// The name of the unfinished file; nil where it has none.
  private var temporary: String?
  private let descriptor: Int32
  private let limit: Int
  private var buffer: [UInt8] = []
  private var written = 0
  private var isOpen = true

  /// Starts a file; `limit` is the size in bytes above which writing it is refused.
  ///
  /// - Throws: `ConfigurationError` of the status `.storage` where the disk refuses.
  public init(_ path: OutputPath, limit: Int = OutputFile.largestFile) throws(ConfigurationError) {
    self.path = path
    self.limit = limit
    do throws(SystemError) {
      if let unnamed = Self.openUnnamed(in: path.folder) {
        (temporary, descriptor) = (nil, unnamed)
      } else {
        let (name, opened) = try Self.createHidden(in: path.folder) { name throws(SystemError) in
          try systemCall { openFile(name, O_WRONLY | O_CREAT | O_EXCL) }
        }
        (temporary, descriptor) = (name, opened)
      }
    } catch {
      throw Self.failure(path, error)
    }
    if let old = FileStatus(path.file) {
      // Only root may give a file away; where it cannot be done, the file is the writer's.
      _ = fchown(descriptor, old.owner, old.group)
      _ = fchmod(descriptor, old.mode & 0o777)
    }
    buffer.reserveCapacity(Self.bufferSize + 4096)
  }

  deinit {
    if isOpen { _ = closeFile(descriptor) }
    if let temporary { unlink(temporary) }
  }

  /// Appends text.
  public mutating func write(_ text: some StringProtocol) throws(ConfigurationError) {
    buffer.append(contentsOf: text.utf8)
    if buffer.count >= Self.bufferSize { try flush() }
  }

  /// Appends bytes.
  public mutating func write(_ bytes: [UInt8]) throws(ConfigurationError) {
    buffer.append(contentsOf: bytes)
    if buffer.count >= Self.bufferSize { try flush() }
  }

  /// Writes what is left, forces it to the disk and gives the file its name.
  public consuming func close() throws(ConfigurationError) {
    try flush()
    do throws(SystemError) {
      try synchronize(descriptor)
      if temporary == nil {
        let source = "/proc/self/fd/\(descriptor)"
        temporary = try Self.createHidden(in: path.folder) { name throws(SystemError) in
          try systemCall { linkat(AT_FDCWD, source, AT_FDCWD, name, AT_SYMLINK_FOLLOW) }
        }.name
      }
      isOpen = false
      guard closeFile(descriptor) == 0 else { throw SystemError(code: errno) }
      if let temporary { try systemCall { rename(temporary, path.file) } }
      temporary = nil
    } catch {
      throw Self.failure(path, error)
    }
  }

  /// Writes a whole file.
  public static func write(
    _ text: String, to path: OutputPath, limit: Int = OutputFile.largestFile
  ) throws(ConfigurationError) {
    var file = try OutputFile(path, limit: limit)
    try file.write(text)
    try file.close()
  }

  private static let bufferSize = 1 << 18

  private mutating func flush() throws(ConfigurationError) {
    guard written + buffer.count <= limit else {
      throw ConfigurationError(
        file: path.name,
        rule: "would be larger than the limit of \(ByteCount(limit)); nothing was written")
    }
    var done = 0
    do throws(SystemError) {
      while done < buffer.count {
        done += try systemCall {
          buffer.withUnsafeBytes { writeFile(descriptor, $0.baseAddress! + done, $0.count - done) }
        }
      }
    } catch {
      throw Self.failure(path, error)
    }
    written += buffer.count
    buffer.removeAll(keepingCapacity: true)
  }

  /// A file without a name in a folder, which the system removes with the process; nil where the file
  /// system has none.
  private static func openUnnamed(in folder: String) -> Int32? {
    #if os(Linux)
      // O_TMPFILE, a macro that Swift does not import (open(2)). Naming it later needs /proc.
      guard access("/proc/self/fd", X_OK) == 0 else { return nil }
      return try? systemCall { openFile(folder, O_WRONLY | 0o20_000_000 | O_DIRECTORY) }
    #else
      return nil
    #endif
  }

  /// Makes something under a hidden name that is free.
  private static func createHidden(
    in folder: String, _ create: (String) throws(SystemError) -> Int32
  ) throws(SystemError) -> (name: String, result: Int32) {
    for attempt in 0..<1000 {
      let name = "\(folder)/.sluice-\(getpid())-\(attempt).unfinished"
      do throws(SystemError) {
        return (name, try create(name))
      } catch {
        guard error.code == EEXIST else { throw error }
      }
    }
    throw SystemError(code: EEXIST)
  }

  private static func failure(_ path: OutputPath, _ error: SystemError) -> ConfigurationError {
    ConfigurationError(
      file: path.name, rule: "cannot be written: \(error.message)", status: .storage)
  }
}

private func openFile(_ path: String, _ flags: Int32) -> Int32 {
  #if canImport(Glibc)
    Glibc.open(path, flags | O_CLOEXEC, 0o666)
  #else
    Darwin.open(path, flags | O_CLOEXEC, 0o666)
  #endif
}

private func writeFile(_ descriptor: Int32, _ bytes: UnsafeRawPointer, _ count: Int) -> Int {
  #if canImport(Glibc)
    Glibc.write(descriptor, bytes, count)
  #else
    Darwin.write(descriptor, bytes, count)
  #endif
}

private func closeFile(_ descriptor: Int32) -> Int32 {
  #if canImport(Glibc)
    Glibc.close(descriptor)
  #else
    Darwin.close(descriptor)
  #endif
}
