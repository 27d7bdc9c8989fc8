#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The bytes of a file whose size the system does not say, such as those of `/proc`; nil where it cannot be
/// read.
///
/// Foundation reads such a file as well, and loses some kilobytes of memory each time (Swift 6.3, Linux): too
/// much for what is looked at twice a second for weeks.
package func systemFile(_ path: String, atMost limit: Int = 1 << 16) -> [UInt8]? {
  guard let descriptor = try? systemCall({ open(path, O_RDONLY | O_CLOEXEC) }) else { return nil }
  defer { close(descriptor) }
  var failed = false
  let bytes = [UInt8](unsafeUninitializedCapacity: limit) { buffer, filled in
    filled = 0
    while filled < limit {
      let rest = UnsafeMutableRawBufferPointer(
        rebasing: UnsafeMutableRawBufferPointer(buffer)[filled...])
      guard let count = try? systemCall({ read(descriptor, rest.baseAddress, rest.count) }) else {
        failed = true
        return
      }
      if count == 0 { return }
      filled += count
    }
  }
  return failed ? nil : bytes
}
