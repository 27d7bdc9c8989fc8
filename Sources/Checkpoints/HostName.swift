import Foundation

/// This machine's name, as the system has it; at most 64 bytes on Linux (gethostname(2)).
public var hostName: String {
  var bytes = [CChar](repeating: 0, count: 256)
  gethostname(&bytes, bytes.count - 1)
  return String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
