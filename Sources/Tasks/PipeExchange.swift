import Documents
import Foundation

/// What goes to a program and comes from it until it ends or its time is over.
struct PipeExchange {
  let process: pid_t
  /// The program's standard input; -1 once it is closed.
  var feed: Int32
  let output: Int32
  let errors: Int32
  var input: [UInt8]
  let outputLimit: Int

  private var written = 0
  private var result: [UInt8] = []
  private var complaint: [UInt8] = []
  private var isOutputOpen = true
  private var areErrorsOpen = true

  /// Bytes of standard error that are kept for the message.
  private static let longestComplaint = 400

  init(
    process: pid_t, feed: Int32, output: Int32, errors: Int32, input: [UInt8], outputLimit: Int
  ) {
    (self.process, self.feed, self.output, self.errors) = (process, feed, output, errors)
    (self.input, self.outputLimit) = (input, outputLimit)
    for pipe in [feed, output, errors] {
      _ = fcntl(pipe, F_SETFL, fcntl(pipe, F_GETFL) | O_NONBLOCK)
    }
  }

  /// Feeds and reads, ends the program with its children, and closes the pipes.
  mutating func run(
    seconds: Double, isStopped: () -> Bool
  ) -> LimitedProcess.Outcome {
    let end = ContinuousClock.now + .seconds(seconds)
    var ending: String?
    while ending == nil, !hasEnded {
      if isStopped() {
        ending = "was ended, since the run is to stop"
      } else if ContinuousClock.now >= end {
        ending = "was ended after \(seconds) seconds"
      } else if result.count > outputLimit {
        ending = "was ended: it wrote more than \(outputLimit) bytes"
      } else {
        exchange(milliseconds: 10)
      }
    }
    // First the group, whose number is its own as long as the program is not waited for.
    kill(-process, SIGKILL)
    kill(process, SIGKILL)
    var status: Int32 = 0
    _ = try? systemCall { waitpid(process, &status, 0) }
    // What the program wrote before it ended may still be in the pipes; a child that escaped may keep
    // them open and full, so no more than the limit is read.
    while ending == nil, result.count <= outputLimit, takeOutput() {}
    while takeErrors(), complaint.count < Self.longestComplaint {}
    for pipe in [feed, output, errors] where pipe >= 0 { close(pipe) }
    if ending == nil, result.count > outputLimit {
      ending = "wrote more than \(outputLimit) bytes"
    }
    return .init(output: Array(result.prefix(outputLimit)), ending: ending ?? complaint(on: status))
  }

  /// Whether the program has ended, without waiting for it.
  private var hasEnded: Bool {
    var information = siginfo_t()
    let code = try? systemCall {
      waitid(P_PID, id_t(process), &information, WEXITED | WNOHANG | WNOWAIT)
    }
    return code == nil || information.si_signo == SIGCHLD
  }

  /// What a status of waitpid(2) says; nil where all is well.
  private func complaint(on status: Int32) -> String? {
    let signal = status & 0x7F
    let code = status >> 8 & 0xFF
    guard signal != 0 || code != 0 else { return nil }
    let what =
      signal == SIGXFSZ
      ? "was ended: it wrote a file beyond its limit"
      : signal != 0 ? "was ended by signal \(signal)" : "ended with status \(code)"
    let lines = String(decoding: complaint, as: UTF8.self).split(whereSeparator: \.isNewline)
    return lines.last.map { "\(what): \(printable(String($0)))" } ?? what
  }

  /// Waits for at most so long until something can be written or read, and does it.
  private mutating func exchange(milliseconds: Int32) {
    var waiting = [
      pollfd(fd: feed, events: Int16(POLLOUT), revents: 0),
      pollfd(fd: isOutputOpen ? output : -1, events: Int16(POLLIN), revents: 0),
      pollfd(fd: areErrorsOpen ? errors : -1, events: Int16(POLLIN), revents: 0),
    ]
    _ = poll(&waiting, nfds_t(waiting.count), milliseconds)
    if waiting[0].revents != 0 { give() }
    if waiting[1].revents != 0 { _ = takeOutput() }
    if waiting[2].revents != 0 { _ = takeErrors() }
  }

  /// Writes what the program takes; closes its input when all is written or nobody reads it.
  private mutating func give() {
    let count = withoutBrokenPipeSignal {
      input.withUnsafeBytes { write(feed, $0.baseAddress! + written, $0.count - written) }
    }
    let code = errno
    if count > 0 { written += count }
    guard written == input.count || (count < 0 && code != EAGAIN && code != EINTR) else { return }
    close(feed)
    feed = -1
  }

  /// Keeps what the program has written; whether it was anything.
  private mutating func takeOutput() -> Bool {
    let bytes = Self.take(output, &isOutputOpen)
    result += bytes
    return !bytes.isEmpty
  }

  /// Keeps the end of what the program has complained of; whether it was anything.
  private mutating func takeErrors() -> Bool {
    let bytes = Self.take(errors, &areErrorsOpen)
    complaint = Array((complaint + bytes).suffix(Self.longestComplaint))
    return !bytes.isEmpty
  }

  /// Reads what is there.
  private static func take(_ pipe: Int32, _ isOpen: inout Bool) -> [UInt8] {
    guard isOpen else { return [] }
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    let count = read(pipe, &buffer, buffer.count)
    let code = errno
    if count == 0 || (count < 0 && code != EAGAIN && code != EINTR) { isOpen = false }
    return Array(buffer.prefix(max(0, count)))
  }
}

/// Makes a call that may write to a pipe that nobody reads, without the signal that ends the program.
private func withoutBrokenPipeSignal(_ call: () -> Int) -> Int {
  var broken = sigset_t()
  var before = sigset_t()
  sigemptyset(&broken)
  sigaddset(&broken, SIGPIPE)
  pthread_sigmask(SIG_BLOCK, &broken, &before)
  let result = call()
  let code = errno
  if result < 0, code == EPIPE {
    // The signal waits for this thread alone, and would reach it below.
    var pending = sigset_t()
    sigpending(&pending)
    var number: Int32 = 0
    if sigismember(&pending, SIGPIPE) == 1 { sigwait(&broken, &number) }
  }
  pthread_sigmask(SIG_SETMASK, &before, nil)
  errno = code
  return result
}
