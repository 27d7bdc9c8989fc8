#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The bytes of a regular file, or its beginning where it is longer than `limit`.
///
/// - Throws: `ConfigurationError` with the system's reason.
func fileContents(_ path: String, atMost limit: Int) throws(ConfigurationError) -> [UInt8] {
  func failure(_ rule: String) -> ConfigurationError { .init(file: path, rule: rule) }
  guard !path.utf8.contains(0), !path.isEmpty else { throw failure("is not a path") }
  let descriptor: Int32
  do throws(SystemError) {
    descriptor = try systemCall { open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC) }
  } catch {
    throw failure("cannot be opened: \(error.message)")
  }
  defer { close(descriptor) }
  var status = stat()
  do throws(SystemError) {
    try systemCall { fstat(descriptor, &status) }
  } catch {
    throw failure("cannot be read: \(error.message)")
  }
  guard status.st_mode & S_IFMT == S_IFREG else { throw failure("is not a file") }
  do throws(SystemError) {
    var bytes = [UInt8](repeating: 0, count: min(Int(status.st_size), limit))
    var filled = 0
    while filled < bytes.count {
      let count = try systemCall {
        bytes.withUnsafeMutableBytes { buffer in
          read(descriptor, buffer.baseAddress! + filled, buffer.count - filled)
        }
      }
      if count == 0 { break }
      filled += count
    }
    return Array(bytes[..<filled])
  } catch {
    throw failure("cannot be read: \(error.message)")
  }
}

/// The text of a regular file of at most 64 MiB.
///
/// - Throws: `ConfigurationError` with the system's reason, or for what is no UTF-8.
public func textFile(_ path: String) throws(ConfigurationError) -> String {
  let largest = 1 << 26
  let bytes = try fileContents(path, atMost: largest + 1)
  guard bytes.count <= largest else {
    throw ConfigurationError(file: path, rule: "is larger than 64 MiB")
  }
  guard let text = String(validating: bytes, as: UTF8.self) else {
    throw ConfigurationError(file: path, rule: "is not UTF-8 text")
  }
  return text
}
