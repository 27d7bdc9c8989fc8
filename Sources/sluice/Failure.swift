import ArgumentParser
import Costs
import Documents
import Foundation
import Plans
import Schedules

/// Why the program ends early, as its exit status tells.
enum ExitStatus: Int32 {
  case good = 0
  /// The command line, a file or the machine does not allow what was asked.
  case badInput = 1
  /// sluice itself is wrong.
  case internalFault = 2
}

/// A rule of the command line that was broken, in one line.
struct CommandError: Error, CustomStringConvertible {
  var description: String

  init(_ description: String) { self.description = description }
}

/// A fault in a file that a schedule was read from.
struct ScheduleFileError: Error, CustomStringConvertible {
  var path: String
  var error: ScheduleError

  var description: String { "\(path): \(error)" }
}

/// Prints `error` and ends the program with the status that it stands for.
///
/// This is the one place where errors become text: the message starts with `sluice: ` and has one line,
/// except that a schedule's fault is followed by the cells around it.
func report(_ error: any Error) -> Never {
  #if MPI
    if let status = trainingStatus(of: error) {
      fflush(nil)
      FileHandle.standardError.write(Data("sluice: \(error)\n".utf8))
      Foundation.exit(status.rawValue)
    }
  #endif
  let message: String
  let status: ExitStatus
  if isBadInput(error) {
    message = "sluice: \(error)"
    status = .badInput
  } else if Sluice.exitCode(for: error) == .success {
    // --help, --version and completion scripts are what was asked for.
    print(Sluice.fullMessage(for: error))
    Foundation.exit(fflush(nil) == 0 ? 0 : ExitStatus.badInput.rawValue)
  } else if Sluice.exitCode(for: error) == .validationFailure {
    message = Sluice.fullMessage(for: error)
    status = .badInput
  } else {
    message = "sluice: internal fault: \(error)"
    status = .internalFault
  }
  fflush(nil)
  FileHandle.standardError.write(Data((message + "\n").utf8))
  Foundation.exit(status.rawValue)
}

/// Whether the user's files, the command line or the machine are at fault, in the error's own words.
private func isBadInput(_ error: any Error) -> Bool {
  return error is ConfigurationError || error is PlanError || error is ScheduleError
    || error is ScheduleFileError || error is CommandError || error is NumberTableError
}

/// Hands what was printed to the system, which may refuse it: a full disk, a closed pipe.
func flushOutput() throws(ConfigurationError) {
  guard fflush(nil) == 0 else {
    throw ConfigurationError(
      file: "standard output", rule: "cannot be written: \(String(cString: strerror(errno)))")
  }
}

/// A broken precondition ends the program with status 2 and says that it is not the user's fault.
enum Fault {
  /// Catches the signals that a broken precondition raises.
  static func watch() {
    for number in [SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGFPE] {
      signal(number) { _ in
        let message: StaticString = "sluice: internal fault; this is an error in sluice\n"
        write(2, message.utf8Start, message.utf8CodeUnitCount)
        _exit(2)
      }
    }
  }
}
