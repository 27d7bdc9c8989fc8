import Documents
import Glibc

/// What launched ranks write, on its way to this program's own standard output and standard error.
///
/// mpirun ends its ranks where it loses their output a few times, and says what it has to say before or
/// between our lines. So its output comes here: lost output is dropped and remembered, mpirun's words are
/// held until ours are said. Nothing here waits for whoever reads: a paused pager stops no run.
struct OutputRelay: ~Copyable {
  /// What mpirun and its ranks write to.
  let childOutput: Int32
  let childErrors: Int32
  private var output: Way
  private var errors: Way
  private var words = LauncherWords()

  /// One pipe and where its bytes go.
  private struct Way {
    /// −1 once nobody can write any more.
    var source: Int32
    let destination: Int32
    var waiting: [UInt8] = []
    /// Why the destination takes nothing any more.
    var failure: SystemError?
  }

  /// Makes the pipes.
  init() throws(SystemError) {
    let (output, errors) = (try Self.pipe(), try Self.pipe())
    (childOutput, childErrors) = (output.write, errors.write)
    self.output = Way(source: output.read, destination: STDOUT_FILENO)
    self.errors = Way(source: errors.read, destination: STDERR_FILENO)
  }

  private static func pipe() throws(SystemError) -> (read: Int32, write: Int32) {
    var ends: [Int32] = [-1, -1]
    try systemCall { Glibc.pipe(&ends) }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    return (ends[0], ends[1])
  }

  deinit {
    for descriptor in [output.source, errors.source] where descriptor >= 0 { close(descriptor) }
  }

  /// Lets go of the ends that the child has now.
  func childHasStarted() {
    close(childOutput)
    close(childErrors)
  }

  /// Why standard output was lost, if it was.
  var outputFailure: SystemError? { output.failure }

  /// What mpirun said in its own words.
  var launcherWords: [UInt8] { words.held }

  /// Passes on what there is, waiting for some milliseconds where there is nothing.
  ///
  /// - Returns: whether anything was read.
  @discardableResult mutating func pass(milliseconds: Int32) -> Bool {
    var events = [
      Self.event(output.source, POLLIN), Self.event(errors.source, POLLIN),
      Self.event(output.waiting.isEmpty ? -1 : output.destination, POLLOUT),
      Self.event(errors.waiting.isEmpty ? -1 : errors.destination, POLLOUT),
    ]
    guard poll(&events, nfds_t(events.count), milliseconds) > 0 else { return false }
    var hasRead = false
    if events[0].revents != 0, let bytes = Self.read(&output.source) {
      hasRead = true
      output.waiting += bytes
    }
    if events[1].revents != 0, let bytes = Self.read(&errors.source) {
      hasRead = true
      errors.waiting += words.take(bytes)
    }
    Self.write(&output, isReady: events[2].revents != 0)
    Self.write(&errors, isReady: events[3].revents != 0)
    return hasRead
  }

  /// Passes on all that is left once mpirun has ended, and waits for whoever reads.
  mutating func finish() {
    // What has been written is there already; a process that outlives mpirun may hold the pipes open.
    while output.source >= 0 || errors.source >= 0, pass(milliseconds: 50) {}
    errors.waiting += words.takeRest()
    while !output.waiting.isEmpty || !errors.waiting.isEmpty { pass(milliseconds: 1000) }
  }

  private static func event(_ descriptor: Int32, _ wanted: Int32) -> pollfd {
    pollfd(fd: descriptor, events: Int16(wanted), revents: 0)
  }

  /// What can be read at once; nil, and the pipe closed, at its end.
  private static func read(_ source: inout Int32) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: 1 << 16)
    let descriptor = source
    let count = bytes.withUnsafeMutableBytes { buffer in
      (try? systemCall { Glibc.read(descriptor, buffer.baseAddress, buffer.count) }) ?? 0
    }
    guard count > 0 else {
      close(source)
      source = -1
      return nil
    }
    return Array(bytes[..<count])
  }

  /// Writes as much as a pipe that is ready takes without waiting (`PIPE_BUF`).
  private static func write(_ way: inout Way, isReady: Bool) {
    if way.failure != nil { way.waiting = [] }
    guard isReady, !way.waiting.isEmpty else { return }
    let part = Array(way.waiting.prefix(4096))
    let descriptor = way.destination
    do throws(SystemError) {
      let count = try systemCall {
        part.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      }
      way.waiting.removeFirst(count)
    } catch {
      guard error.code != EAGAIN else { return }
      way.failure = error
      way.waiting = []
    }
  }
}
