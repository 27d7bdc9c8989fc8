import Documents
import Foundation

/// What is piped into a command.
enum StandardInput {
  /// What stands for it in place of a file's name.
  static let name = "-"
  /// One byte more than a description may have is enough for it to be refused for its size.
  private static let limit = 1 << 20

  /// All of it, as a document.
  static func document() throws(ConfigurationError) -> Document {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while bytes.count < limit {
      let count = buffer.withUnsafeMutableBytes { read(STDIN_FILENO, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else {
        throw ConfigurationError(
          file: "standard input", rule: "cannot be read: \(String(cString: strerror(errno)))",
          status: .storage)
      }
      if count == 0 { break }
      bytes += buffer[..<count]
    }
    return try Document(bytes: bytes, name: "standard input")
  }
}
