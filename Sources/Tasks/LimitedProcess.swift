import Documents
import Foundation
import Quantities

/// A program that may take so much time and memory and write so much, and no more.
///
/// It and its children are a process group of their own, which is killed at the end, however the program
/// ended, and when this program is gone. A child that makes itself a group of its own escapes that; its limits stay.
struct LimitedProcess {
  var command: [String]
  /// Seconds.
  var timeLimit: Double
  var memoryLimit: ByteCount
  /// How large each file may become that it writes.
  var fileLimit: ByteCount
  /// Bytes.
  var outputLimit: Int
  /// Whether nobody waits for it any more: it is ended then.
  var isStopped: @Sendable () -> Bool = { false }

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
      let (programInput, feed) = try ProcessGroup.pipe()
      defer { close(programInput) }
      var pipes: [Int32] = []
      do throws(SystemError) {
        let (output, programOutput) = try ProcessGroup.pipe()
        pipes.append(output)
        defer { close(programOutput) }
        let (errors, programErrors) = try ProcessGroup.pipe()
        pipes.append(errors)
        defer { close(programErrors) }
        let watch = try OrphanWatch()
        let process = try start([programInput, programOutput, programErrors])
        watch.watch(process)
        // The program's ends are its own from here on: its end closes them.
        var exchange = PipeExchange(
          process: process, feed: feed, output: output, errors: errors, input: input,
          outputLimit: outputLimit)
        defer { withExtendedLifetime(watch) {} }
        return exchange.run(seconds: timeLimit, isStopped: isStopped)
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
    return try ProcessGroup.start(["/bin/sh", "-c", limits, "sh"] + command, streams: streams)
  }
}
