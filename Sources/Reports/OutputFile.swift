import Documents
import Quantities

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A file that appears under its name only when all of it is written.
///
/// Bytes go to a file of another name beside it, which takes the name at `close()`; whatever goes wrong
/// before leaves what was there untouched. A destination that is not a regular file (a pipe, a device)
/// is written directly.
public struct OutputFile: ~Copyable {
  /// The largest number of bytes that a file may have.
  public static let largestFile = 1 << 30

  private let path: String
  private let destination: String
  /// The name of the unfinished file; nil where the destination is written directly.
  private let temporary: String?
  private let descriptor: Int32
  private let limit: Int
  private var buffer: [UInt8] = []
  private var written = 0
  private var isOpen = true

  /// Starts a file; `limit` is the size in bytes above which writing it is refused.
  public init(path: String, limit: Int = OutputFile.largestFile) throws(ConfigurationError) {
    guard !path.isEmpty, !path.utf8.contains(0) else {
      throw ConfigurationError(file: path, rule: "is not a path")
    }
    let opened = try Self.open(path)
    self.path = path
    self.limit = limit
    (destination, temporary, descriptor) = opened
    buffer.reserveCapacity(Self.bufferSize + 4096)
  }

  deinit {
    if isOpen, descriptor >= 0 {
      _ = Self.closeDescriptor(descriptor)
      if let temporary { unlink(temporary) }
    }
  }

  /// Appends text.
  public mutating func write(_ text: some StringProtocol) throws(ConfigurationError) {
    buffer.append(contentsOf: text.utf8)
    if buffer.count >= Self.bufferSize { try flush() }
  }

  /// Writes what is left and gives the file its name.
  public consuming func close() throws(ConfigurationError) {
    try flush()
    let status = Self.closeDescriptor(descriptor)
    isOpen = false
    let fault = errno
    guard let temporary else {
      guard status == 0 else { throw Self.failure(path, fault) }
      return
    }
    guard status == 0, rename(temporary, destination) == 0 else {
      let reason = status == 0 ? errno : fault
      unlink(temporary)
      throw Self.failure(path, reason)
    }
  }

  /// Writes a whole file.
  public static func write(_ text: String, to path: String) throws(ConfigurationError) {
    var file = try OutputFile(path: path)
    try file.write(text)
    try file.close()
  }

  /// Finds where the bytes go: a new file beside the destination, or a destination of another kind.
  private static func open(
    _ path: String
  ) throws(ConfigurationError) -> (destination: String, temporary: String?, descriptor: Int32) {
    var status = stat()
    let exists = stat(path, &status) == 0
    if exists, status.st_mode & S_IFMT == S_IFDIR {
      throw ConfigurationError(file: path, rule: "cannot be written: is a directory")
    }
    if exists, status.st_mode & S_IFMT != S_IFREG {
      let descriptor = openDescriptor(path, O_WRONLY)
      guard descriptor >= 0 else { throw failure(path, errno) }
      return (path, nil, descriptor)
    }
    // A link keeps pointing to the file that it names.
    let resolved = exists ? realpath(path, nil) : nil
    let destination = resolved.map { String(cString: $0) } ?? path
    free(resolved)
    let unfinished = "\(destination).\(getpid()).unfinished"
    let descriptor = openDescriptor(unfinished, O_WRONLY | O_CREAT | O_EXCL)
    guard descriptor >= 0 else { throw failure(path, errno) }
    return (destination, unfinished, descriptor)
  }

  private static func openDescriptor(_ path: String, _ flags: Int32) -> Int32 {
    #if canImport(Glibc)
      Glibc.open(path, flags | O_CLOEXEC, 0o666)
    #else
      Darwin.open(path, flags | O_CLOEXEC, 0o666)
    #endif
  }

  private static let bufferSize = 1 << 18

  private mutating func flush() throws(ConfigurationError) {
    guard written + buffer.count <= limit else {
      throw ConfigurationError(
        file: path,
        rule: "would be larger than the limit of \(ByteCount(limit)); nothing was written")
    }
    var done = 0
    while done < buffer.count {
      let count = buffer.withUnsafeBytes { bytes in
        #if canImport(Glibc)
          Glibc.write(descriptor, bytes.baseAddress! + done, bytes.count - done)
        #else
          Darwin.write(descriptor, bytes.baseAddress! + done, bytes.count - done)
        #endif
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw Self.failure(path, errno) }
      done += count
    }
    written += buffer.count
    buffer.removeAll(keepingCapacity: true)
  }

  private static func closeDescriptor(_ descriptor: Int32) -> Int32 {
    #if canImport(Glibc)
      Glibc.close(descriptor)
    #else
      Darwin.close(descriptor)
    #endif
  }

  private static func failure(_ path: String, _ code: Int32) -> ConfigurationError {
    ConfigurationError(
      file: path, rule: "cannot be written: \(String(cString: strerror(code)))",
      status: .storage)
  }
}
