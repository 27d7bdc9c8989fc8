import Documents
import Foundation
import Quantities

/// A program that may take so much time and memory and write so much, and no more.
///
/// It and its children are a process group of their own, which is killed at the end, however the program
/// ended. A child that makes itself a group of its own escapes that; its limits stay.
struct LimitedProcess {
  var command: [String]
  /// Seconds.
  var timeLimit: Double
  var memoryLimit: ByteCount
  /// How large each file may become that it writes.
  var fileLimit: ByteCount
  /// Bytes.
  var outputLimit: Int

  /// What a program left behind.
  struct Outcome {
    var output: [UInt8]
    /// What went wrong, as the rest of a sentence about the program; nil where it ended well.
    var ending: String?
  }

  /// Runs the program on some input.
  ///
  /// - Throws: `RewardFailure` where the system refuses to start it.
  func run(input: [UInt8]) throws(RewardFailure) -> Outcome {
    do throws(SystemError) {
      let (programInput, feed) = try makePipe()
      defer { close(programInput) }
      var pipes: [Int32] = []
      do throws(SystemError) {
        let (output, programOutput) = try makePipe()
        pipes.append(output)
        defer { close(programOutput) }
        let (errors, programErrors) = try makePipe()
        pipes.append(errors)
        defer { close(programErrors) }
        let process = try start([programInput, programOutput, programErrors])
        // The program's ends are its own from here on: its end closes them.
        var exchange = PipeExchange(
          process: process, feed: feed, output: output, errors: errors, input: input,
          outputLimit: outputLimit)
        return exchange.run(seconds: timeLimit)
      } catch {
        close(feed)
        for pipe in pipes { close(pipe) }
        throw error
      }
    } catch {
      throw RewardFailure("\(printable(command[0])) cannot be started: \(error.message)")
    }
  }

  /// Starts the program behind a shell that sets its limits: of files by 512 bytes, as POSIX has it.
  private func start(_ streams: [Int32]) throws(SystemError) -> pid_t {
    let limits =
      "ulimit -c 0; ulimit -t \(Int(timeLimit.rounded(.up)) + 1); "
      + "ulimit -f \((fileLimit.bytes + 511) / 512) && "
      + "ulimit -v \(memoryLimit.bytes / 1024) && exec \"$@\""
    let words = ["/bin/sh", "-c", limits, "sh"] + command
    var attributes = posix_spawnattr_t()
    var actions = posix_spawn_file_actions_t()
    posix_spawnattr_init(&attributes)
    posix_spawn_file_actions_init(&actions)
    defer {
      posix_spawnattr_destroy(&attributes)
      posix_spawn_file_actions_destroy(&actions)
    }
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    // What this program ignores, a broken pipe for one, its children would ignore, too.
    sigfillset(&signals)
    posix_spawnattr_setsigdefault(&attributes, &signals)
    posix_spawnattr_setpgroup(&attributes, 0)
    posix_spawnattr_setflags(
      &attributes,
      Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
    for (number, stream) in streams.enumerated() {
      posix_spawn_file_actions_adddup2(&actions, stream, Int32(number))
    }
    var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) }
    arguments.append(nil)
    defer { for argument in arguments { free(argument) } }
    var process: pid_t = 0
    let code = posix_spawn(&process, "/bin/sh", &actions, &attributes, arguments, environ)
    guard code == 0 else { throw SystemError(code: code) }
    return process
  }
}

/// A pipe whose ends no other program inherits: what is read, what is written.
private func makePipe() throws(SystemError) -> (reading: Int32, writing: Int32) {
  var ends: [Int32] = [0, 0]
  try systemCall { pipe(&ends) }
  for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
  return (ends[0], ends[1])
}
