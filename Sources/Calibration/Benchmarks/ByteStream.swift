import Documents
import Foundation

/// The bytes of a file in pieces, taken apart by gzip where it is compressed: a trace of hundreds of MiB is
/// never held.
final class ByteStream {
  private let path: String
  private var descriptor: Int32
  private var decompressor: Process?

  /// Opens a regular file.
  init(_ path: String) throws(ConfigurationError) {
    self.path = path
    guard !path.isEmpty, !path.utf8.contains(0) else {
      throw ConfigurationError(file: path, rule: "is not a path")
    }
    descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw ConfigurationError(
        file: path, rule: "cannot be opened: \(String(cString: strerror(errno)))")
    }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      descriptor = -1
      throw ConfigurationError(file: path, rule: "is not a file")
    }
    var magic = [UInt8](repeating: 0, count: 4)
    let count = pread(descriptor, &magic, magic.count, 0)
    if count >= 2, magic.starts(with: [0x1F, 0x8B]) {
      try decompress()
      return
    }
    guard count == magic.count,
      let other = Self.otherArchives.first(where: { magic.starts(with: $0.magic) })
    else { return }
    close(descriptor)
    descriptor = -1
    throw ConfigurationError(
      file: path, rule: "is compressed by \(other.name): unpack it, or compress it by gzip")
  }

  /// What else people compress logs with, by the bytes that such files begin with.
  private static let otherArchives: [(name: String, magic: [UInt8])] = [
    ("xz", [0xFD, 0x37, 0x7A, 0x58]), ("bzip2", [0x42, 0x5A, 0x68]),
    ("zstd", [0x28, 0xB5, 0x2F, 0xFD]), ("zip", [0x50, 0x4B, 0x03, 0x04]),
    ("7-zip", [0x37, 0x7A, 0xBC, 0xAF]),
  ]

  deinit {
    if descriptor >= 0 { close(descriptor) }
    if let decompressor, decompressor.isRunning { decompressor.terminate() }
  }

  private func decompress() throws(ConfigurationError) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["gzip", "-dc"]
    process.standardInput = FileHandle(fileDescriptor: descriptor, closeOnDealloc: false)
    process.standardError = FileHandle.nullDevice
    let pipe = Pipe()
    process.standardOutput = pipe
    do {
      try process.run()
    } catch {
      throw ConfigurationError(file: path, rule: "is compressed, and gzip cannot be started")
    }
    let output = dup(pipe.fileHandleForReading.fileDescriptor)
    close(descriptor)
    descriptor = output
    decompressor = process
  }

  /// Fills a buffer with the next bytes and says how many; none at the end.
  func read(into buffer: UnsafeMutableRawBufferPointer) throws(ConfigurationError) -> Int {
    while true {
      let count = Foundation.read(descriptor, buffer.baseAddress, buffer.count)
      if count > 0 { return count }
      if count < 0, errno == EINTR { continue }
      guard count == 0 else {
        throw ConfigurationError(
          file: path, rule: "cannot be read: \(String(cString: strerror(errno)))")
      }
      if let decompressor {
        decompressor.waitUntilExit()
        guard decompressor.terminationStatus == 0 else {
          throw ConfigurationError(file: path, rule: "is damaged or cut: gzip cannot take it apart")
        }
      }
      return 0
    }
  }

  /// All bytes of what must not have more than some.
  func whole(atMost limit: Int) throws(ConfigurationError) -> [UInt8] {
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 1 << 18)
    while true {
      var count = 0
      do {
        count = try piece.withUnsafeMutableBytes { try read(into: $0) }
      } catch let error as ConfigurationError {
        throw error
      } catch {
        throw ConfigurationError(file: path, rule: "cannot be read")
      }
      guard count > 0 else { return bytes }
      bytes += piece[..<count]
      guard bytes.count <= limit else {
        throw ConfigurationError(
          file: path, rule: "is larger than \(limit >> 20) MiB, and no trace")
      }
    }
  }
}
