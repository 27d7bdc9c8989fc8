/// How sluice ends, as the shell sees it: the one table of exit statuses, for all commands.
///
/// Above 128 a process was ended by a signal at once: 130 is Ctrl-C on a command that has nothing to
/// put in order, 137 is `kill -9`.
public enum ExitStatus: Int32, Hashable, Sendable, CaseIterable {
  /// Everything that was asked for was done; also after a stop that was asked for by SIGUSR1.
  case success = 0
  /// A file, a value, a plan, a rank count or the command line cannot be used: the message names it.
  case badInput = 1
  /// A mistake in sluice itself.
  case internalFault = 2
  /// The loss or the gradient norm is no longer a number; the last checkpoint is good.
  case diverged = 3
  /// A checkpoint is damaged or of another model, or the system refuses to read or write: a full disk,
  /// standard output that cannot be written.
  case storage = 4
  /// Another rank is gone, or was waited for longer than `--timeout` allows.
  case peer = 5
  /// SIGINT or SIGTERM ended a run at a step's boundary, or a search behind what it had found.
  case interrupted = 6
  /// A comparison that was asked for (`parity`, `--check-simulation`) found a difference.
  case unequal = 7
  /// A step needs more memory than its devices have, and `--require-fit` was given.
  case tooLarge = 8
  /// A search found no plan that is admissible.
  case nothingAdmissible = 9
}

extension ExitStatus {
  /// What the status means, for tables and help.
  public var meaning: String {
    switch self {
    case .success: "done"
    case .badInput: "a file, value, plan, rank count or the command line cannot be used"
    case .internalFault: "a mistake in sluice itself"
    case .diverged: "the loss or the gradient norm is not a number"
    case .storage: "a checkpoint is damaged or does not fit, or the disk or output refuses"
    case .peer: "a rank is gone or was waited for too long"
    case .interrupted: "SIGINT or SIGTERM ended a run at a step's boundary, or a search"
    case .unequal: "a comparison found a difference"
    case .tooLarge: "a step does not fit the devices' memory (--require-fit)"
    case .nothingAdmissible: "no plan of a search is admissible"
    }
  }
}
