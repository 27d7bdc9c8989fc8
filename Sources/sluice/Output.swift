import Documents
import Foundation

/// Whoever read standard output wants no more of it: `sluice … | head -1`.
struct ReaderIsGone: Error {}

/// Standard output, whose every write is taken by the system or fails with a reason.
///
/// Nothing is kept in between: what a command printed has arrived when the command ends.
enum StandardOutput {
  /// A closed pipe becomes an error of the write; a closed descriptor stays one, whatever is opened.
  static func prepare() {
    signal(SIGPIPE, SIG_IGN)
    // A file that reaches the limit that its user has becomes an error of the write, too.
    signal(SIGXFSZ, SIG_IGN)
    for descriptor in Int32(0)...2 where fcntl(descriptor, F_GETFD) < 0 {
      // The lowest free number is the missing one; what is written to it still fails.
      _ = open("/dev/null", O_RDONLY)
    }
  }

  /// Writes all bytes.
  ///
  /// - Throws: `ReaderIsGone`, or `ConfigurationError` with the status of storage.
  static func write(_ bytes: some Sequence<UInt8>) throws {
    let bytes = Array(bytes)
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes { buffer in
        Foundation.write(STDOUT_FILENO, buffer.baseAddress! + done, buffer.count - done)
      }
      let code = errno
      if count >= 0 {
        done += count
        continue
      }
      switch code {
      case EINTR: continue
      case EAGAIN:
        var ready = pollfd(fd: STDOUT_FILENO, events: Int16(POLLOUT), revents: 0)
        _ = poll(&ready, 1, -1)
      default: throw failure(SystemError(code: code))
      }
    }
  }

  /// Why standard output was lost, as an error of a command.
  static func failure(_ error: SystemError) -> any Error {
    if error.code == EPIPE { return ReaderIsGone() }
    return ConfigurationError(
      file: "standard output", rule: "cannot be written: \(error.message)", status: .storage)
  }
}

/// Prints text that ends with its own newline.
func show(_ text: String) throws { try StandardOutput.write(text.utf8) }

/// Prints text, or writes it to a file.
func show(_ text: String, in path: OutputPath?) throws {
  guard let path else { return try show(text) }
  try OutputFile.write(text, to: path)
}

extension OutputPath {
  /// A path whose file is not there yet, or may be replaced.
  static func free(
    _ path: String, besides others: [String], overwrites: Bool
  ) throws(ConfigurationError) -> OutputPath {
    if !overwrites, FileManager.default.fileExists(atPath: path) {
      throw ConfigurationError(
        file: path, rule: "is there already: --overwrite replaces it, or give another name")
    }
    return try OutputPath(path, besides: others)
  }
}

/// Overrides with or without the noun of the file that they are for: `model.hidden_size=4096`.
func withoutPrefix(_ noun: String, _ overrides: [String]) -> [String] {
  overrides.map { $0.hasPrefix("\(noun).") ? String($0.dropFirst(noun.count + 1)) : $0 }
}

/// Says something on the terminal beside the output, if anybody is there to read it.
func note(_ text: String) { note(Array(text.utf8)) }

/// The same with bytes that another program wrote.
func note(_ bytes: [UInt8]) {
  _ = bytes.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
}

/// Says on standard error how far something is, once it has taken two seconds: again and again on a
/// terminal, every five seconds in a file.
final class SlowProgress {
  private let what: String
  private let start = ContinuousClock.now
  private var shown: ContinuousClock.Instant?
  private let isTerminal = isatty(2) == 1

  init(_ what: String) { self.what = what }

  /// - Parameter share: from 0 to 1.
  func show(_ share: Double) {
    let now = ContinuousClock.now
    let pause: Duration = shown == nil ? .seconds(2) : isTerminal ? .milliseconds(200) : .seconds(5)
    guard now - (shown ?? start) >= pause else { return }
    shown = now
    let text = "\(what): \(Int(share * 100)) %"
    note(isTerminal ? "\r\(text)" : "\(text)\n")
  }

  /// Ends the line on a terminal.
  func end() { if shown != nil, isTerminal { note("\n") } }
}
