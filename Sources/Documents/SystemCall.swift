#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Why the operating system refused a call.
public struct SystemError: Error, Hashable, Sendable {
  /// The error's number, such as `ENOSPC`.
  public var code: Int32

  public init(code: Int32) { self.code = code }

  /// The operating system's words for it.
  public var message: String { String(cString: strerror(code)) }
}

/// Makes a call that returns a negative number where it fails, again where a signal interrupted it.
///
/// The error's number is read before anything else runs: whatever allocates, prints or cleans up in
/// between may overwrite it, and the message would say "Success".
///
/// - Throws: `SystemError`.
@discardableResult public func systemCall<Number: SignedInteger>(
  _ call: () -> Number
) throws(SystemError) -> Number {
  while true {
    let result = call()
    let code = errno
    if result >= 0 { return result }
    guard code == EINTR else { throw SystemError(code: code) }
  }
}

/// Forces what was written to the disk.
public func synchronize(_ descriptor: Int32) throws(SystemError) {
  do throws(SystemError) {
    try systemCall { fsync(descriptor) }
  } catch {
    // Some network file systems have no such thing and say EINVAL.
    guard error.code == EINVAL else { throw error }
  }
}
