import ArgumentParser
import Costs
import Documents
import Foundation
import Plans
import Schedules

#if MPI
  import MessagePassing
  import Training
#endif

/// A rule of the command line that was broken, in one line.
struct CommandError: Error, CustomStringConvertible {
  var description: String

  init(_ description: String) { self.description = printable(description, atMost: .max) }
}

/// A fault in a file that a schedule was read from.
struct ScheduleFileError: Error, CustomStringConvertible {
  var path: String
  var error: ScheduleError

  var description: String { "\(printable(path)): \(error)" }
}

/// A comparison that was asked for found a difference.
struct UnequalError: Error, CustomStringConvertible {
  var description: String
}

/// The status that an error ends the program with.
///
/// Every kind of error that commands throw is named here; another one is a mistake in sluice.
func exitStatus(of error: any Error) -> ExitStatus {
  #if MPI
    switch error {
    case is CheckpointError: return .storage
    case TrainingError.notFinite, TrainingError.notFiniteEvaluation, TrainingError.notFiniteScores:
      return .diverged
    case is TrainingError: return .badInput
    case is MPIError: return .peer
    default: break
    }
  #endif
  switch error {
  case let error as ConfigurationError: return error.status
  case is PlanError, is ScheduleError, is ScheduleFileError, is CommandError, is NumberTableError:
    return .badInput
  case is UnequalError: return .unequal
  case is FitError: return .tooLarge
  case is NothingAdmissible: return .nothingAdmissible
  case is Interrupted: return .interrupted
  case is ReaderIsGone: return .success
  default: return isOfCommandLine(error) ? .badInput : .internalFault
  }
}

/// The status of a rank that ends because of an error, which is never that of success.
func rankStatus(of error: any Error) -> Int32 {
  let status = exitStatus(of: error)
  return (status == .success ? .storage : status).rawValue
}

/// Prints `error` and ends the program with the status that it stands for.
///
/// This is the one place where errors become text: the message starts with `sluice: ` and has one line,
/// except that a schedule's fault is followed by the cells around it. A reader that went away gets no
/// message.
func report(_ error: any Error) -> Never {
  if Sluice.exitCode(for: error) == .success {
    // --help, --version and completion scripts are what was asked for.
    let text = Sluice.fullMessage(for: error)
    do { try show(text + "\n") } catch { end(with: error) }
    Foundation.exit(ExitStatus.success.rawValue)
  }
  end(with: error)
}

private func end(with error: any Error) -> Never {
  let status = exitStatus(of: error)
  if !(error is ReaderIsGone), !isSaidByRankZero(error) {
    note("sluice: \(message(of: error))\n")
    if let cells = said(by: error).cells { note("\(cells)\n") }
  }
  Foundation.exit(status.rawValue)
}

/// What an error says in one line, in the one style of all messages.
package func message(of error: any Error) -> String {
  let fault = exitStatus(of: error) == .internalFault ? "internal fault: " : ""
  return fault + printable(said(by: error).line, atMost: .max)
}

/// What an error says, and the cells of a schedule that are shown below it.
private func said(by error: any Error) -> (line: String, cells: String?) {
  if isOfCommandLine(error) {
    return (CommandLineMessage(Sluice.fullMessage(for: error)).text, nil)
  }
  switch error {
  case is ReaderIsGone: return ("standard output: cannot be written: nobody reads it", nil)
  case let error as ScheduleError: return (error.message, error.grid)
  case let error as ScheduleFileError:
    return ("\(printable(error.path)): \(error.error.message)", error.error.grid)
  default: return ("\(error)", nil)
  }
}

/// Whether an error is one of the command line, which all ranks have alike, and this is not the rank that
/// says it.
///
/// A launcher ends all ranks once one has ended, so the others wait until rank 0 has spoken.
private func isSaidByRankZero(_ error: any Error) -> Bool {
  #if MPI
    guard error is CommandError || isOfCommandLine(error), Launch.rank() ?? 0 > 0 else {
      return false
    }
    if Launch.isRank { sleep(5) }
    return true
  #else
    return false
  #endif
}

/// Whether swift-argument-parser found a fault in what was typed.
private func isOfCommandLine(_ error: any Error) -> Bool {
  Sluice.exitCode(for: error) == .validationFailure
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
